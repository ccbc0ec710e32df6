use std::time::Duration;

use redis::cmd;
use respool_core::{CommandError, Pool, PooledConnection};
use respool_testserver::RedisServer;

use crate::{PATIENCE, config, echo, id_of, pool, pool_of};

/// Ends the connection at the server, which has sent its end before this returns.
async fn kill(server: &RedisServer, id: u64) {
    let id = id.to_string();
    let reply = server
        .command(&["CLIENT", "KILL", "ID", &id])
        .await
        .unwrap();
    assert_eq!(reply.integer(), Some(1));
}

/// A connection that was in use a moment ago, and its number.
async fn used_a_moment_ago(pool: &Pool) -> (PooledConnection, u64) {
    let mut connection = pool.get().await.unwrap();
    let id = id_of(&mut connection).await;
    drop(connection);
    (pool.get().await.unwrap(), id)
}

#[tokio::test]
async fn a_connection_that_was_killed_while_idle_is_replaced_before_it_is_used() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let (connection, id) = used_a_moment_ago(&pool).await;
    drop(connection);
    kill(&server, id).await;
    let mut connection = pool.get().await.unwrap();
    assert_ne!(id_of(&mut connection).await, id);
}

#[tokio::test]
async fn a_connection_that_was_killed_after_it_was_lent_is_renewed_before_its_first_command() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let (mut connection, id) = used_a_moment_ago(&pool).await;
    kill(&server, id).await;
    assert_ne!(id_of(&mut connection).await, id);
    assert!(!connection.is_condemned());
    drop(connection);
    assert_eq!(pool.status().idle, 1);
    assert_eq!(pool.status().opened, 2);
}

#[tokio::test]
async fn it_is_renewed_before_a_first_pipeline_too() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let (mut connection, id) = used_a_moment_ago(&pool).await;
    kill(&server, id).await;
    let (set, got): (String, String) = redis::pipe()
        .atomic()
        .cmd("SET")
        .arg("key")
        .arg("value")
        .cmd("GET")
        .arg("key")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!((set.as_str(), got.as_str()), ("OK", "value"));
}

#[tokio::test]
async fn a_connection_is_not_renewed_under_a_holder_who_has_used_it() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let mut connection = pool.get().await.unwrap();
    let () = cmd("WATCH")
        .arg("key")
        .query_async(&mut connection)
        .await
        .unwrap();
    let id = id_of(&mut connection).await;
    kill(&server, id).await;
    let error = echo(&mut connection, "lost").await.unwrap_err();
    assert!(CommandError::find_in(&error).is_some(), "{error}");
    assert!(connection.is_condemned());
    drop(connection);
    assert_ne!(id_of(&mut pool.get().await.unwrap()).await, id);
}

#[tokio::test]
async fn a_first_command_for_which_no_connection_can_be_opened_was_not_executed() {
    let mut server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let (mut connection, _) = used_a_moment_ago(&pool).await;
    server.kill().await;
    let error = echo(&mut connection, "lost").await.unwrap_err();
    let error = CommandError::find_in(&error).unwrap();
    assert!(
        error.was_lost() && !error.may_have_been_executed(),
        "{error}"
    );
}

#[tokio::test]
async fn a_first_command_whose_time_ran_out_before_there_was_a_connection_was_not_executed() {
    let server = RedisServer::start().await.unwrap();
    let mut config = config(&server.url(), 1);
    config.response_timeout = Some(Duration::from_millis(300));
    for in_one in [false, true] {
        let pool = pool(config.clone());
        let (mut connection, id) = used_a_moment_ago(&pool).await;
        kill(&server, id).await;
        server.pause();
        let error = match in_one {
            false => echo(&mut connection, "late").await.unwrap_err(),
            true => {
                let mut pipeline = redis::pipe();
                pipeline.cmd("ECHO").arg("late");
                let replies = pipeline.query_async::<Vec<String>>(&mut connection);
                replies.await.unwrap_err()
            }
        };
        server.resume();
        let error = CommandError::find_in(&error).unwrap();
        assert!(!error.may_have_been_executed(), "{error}");
    }
}

#[tokio::test]
async fn a_first_command_after_close_on_a_connection_that_had_ended_was_not_executed() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let (mut connection, id) = used_a_moment_ago(&pool).await;
    kill(&server, id).await;
    let closing = pool.clone();
    let closing = tokio::spawn(async move { closing.close(PATIENCE).await });
    // It has begun by then.
    tokio::task::yield_now().await;
    let error = echo(&mut connection, "late").await.unwrap_err();
    let error = CommandError::find_in(&error).unwrap();
    assert!(!error.may_have_been_executed(), "{error}");
    drop(connection);
    closing.await.unwrap();
}
