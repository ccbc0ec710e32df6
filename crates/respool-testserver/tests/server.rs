//! A real server starts, ends and counts as promised.

mod support;

use respool_testserver::{RedisServer, Reply, StartError};
use support::{Client, a_runtime, expect_refused};

#[tokio::test]
async fn server_is_gone_after_drop() {
    let server = RedisServer::start().await.unwrap();
    let mut client = Client::connect_through(server.address()).await;
    drop(server);
    client.expect_gone().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn dropped_server_leaves_no_zombie() {
    let server = RedisServer::start().await.unwrap();
    let process = std::path::PathBuf::from(format!("/proc/{}", server.process_id().unwrap()));
    assert!(process.exists());
    drop(server);
    assert!(!process.exists());
}

#[cfg(unix)]
#[tokio::test]
async fn folder_is_gone_after_drop() {
    let server = RedisServer::builder().unix_socket().start().await.unwrap();
    let folder = server.unix_socket().unwrap().parent().unwrap().to_owned();
    assert!(folder.exists());
    drop(server);
    assert!(!folder.exists());
}

#[tokio::test]
async fn killed_server_refuses_connections() {
    let mut server = RedisServer::start().await.unwrap();
    server.kill().await;
    expect_refused(server.address()).await;
    assert_eq!(server.process_id(), None);
}

#[tokio::test]
async fn restart_keeps_the_port() {
    let mut server = RedisServer::start().await.unwrap();
    let (address, process) = (server.address(), server.process_id());
    server.kill().await;
    server.restart().await.unwrap();
    assert_eq!(server.address(), address);
    assert_ne!(server.process_id(), process);
    Client::connect_through(address).await;
}

#[tokio::test]
async fn restart_replaces_a_server_that_still_runs() {
    let mut server = RedisServer::start().await.unwrap();
    let mut client = Client::connect_through(server.address()).await;
    server.restart().await.unwrap();
    client.expect_gone().await;
    assert_eq!(server.total_connections_received().await, 0);
}

#[tokio::test]
async fn restart_keeps_the_settings() {
    let mut server = RedisServer::builder().databases(1).start().await.unwrap();
    server.restart().await.unwrap();
    assert!(server.command(&["SELECT", "1"]).await.unwrap().is_error());
}

#[cfg(unix)]
#[tokio::test]
async fn paused_server_answers_only_after_resume() {
    let server = RedisServer::start().await.unwrap();
    let mut client = Client::connect_through(server.address()).await;
    server.pause();
    client.send("PING").await;
    client.expect_silence().await;
    server.resume();
    client.expect(b"+PONG\r\n").await;
}

#[cfg(unix)]
#[tokio::test]
async fn server_can_be_paused_twice() {
    let server = RedisServer::start().await.unwrap();
    server.pause();
    server.pause();
    server.resume();
    Client::connect_through(server.address()).await;
}

#[cfg(unix)]
#[tokio::test]
async fn paused_server_can_be_dropped() {
    let server = RedisServer::start().await.unwrap();
    let mut client = Client::connect_through(server.address()).await;
    server.pause();
    drop(server);
    client.expect_gone().await;
}

#[test]
fn server_outlives_the_runtime_that_started_it() {
    let server = a_runtime().block_on(RedisServer::start()).unwrap();
    assert_eq!(a_runtime().block_on(server.connected_clients()), 0);
}

#[tokio::test(start_paused = true)]
async fn server_starts_under_a_paused_clock() {
    let server = RedisServer::start().await.unwrap();
    assert_eq!(server.connected_clients().await, 0);
}

#[tokio::test]
async fn wrong_setting_is_named_in_the_error() {
    let error = RedisServer::builder()
        .argument("--no-such-setting", "1")
        .start()
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::Ended { .. }), "{error}");
    assert!(error.to_string().contains("no-such-setting"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn program_that_is_no_redis_is_refused() {
    let error = RedisServer::builder()
        .program("/bin/sh")
        .start()
        .await
        .unwrap_err();
    assert!(matches!(error, StartError::Run { .. }), "{error}");
}

#[tokio::test]
async fn version_and_kind_are_what_the_server_says() {
    let server = RedisServer::start().await.unwrap();
    let info = server.command(&["INFO", "server"]).await.unwrap();
    let line = format!("{}_version:{}\r\n", server.kind(), server.version());
    assert!(info.text().unwrap().contains(&line), "{line:?} in {info:?}");
}

#[tokio::test]
async fn password_is_asked_for_and_stands_in_the_url() {
    let server = RedisServer::builder()
        .password("a b/ü")
        .start()
        .await
        .unwrap();
    assert_eq!(
        server.url(),
        format!("redis://:a%20b%2F%C3%BC@{}/0", server.address())
    );
    let mut client = Client::connect(server.address()).await;
    client
        .ask("GET a", b"-NOAUTH Authentication required.\r\n")
        .await;
    client.ask("AUTH \"a b/ü\"", b"+OK\r\n").await;
}

#[cfg(unix)]
#[tokio::test]
async fn unix_socket_is_listened_on() {
    use std::io::{Read, Write};

    let server = RedisServer::builder().unix_socket().start().await.unwrap();
    let path = server.unix_socket().unwrap();
    let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    let mut reply = [0; 7];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"+PONG\r\n");
}

#[tokio::test]
async fn argument_of_several_words_reaches_the_server() {
    let server = RedisServer::builder()
        .argument("client-output-buffer-limit", "pubsub 64mb 16mb 90")
        .start()
        .await
        .unwrap();
    let reply = server
        .command(&["CONFIG", "GET", "client-output-buffer-limit"])
        .await
        .unwrap();
    let Reply::Array(setting) = reply else {
        panic!("{reply:?}");
    };
    let limits = setting[1].text().unwrap();
    assert!(limits.contains("pubsub 67108864 16777216 90"), "{limits}");
}

#[tokio::test]
async fn full_server_can_still_be_asked_how_full_it_is() {
    let server = RedisServer::builder().max_clients(2).start().await.unwrap();
    let _first = Client::connect_through(server.address()).await;
    let _second = Client::connect_through(server.address()).await;
    let mut third = Client::connect(server.address()).await;
    third
        .expect(b"-ERR max number of clients reached\r\n")
        .await;
    assert_eq!(server.connected_clients().await, 2);
}

#[tokio::test]
async fn own_connections_are_not_counted() {
    let server = RedisServer::builder()
        .password("secret")
        .start()
        .await
        .unwrap();
    for _ in 0..3 {
        server.command(&["PING"]).await.unwrap();
    }
    assert_eq!(server.connected_clients().await, 0);
    assert_eq!(server.total_connections_received().await, 0);
    assert_eq!(server.command_calls("auth").await, 0);
    assert_eq!(server.command_calls("ping").await, 3);
}

#[tokio::test]
async fn connections_of_clients_are_counted() {
    let server = RedisServer::start().await.unwrap();
    let first = Client::connect_through(server.address()).await;
    let mut second = Client::connect_through(server.address()).await;
    second.ask("SUBSCRIBE a", b"*3\r\n").await;
    assert_eq!(server.connected_clients().await, 2);
    drop(first);
    let _third = Client::connect_through(server.address()).await;
    assert_eq!(server.total_connections_received().await, 3);
}

#[tokio::test]
async fn counts_start_anew_after_resetstat() {
    let server = RedisServer::start().await.unwrap();
    let _client = Client::connect_through(server.address()).await;
    server.command(&["config", "resetstat"]).await.unwrap();
    let _another = Client::connect_through(server.address()).await;
    assert_eq!(server.total_connections_received().await, 1);
    assert_eq!(server.command_calls("ping").await, 1);
}

#[tokio::test]
async fn counts_survive_the_killing_of_all_connections() {
    let server = RedisServer::start().await.unwrap();
    let mut client = Client::connect_through(server.address()).await;
    let killed = server.command(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    assert_eq!(killed.unwrap(), Reply::Integer(2));
    client.expect_gone().await;
    assert_eq!(server.connected_clients().await, 0);
    assert_eq!(server.total_connections_received().await, 1);
}

#[tokio::test]
async fn subcommands_are_counted_by_themselves() {
    let server = RedisServer::start().await.unwrap();
    let mut client = Client::connect(server.address()).await;
    client.ask("CLIENT SETNAME a", b"+OK\r\n").await;
    client.ask("CLIENT SETNAME b", b"+OK\r\n").await;
    assert_eq!(server.command_calls("client|setname").await, 2);
    assert_eq!(server.command_calls("client|getname").await, 0);
}

#[tokio::test]
async fn replies_of_every_kind_are_understood() {
    let server = RedisServer::start().await.unwrap();
    let command = async |words: &[&str]| server.command(words).await.unwrap();
    assert_eq!(
        command(&["SET", "a", "1"]).await,
        Reply::Status("OK".to_owned())
    );
    assert_eq!(command(&["GET", "a"]).await, Reply::Bytes(b"1".to_vec()));
    assert_eq!(command(&["GET", "b"]).await, Reply::Nil);
    assert_eq!(command(&["INCR", "a"]).await.integer(), Some(2));
    assert_eq!(
        command(&["MGET", "a", "b"]).await,
        Reply::Array(vec![Reply::Bytes(b"2".to_vec()), Reply::Nil])
    );
    assert!(command(&["LPUSH", "a", "1"]).await.is_error());
}

#[tokio::test]
async fn debug_command_is_allowed() {
    let server = RedisServer::start().await.unwrap();
    let reply = server.command(&["DEBUG", "SLEEP", "0"]).await.unwrap();
    assert_eq!(reply, Reply::Status("OK".to_owned()));
}
