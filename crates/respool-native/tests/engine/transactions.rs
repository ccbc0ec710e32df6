use redis::{cmd, pipe};
use respool_testserver::RedisServer;

use crate::{id_of, pool_of};

/// The server refuses MULTI and EXEC, so that what he watches stays watched.
#[tokio::test]
async fn who_may_not_begin_a_transaction_leaves_no_watch_behind() {
    let server = RedisServer::start().await.unwrap();
    let rights = "ACL SETUSER hasty on >hasty ~* &* +@all -multi";
    let reply = server.command(&rights.split(' ').collect::<Vec<_>>()).await;
    assert!(!reply.unwrap().is_error());
    let url = server.url().replace("redis://", "redis://hasty:hasty@");
    let pool = pool_of(&url, 1);
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
