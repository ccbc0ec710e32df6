use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};

use redis::{AsyncCommands, PushKind, Value, cmd};
use respool_core::{Pool, PooledConnection, PushHandler};
use respool_testserver::{Answer, RedisServer, Script, ScriptedServer};

use crate::{config, echo, pool};

/// A pool of one connection whose handler passes on the kinds of what it is called with.
fn with_handler(url: &str) -> (Pool, Receiver<PushKind>) {
    let (kinds, received) = mpsc::channel();
    let mut config = config(&format!("{url}?protocol=resp3"), 1);
    config.on_push = Some(PushHandler::new(move |message| match message {
        Value::Push { kind, .. } => kinds.send(kind).unwrap(),
        other => panic!("not a push: {other:?}"),
    }));
    (pool(config), received)
}

async fn track(connection: &mut PooledConnection) {
    let mut command = cmd("CLIENT");
    let command = command.arg("TRACKING").arg("ON").arg("BCAST");
    let () = command.query_async(connection).await.unwrap();
}

#[tokio::test]
async fn what_is_pushed_reaches_the_handler_and_the_stream_but_no_confirmation_does() {
    let server = RedisServer::start().await.unwrap();
    let (pool, handled) = with_handler(&server.url());
    let mut connection = pool.get().await.unwrap();
    track(&mut connection).await;
    let () = cmd("SUBSCRIBE")
        .arg("news")
        .query_async(&mut connection)
        .await
        .unwrap();
    server.command(&["SET", "key", "1"]).await.unwrap();
    server.command(&["PUBLISH", "news", "one"]).await.unwrap();
    for expected in [PushKind::Invalidate, PushKind::Message] {
        match connection.next_message().await.unwrap() {
            Value::Push { kind, .. } => assert_eq!(kind, expected),
            other => panic!("not a push: {other:?}"),
        }
        assert_eq!(handled.try_recv().unwrap(), expected);
    }
    assert!(handled.try_recv().is_err());
}

#[tokio::test]
async fn the_handler_is_called_while_a_command_waits_for_its_reply() {
    let server = RedisServer::start().await.unwrap();
    let (pool, handled) = with_handler(&server.url());
    let mut connection = pool.get().await.unwrap();
    track(&mut connection).await;
    server.command(&["SET", "key", "1"]).await.unwrap();
    let value: String = connection.get("key").await.unwrap();
    assert_eq!(value, "1");
    assert_eq!(handled.try_recv().unwrap(), PushKind::Invalidate);
}

#[tokio::test]
async fn a_handler_that_panics_costs_neither_reply_nor_connection_nor_slot() {
    let server = RedisServer::start().await.unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let mut config = config(&format!("{}?protocol=resp3", server.url()), 1);
    config.on_push = Some(PushHandler::new({
        let calls = calls.clone();
        move |_| {
            calls.fetch_add(1, Ordering::Relaxed);
            panic!("a handler's panic, on purpose");
        }
    }));
    let pool = pool(config);
    let mut connection = pool.get().await.unwrap();
    track(&mut connection).await;
    for round in 1..=2 {
        server.command(&["SET", "key", "1"]).await.unwrap();
        assert_eq!(echo(&mut connection, "mine").await.unwrap(), "mine");
        assert_eq!(calls.load(Ordering::Relaxed), round);
    }
    drop(connection);
    let mut next = pool.get().await.unwrap();
    assert_eq!(echo(&mut next, "fresh").await.unwrap(), "fresh");
}

#[tokio::test]
async fn whoever_only_handles_pushes_may_get_any_number_of_them() {
    const MANY: usize = 70_000;
    let mut answer = b">2\r\n$10\r\ninvalidate\r\n_\r\n".repeat(MANY);
    answer.extend_from_slice(b"$4\r\nmine\r\n");
    let script = Script::new().on("ECHO", Answer::Bytes(answer));
    let server = ScriptedServer::start_with(script).await.unwrap();
    let (pool, handled) = with_handler(&server.url());
    let mut connection = pool.get().await.unwrap();
    assert_eq!(echo(&mut connection, "mine").await.unwrap(), "mine");
    assert_eq!(handled.try_iter().count(), MANY);
}
