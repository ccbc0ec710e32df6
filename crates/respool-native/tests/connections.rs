//! What the engine's exclusive connections do beyond the rules that all backends keep.

use std::time::Duration;

use futures_util::StreamExt;
use redis::{AsyncCommands, Value, cmd};
use respool_core::{CloseReason, ConnectErrorKind, Pool, PoolConfig, PoolError};
use respool_testserver::{Answer, RedisServer, Script, ScriptedServer};

fn pool(url: &str, set: impl FnOnce(&mut PoolConfig)) -> Pool {
    let mut config = PoolConfig::from_url(url).expect("the URL is one");
    set(&mut config);
    respool_native::build(config).expect("the settings are good")
}

async fn server() -> RedisServer {
    RedisServer::start().await.expect("redis-server starts")
}

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

/// A message's last word: its payload.
fn payload(message: &Value) -> String {
    match message {
        Value::Array(parts) | Value::Push { data: parts, .. } => {
            text(parts.last().expect("a message has words"))
        }
        other => text(other),
    }
}

#[tokio::test]
async fn connections_have_their_name_also_after_a_change_of_session() {
    let server = server().await;
    let pool = pool(&server.url(), |config| {
        config.max_size = 1;
        config.client_name = Some("billing-1".to_owned());
    });
    for _ in 0..2 {
        let mut connection = pool.get().await.unwrap();
        let name: String = cmd("CLIENT")
            .arg("GETNAME")
            .query_async(&mut connection)
            .await
            .unwrap();
        assert_eq!(name, "billing-1");
        let set = cmd("CLIENT").arg("SETNAME").arg("another").to_owned();
        set.query_async::<()>(&mut connection).await.unwrap();
    }
}

#[test]
fn a_name_that_no_server_takes_is_refused_by_field() {
    for name in ["two words", "", "new\nline", "\u{e9}"] {
        let mut config = PoolConfig::default();
        config.client_name = Some(name.to_owned());
        match respool_native::build(config) {
            Err(PoolError::Config { field, .. }) => assert_eq!(field, "client_name"),
            other => panic!("{name:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_know_hello_is_spoken_to_in_resp2() {
    let unknown = Answer::Bytes(b"-ERR unknown command 'HELLO'\r\n".to_vec());
    let script = Script::new().on("HELLO", unknown);
    let server = ScriptedServer::start_with(script).await.unwrap();
    let url = format!("{}?protocol=resp3", server.url());
    let pool = pool(&url, |_| {});
    let mut connection = pool.get().await.unwrap();
    connection.set::<_, _, ()>("key", "value").await.unwrap();
    let value: String = connection.get("key").await.unwrap();
    assert_eq!(value, "value");
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_refused_login_is_told_at_once_and_as_such() {
    let server = RedisServer::builder()
        .password("right")
        .start()
        .await
        .expect("redis-server starts");
    let url = format!("redis://:wrong@{}", server.address());
    let pool = pool(&url, |config| config.get_timeout = None);
    match pool.get().await {
        Err(PoolError::Connect { source, .. }) => {
            assert_eq!(source.kind(), ConnectErrorKind::Authentication);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn messages_reach_whoever_holds_or_keeps_the_connection() {
    let server = server().await;
    for protocol in ["resp2", "resp3"] {
        let url = format!("{}?protocol={protocol}", server.url());
        let pool = pool(&url, |_| {});
        let mut publisher = pool.get().await.unwrap();
        let mut held = pool.get().await.unwrap();
        let subscribe = cmd("SUBSCRIBE").arg("news").to_owned();
        subscribe.query_async::<Value>(&mut held).await.unwrap();
        for number in 0..3 {
            publisher.publish::<_, _, ()>("news", number).await.unwrap();
        }
        for number in 0..2 {
            let message = held.next_message().await.unwrap();
            assert_eq!(payload(&message), number.to_string(), "{protocol}");
        }
        let mut kept = held.detach().unwrap();
        publisher.publish::<_, _, ()>("news", 3).await.unwrap();
        let rest: Vec<_> = kept.messages().take(2).collect().await;
        let rest: Vec<_> = rest
            .iter()
            .map(|it| payload(it.as_ref().unwrap()))
            .collect();
        assert_eq!(rest, ["2", "3"], "{protocol}");
    }
}

#[tokio::test]
async fn monitor_shows_what_others_do() {
    let server = server().await;
    let pool = pool(&server.url(), |_| {});
    let mut monitor = pool.get().await.unwrap();
    cmd("MONITOR")
        .query_async::<()>(&mut monitor)
        .await
        .unwrap();
    let mut other = pool.get().await.unwrap();
    other.set::<_, _, ()>("seen", 1).await.unwrap();
    loop {
        let line = text(&monitor.next_message().await.unwrap());
        if line.contains("\"SET\" \"seen\"") {
            break;
        }
    }
    drop(monitor);
    assert_eq!(pool.status().closed.of(CloseReason::SessionChanged), 1);
}

#[tokio::test]
async fn a_pool_grows_for_those_who_wait_and_shrinks_as_its_connections_come_back() {
    let server = server().await;
    let pool = pool(&server.url(), |config| config.max_size = 1);
    let first = pool.get().await.unwrap();
    let waits = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get().await }
    });
    tokio::task::yield_now().await;
    assert_eq!(pool.status().waiting, 1);
    pool.set_max_size(3).unwrap();
    let second = waits.await.unwrap().unwrap();
    let third = pool.get().await.unwrap();
    pool.set_max_size(1).unwrap();
    assert_eq!(pool.status().in_use, 3, "nobody loses what he holds");
    drop((first, second, third));
    let status = pool.status();
    assert_eq!((status.max_size, status.size()), (1, 1), "{status}");
    assert_eq!(status.closed.of(CloseReason::Resized), 2);
    assert!(pool.set_max_size(0).is_err());
}

#[tokio::test]
async fn a_connection_that_is_killed_before_its_first_command_costs_no_error() {
    let server = server().await;
    let pool = pool(&server.url(), |_| {});
    for _ in 0..20 {
        let mut connection = pool.get().await.unwrap();
        let killed = server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        killed.await.unwrap();
        let pong: String = cmd("PING").query_async(&mut connection).await.unwrap();
        assert_eq!(pong, "PONG");
    }
}

#[tokio::test]
async fn the_rest_of_a_reply_that_is_given_up_is_read_if_that_is_cheap() {
    let server = server().await;
    let pool = pool(&server.url(), |config| config.max_size = 1);
    let mut connection = pool.get().await.unwrap();
    connection
        .set::<_, _, ()>("small", "x".repeat(1_000))
        .await
        .unwrap();
    connection
        .set::<_, _, ()>("large", "x".repeat(32 << 20))
        .await
        .unwrap();
    drop(connection);
    for (key, opened) in [("small", 1), ("large", 2)] {
        let mut connection = pool.get().await.unwrap();
        let get = connection.get::<_, Vec<u8>>(key);
        // Its request is written, and that is all.
        let _ = tokio::time::timeout(Duration::ZERO, get).await;
        drop(connection);
        let mut connection = pool.get().await.unwrap();
        let pong: String = cmd("PING").query_async(&mut connection).await.unwrap();
        assert_eq!(pong, "PONG");
        assert_eq!(pool.status().opened, opened, "{key}");
    }
}
