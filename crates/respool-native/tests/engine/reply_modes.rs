use redis::{AsyncCommands, Value, cmd};
use respool_core::{CloseReason, PooledConnection};
use respool_testserver::RedisServer;

use crate::{echo, pool_of, until};

async fn client_reply(connection: &mut PooledConnection, mode: &str) -> Value {
    let mut command = cmd("CLIENT");
    let command = command.arg("REPLY").arg(mode);
    command.query_async(connection).await.unwrap()
}

async fn set(connection: &mut PooledConnection, value: &str) -> Value {
    let mut command = cmd("SET");
    let command = command.arg("key").arg(value);
    command.query_async(connection).await.unwrap()
}

#[tokio::test]
async fn a_command_whose_reply_is_skipped_waits_for_none_and_the_next_gets_its_own() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let mut connection = pool.get().await.unwrap();
    assert_eq!(client_reply(&mut connection, "SKIP").await, Value::Nil);
    assert_eq!(set(&mut connection, "silently").await, Value::Nil);
    assert_eq!(echo(&mut connection, "own").await.unwrap(), "own");
    let value: String = connection.get("key").await.unwrap();
    assert_eq!(value, "silently");
}

#[tokio::test]
async fn what_confirms_a_subscription_whose_reply_is_skipped_answers_nobody() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&format!("{}?protocol=resp3", server.url()), 1);
    let mut connection = pool.get().await.unwrap();
    client_reply(&mut connection, "SKIP").await;
    let mut subscribe = cmd("SUBSCRIBE");
    let subscribe = subscribe.arg("news");
    let reply: Value = subscribe.query_async(&mut connection).await.unwrap();
    assert_eq!(reply, Value::Nil);
    assert_eq!(echo(&mut connection, "own").await.unwrap(), "own");
}

#[tokio::test]
async fn replies_that_are_off_are_not_waited_for_until_they_are_on_again() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let mut connection = pool.get().await.unwrap();
    assert_eq!(client_reply(&mut connection, "OFF").await, Value::Nil);
    for value in ["one", "two"] {
        assert_eq!(set(&mut connection, value).await, Value::Nil);
    }
    assert_eq!(client_reply(&mut connection, "ON").await, Value::Okay);
    let value: String = connection.get("key").await.unwrap();
    assert_eq!(value, "two");
}

#[tokio::test]
async fn a_pipeline_gives_the_replies_that_come() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let mut connection = pool.get().await.unwrap();
    let replies: Vec<String> = redis::pipe()
        .cmd("CLIENT")
        .arg("REPLY")
        .arg("SKIP")
        .cmd("ECHO")
        .arg("unheard")
        .cmd("ECHO")
        .arg("heard")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(replies, ["heard"]);
    assert_eq!(echo(&mut connection, "own").await.unwrap(), "own");
}

#[tokio::test]
async fn what_is_off_stays_off_after_skip() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let mut connection = pool.get().await.unwrap();
    for mode in ["OFF", "SKIP"] {
        assert_eq!(client_reply(&mut connection, mode).await, Value::Nil);
    }
    for value in ["one", "two"] {
        assert_eq!(set(&mut connection, value).await, Value::Nil);
    }
    assert_eq!(client_reply(&mut connection, "ON").await, Value::Okay);
    let value: String = connection.get("key").await.unwrap();
    assert_eq!(value, "two");
}

#[tokio::test]
async fn a_reset_turns_replies_on_again() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let mut connection = pool.get().await.unwrap();
    assert_eq!(client_reply(&mut connection, "OFF").await, Value::Nil);
    let reset: String = cmd("RESET").query_async(&mut connection).await.unwrap();
    assert_eq!(reset, "RESET");
    assert_eq!(echo(&mut connection, "own").await.unwrap(), "own");
}

#[tokio::test]
async fn a_transaction_gives_the_replies_that_come() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    for (mode, expected) in [("SKIP", Some("OK")), ("OFF", None)] {
        let mut connection = pool.get().await.unwrap();
        assert_eq!(client_reply(&mut connection, mode).await, Value::Nil);
        let replies: Option<(String,)> = redis::pipe()
            .atomic()
            .set("key", mode)
            .query_async(&mut connection)
            .await
            .unwrap();
        assert_eq!(replies.as_ref().map(|(reply,)| reply.as_str()), expected);
        assert_eq!(client_reply(&mut connection, "ON").await, Value::Okay);
        let value: String = connection.get("key").await.unwrap();
        assert_eq!(value, mode);
    }
}

#[tokio::test]
async fn a_transaction_that_would_break_off_its_own_reply_is_not_sent() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let mut connection = pool.get().await.unwrap();
    let mut pipeline = redis::pipe();
    pipeline.atomic().set("key", "value");
    pipeline.cmd("CLIENT").arg("REPLY").arg("OFF");
    let refused = pipeline.query_async::<Value>(&mut connection).await;
    assert!(refused.unwrap_err().to_string().contains("not sent"));
    let value: Option<String> = connection.get("key").await.unwrap();
    assert_eq!(value, None);
}

#[tokio::test]
async fn a_pipeline_without_replies_is_written_all_the_same() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 2);
    let mut connection = pool.get().await.unwrap();
    assert_eq!(client_reply(&mut connection, "OFF").await, Value::Nil);
    let mut pipeline = redis::pipe();
    pipeline.set("key", "one").set("key", "two");
    let replies: Vec<Value> = pipeline.query_async(&mut connection).await.unwrap();
    assert_eq!(replies, []);
    drop(connection);
    let mut other = pool.get().await.unwrap();
    until(async || other.get("key").await == Ok(Some("two".to_owned()))).await;
}

#[tokio::test]
async fn the_next_holder_is_answered_whatever_mode_the_last_one_left() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    for mode in ["OFF", "SKIP"] {
        let mut connection = pool.get().await.unwrap();
        client_reply(&mut connection, mode).await;
        drop(connection);
        let mut next = pool.get().await.unwrap();
        assert_eq!(echo(&mut next, mode).await.unwrap(), mode);
    }
    assert_eq!(pool.status().closed.of(CloseReason::SessionChanged), 2);
}

#[tokio::test]
async fn in_a_transaction_that_was_begun_by_hand_it_is_refused_unsent() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let mut connection = pool.get().await.unwrap();
    let () = cmd("MULTI").query_async(&mut connection).await.unwrap();
    let mut skip = cmd("CLIENT");
    skip.arg("REPLY").arg("SKIP");
    let refused = skip
        .query_async::<Value>(&mut connection)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("not sent"), "{refused}");
    set(&mut connection, "queued").await;
    let executed: Vec<String> = cmd("EXEC").query_async(&mut connection).await.unwrap();
    assert_eq!(executed, ["OK"]);

    let mut pipeline = redis::pipe();
    pipeline.cmd("MULTI").add_command(skip).cmd("EXEC");
    let refused = pipeline
        .query_async::<Value>(&mut connection)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("not sent"), "{refused}");
    assert_eq!(echo(&mut connection, "own").await.unwrap(), "own");
}
