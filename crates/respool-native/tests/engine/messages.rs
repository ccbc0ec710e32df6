use std::pin::pin;

use futures_util::StreamExt;
use redis::{AsyncCommands, RedisResult, Value, cmd};
use respool_core::{CommandError, Pool, PooledConnection};
use respool_testserver::{Answer, RedisServer, Script, ScriptedServer};

use crate::{begin, echo, id_of, pool_of};

/// What the two versions of the protocol call a message differs; what is in it does not.
const PROTOCOLS: [&str; 2] = ["resp2", "resp3"];

async fn pool_by(server: &RedisServer, protocol: &str) -> Pool {
    pool_of(&format!("{}?protocol={protocol}", server.url()), 1)
}

async fn send(connection: &mut PooledConnection, words: &[&str]) -> Value {
    let mut command = cmd(words[0]);
    for word in &words[1..] {
        command.arg(*word);
    }
    command.query_async(connection).await.unwrap()
}

async fn publish(server: &RedisServer, payload: &str) {
    let reply = server.command(&["PUBLISH", "news", payload]).await.unwrap();
    assert_eq!(reply.integer(), Some(1));
}

/// The words of a message, its kind in lower case first.
fn words(message: &RedisResult<Value>) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::Array(keys) => format!("{keys:?}"),
        other => panic!("not a word: {other:?}"),
    };
    match message.as_ref().unwrap() {
        Value::Array(parts) => parts.iter().map(text).collect(),
        Value::Push { kind, data } => {
            let kind = format!("{kind:?}").to_ascii_lowercase();
            std::iter::once(kind).chain(data.iter().map(text)).collect()
        }
        line => vec![text(line)],
    }
}

/// The channel that a reply confirms.
fn confirmed(reply: &Value) -> &Value {
    match reply {
        Value::Push { data, .. } => &data[0],
        Value::Array(parts) => &parts[1],
        other => panic!("not a confirmation: {other:?}"),
    }
}

#[tokio::test]
async fn a_subscriber_gets_what_is_published_in_either_protocol() {
    let server = RedisServer::start().await.unwrap();
    for protocol in PROTOCOLS {
        let pool = pool_by(&server, protocol).await;
        let mut connection = pool.get().await.unwrap();
        send(&mut connection, &["SUBSCRIBE", "news"]).await;
        for payload in ["one", "two"] {
            publish(&server, payload).await;
        }
        for payload in ["one", "two"] {
            let message = connection.next_message().await;
            assert_eq!(words(&message), ["message", "news", payload], "{protocol}");
        }
    }
}

#[tokio::test]
async fn a_subscriber_to_a_pattern_is_told_pattern_and_channel_in_either_protocol() {
    let server = RedisServer::start().await.unwrap();
    for protocol in PROTOCOLS {
        let pool = pool_by(&server, protocol).await;
        let mut connection = pool.get().await.unwrap();
        send(&mut connection, &["PSUBSCRIBE", "n*"]).await;
        publish(&server, "one").await;
        let message = connection.next_message().await;
        assert_eq!(words(&message), ["pmessage", "n*", "news", "one"]);
    }
}

#[tokio::test]
async fn messages_between_replies_are_kept_in_order_and_shift_no_reply() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_by(&server, "resp3").await;
    let mut connection = pool.get().await.unwrap();
    send(&mut connection, &["SUBSCRIBE", "news"]).await;
    for payload in ["one", "two", "three"] {
        publish(&server, payload).await;
        assert_eq!(echo(&mut connection, payload).await.unwrap(), payload);
    }
    let (first, second): (String, String) = redis::pipe()
        .cmd("ECHO")
        .arg("first")
        .cmd("ECHO")
        .arg("second")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!((first.as_str(), second.as_str()), ("first", "second"));
    for payload in ["one", "two", "three"] {
        let message = connection.next_message().await;
        assert_eq!(words(&message), ["message", "news", payload]);
    }
}

#[tokio::test]
async fn in_resp2_a_message_before_a_reply_is_not_taken_for_it() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_by(&server, "resp2").await;
    let mut connection = pool.get().await.unwrap();
    send(&mut connection, &["SUBSCRIBE", "news"]).await;
    publish(&server, "one").await;
    let pong = send(&mut connection, &["PING"]).await;
    assert_eq!(words(&Ok(pong)), ["pong", ""]);
    let message = connection.next_message().await;
    assert_eq!(words(&message), ["message", "news", "one"]);
}

#[tokio::test]
async fn what_confirms_several_channels_is_taken_neither_for_a_reply_nor_for_a_message() {
    let server = RedisServer::start().await.unwrap();
    for protocol in PROTOCOLS {
        let pool = pool_by(&server, protocol).await;
        let mut connection = pool.get().await.unwrap();
        for command in ["SUBSCRIBE", "PSUBSCRIBE"] {
            send(&mut connection, &[command, "news", "more", "other"]).await;
            let pong = words(&Ok(send(&mut connection, &["PING"]).await));
            assert!(pong[0].eq_ignore_ascii_case("pong"), "{pong:?}");
        }
        send(&mut connection, &["PUNSUBSCRIBE"]).await;
        send(&mut connection, &["UNSUBSCRIBE", "more", "other"]).await;
        publish(&server, "one").await;
        let mut message = words(&connection.next_message().await);
        assert_eq!(message.split_off(1), ["news", "one"], "{protocol}");
    }
}

