use redis::{cmd, pipe};
use respool_testserver::RedisServer;

use respool_core::Pool;

use crate::{id_of, pool_of};

/// A pool of one whose user may not begin a transaction.
async fn hasty_pool(server: &RedisServer) -> Pool {
    let rights = "ACL SETUSER hasty on >hasty ~* &* +@all -multi";
    let reply = server.command(&rights.split(' ').collect::<Vec<_>>()).await;
    assert!(!reply.unwrap().is_error());
    let url = server.url().replace("redis://", "redis://hasty:hasty@");
    pool_of(&url, 1)
}

/// Nothing was aborted: what stands in it was executed, command by command.
#[tokio::test]
async fn that_multi_was_refused_is_told_as_that() {
    let server = RedisServer::start().await.unwrap();
    let pool = hasty_pool(&server).await;
    let mut transaction = pipe();
    transaction.atomic().incr("key", 1).ignore();
    let own = (transaction.query_async::<()>(&mut pool.get().await.unwrap())).await;
    let shared = transaction.query_async::<()>(&mut pool.client()).await;
    for refused in [own, shared] {
        assert_eq!(refused.unwrap_err().code(), Some("NOPERM"));
    }
    let mut connection = pool.get().await.unwrap();
    let count: i64 = cmd("GET")
        .arg("key")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(count, 2);
}

/// The server refuses MULTI and EXEC, so that what he watches stays watched.
#[tokio::test]
async fn who_may_not_begin_a_transaction_leaves_no_watch_behind() {
    let server = RedisServer::start().await.unwrap();
    let pool = hasty_pool(&server).await;
    let mut connection = pool.get().await.unwrap();
    let () = cmd("WATCH")
        .arg("key")
        .query_async(&mut connection)
        .await
        .unwrap();
    let mut transaction = pipe();
    transaction.atomic().set("key", "value").ignore();
    let refused = transaction.query_async::<()>(&mut connection).await;
    assert!(refused.is_err());
    let before = id_of(&mut connection).await;
    drop(connection);
    let after = id_of(&mut pool.get().await.unwrap()).await;
    assert_ne!(before, after);
}