#[tokio::test]
async fn in_a_pipeline_each_subscription_is_answered_by_its_own_confirmation() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_by(&server, "resp3").await;
    let mut connection = pool.get().await.unwrap();
    let mut pipeline = redis::pipe();
    pipeline.cmd("SUBSCRIBE").arg("news").arg("more");
    pipeline.cmd("SUBSCRIBE").arg("other");
    pipeline.cmd("ECHO").arg("mine");
    let replies: Vec<Value> = pipeline.query_async(&mut connection).await.unwrap();
    for (reply, channel) in replies.iter().zip(["news", "other"]) {
        assert_eq!(*confirmed(reply), Value::BulkString(channel.into()));
    }
    assert_eq!(replies[2], Value::BulkString("mine".into()));
}

#[tokio::test]
async fn what_is_left_of_one_subscription_answers_no_later_one() {
    for (protocol, kind) in PROTOCOLS.into_iter().zip(['*', '>']) {
        let confirm = |channel: &str| {
            let length = channel.len();
            format!("{kind}3\r\n$9\r\nsubscribe\r\n${length}\r\n{channel}\r\n:1\r\n").into_bytes()
        };
        let refusal = b"-NOPERM not that channel\r\n".to_vec();
        let script = Script::new()
            .once("SUBSCRIBE", Answer::Bytes(confirm("news")))
            .once(
                "SUBSCRIBE",
                Answer::Bytes([confirm("other"), refusal].concat()),
            )
            .once("SUBSCRIBE", Answer::Bytes(confirm("late")));
        let server = ScriptedServer::start_with(script).await.unwrap();
        let pool = pool_of(&format!("{}?protocol={protocol}", server.url()), 1);
        let mut connection = pool.get().await.unwrap();
        send(&mut connection, &["SUBSCRIBE", "news", "more", "other"]).await;
        server.say(&confirm("more")).await;
        let mut forbidden = cmd("SUBSCRIBE");
        let forbidden = forbidden.arg("forbidden");
        let refused: RedisResult<Value> = forbidden.query_async(&mut connection).await;
        assert_eq!(refused.unwrap_err().code(), Some("NOPERM"), "{protocol}");
        let reply = send(&mut connection, &["SUBSCRIBE", "late"]).await;
        assert_eq!(*confirmed(&reply), Value::BulkString("late".into()));
        assert_eq!(echo(&mut connection, "mine").await.unwrap(), "mine");
    }
}

#[tokio::test]
async fn monitor_shows_what_others_do_and_no_line_of_it_is_taken_for_a_reply() {
    let server = RedisServer::start().await.unwrap();
    for protocol in PROTOCOLS {
        let pool = pool_by(&server, protocol).await;
        let mut connection = pool.get().await.unwrap();
        send(&mut connection, &["MONITOR"]).await;
        server.command(&["SET", "seen", "1"]).await.unwrap();
        assert_eq!(echo(&mut connection, "mine").await.unwrap(), "mine");
        let line = connection.next_message().await;
        assert!(words(&line)[0].contains(r#""SET" "seen" "1""#), "{line:?}");
    }
}

#[tokio::test]
async fn a_line_of_monitor_arrives_whole_however_long_it_is() {
    let server = RedisServer::start().await.unwrap();
    let long = "x".repeat(2 << 20);
    let end = format!(r#""ECHO" "{long}""#);
    for protocol in PROTOCOLS {
        let pool = pool_by(&server, protocol).await;
        let mut connection = pool.get().await.unwrap();
        send(&mut connection, &["MONITOR"]).await;
        server.command(&["ECHO", &long]).await.unwrap();
        let line = words(&connection.next_message().await).remove(0);
        assert!(line.ends_with(&end), "{protocol}: {} bytes", line.len());
        assert_eq!(echo(&mut connection, "mine").await.unwrap(), "mine");
    }
}

#[tokio::test]
async fn whoever_tracks_keys_is_told_which_are_no_longer_valid() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_by(&server, "resp3").await;
    let mut connection = pool.get().await.unwrap();
    send(&mut connection, &["CLIENT", "TRACKING", "ON"]).await;
    send(&mut connection, &["GET", "watched"]).await;
    server.command(&["SET", "watched", "1"]).await.unwrap();
    let message = words(&connection.next_message().await);
    assert_eq!(message[0], "invalidate");
    assert!(message[1].contains("watched"), "{message:?}");
    let value: String = connection.get("watched").await.unwrap();
    assert_eq!(value, "1");
}

#[tokio::test]
async fn giving_up_waiting_for_a_message_loses_none() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_by(&server, "resp3").await;
    let mut connection = pool.get().await.unwrap();
    send(&mut connection, &["SUBSCRIBE", "news"]).await;
    begin(pin!(connection.next_message())).await;
    publish(&server, "one").await;
    let message = connection.next_message().await;
    assert_eq!(words(&message), ["message", "news", "one"]);
}

#[tokio::test]
async fn the_stream_of_messages_ends_with_the_error_of_its_connection() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_by(&server, "resp3").await;
    let mut connection = pool.get().await.unwrap();
    let id = id_of(&mut connection).await.to_string();
    send(&mut connection, &["SUBSCRIBE", "news"]).await;
    publish(&server, "one").await;
    let mut messages = pin!(connection.messages());
    let first = messages.next().await.unwrap();
    assert_eq!(words(&first), ["message", "news", "one"]);
    let kill = ["CLIENT", "KILL", "ID", &id];
    server.command(&kill).await.unwrap();
    let error = messages.next().await.unwrap().unwrap_err();
    assert!(CommandError::find_in(&error).is_some(), "{error}");
    assert!(messages.next().await.is_none());
}

#[tokio::test]
async fn the_next_holder_gets_no_message_of_the_one_before() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_by(&server, "resp3").await;
    let mut connection = pool.get().await.unwrap();
    send(&mut connection, &["SUBSCRIBE", "news"]).await;
    publish(&server, "one").await;
    drop(connection);
    let mut next = pool.get().await.unwrap();
    begin(pin!(next.next_message())).await;
    assert_eq!(echo(&mut next, "fresh").await.unwrap(), "fresh");
    begin(pin!(next.next_message())).await;
}

#[tokio::test]
async fn a_detached_connection_goes_on_with_the_messages_that_it_had() {
    let server = RedisServer::start().await.unwrap();
    for protocol in PROTOCOLS {
        let pool = pool_by(&server, protocol).await;
        let mut connection = pool.get().await.unwrap();
        send(&mut connection, &["SUBSCRIBE", "news"]).await;
        publish(&server, "one").await;
        send(&mut connection, &["PING"]).await;
        let mut detached = connection.detach().unwrap();
        publish(&server, "two").await;
        let first = detached.next_message().await;
        assert_eq!(words(&first), ["message", "news", "one"], "{protocol}");
        let mut messages = pin!(detached.messages());
        let second = messages.next().await.unwrap();
        assert_eq!(words(&second), ["message", "news", "two"], "{protocol}");
    }
}

#[tokio::test]
async fn messages_of_a_detached_connection_end_with_its_error_and_outlive_the_pool() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_by(&server, "resp3").await;
    let mut connection = pool.get().await.unwrap();
    let id = id_of(&mut connection).await.to_string();
    send(&mut connection, &["SUBSCRIBE", "news"]).await;
    let mut detached = connection.detach().unwrap();
    drop(pool);
    publish(&server, "one").await;
    let mut messages = pin!(detached.messages());
    let first = messages.next().await.unwrap();
    assert_eq!(words(&first), ["message", "news", "one"]);
    let kill = ["CLIENT", "KILL", "ID", &id];
    server.command(&kill).await.unwrap();
    assert!(messages.next().await.unwrap().is_err());
    assert!(messages.next().await.is_none());
}

#[tokio::test]
async fn who_is_subscribed_to_nothing_any_more_gets_lists_that_look_like_messages() {
    let server = RedisServer::start().await.unwrap();
    let push = ["RPUSH", "list", "message", "news", "text"];
    server.command(&push).await.unwrap();
    let list = ["message", "news", "text"];
    for protocol in PROTOCOLS {
        let pool = pool_by(&server, protocol).await;
        let mut connection = pool.get().await.unwrap();
        send(&mut connection, &["SUBSCRIBE", "news"]).await;
        send(&mut connection, &["UNSUBSCRIBE", "news"]).await;
        let found: Vec<String> = connection.lrange("list", 0, -1).await.unwrap();
        assert_eq!(found, list, "{protocol}");
        // The server may change its words while somebody is subscribed.
        send(&mut connection, &["HELLO", "3"]).await;
        send(&mut connection, &["SUBSCRIBE", "news"]).await;
        let found: Vec<String> = connection.lrange("list", 0, -1).await.unwrap();
        assert_eq!(found, list, "{protocol}, then HELLO 3");
    }
}

#[tokio::test]
async fn who_subscribes_in_a_transaction_gets_what_is_published_in_either_protocol() {
    let server = RedisServer::start().await.unwrap();
    for protocol in PROTOCOLS {
        let pool = pool_by(&server, protocol).await;
        let mut connection = pool.get().await.unwrap();
        for words in [&["MULTI"][..], &["SUBSCRIBE", "news"], &["EXEC"]] {
            send(&mut connection, words).await;
        }
        publish(&server, "text").await;
        let message = connection.next_message().await;
        assert_eq!(words(&message), ["message", "news", "text"], "{protocol}");
    }
}
