use respool_core::ConnectErrorKind;
use respool_testserver::{Answer, RedisServer, Script, ScriptedServer};

use crate::{echo, pool_of, refusal};

fn bytes(bytes: &[u8]) -> Answer {
    Answer::Bytes(bytes.to_vec())
}

#[tokio::test]
async fn the_handshake_takes_one_round_trip() {
    // All replies come with the last: whoever waits for one before sending the next gets none.
    let all = bytes(b"%0\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n:0\r\n");
    let script = Script::new()
        .on("HELLO", Answer::Silence)
        .on("SELECT", Answer::Silence)
        .on("CLIENT", Answer::Silence)
        .on("DBSIZE", all);
    let server = ScriptedServer::start_with(script).await.unwrap();
    let settings = "protocol=resp3&client_name=engine";
    let url = format!("redis://me:secret@{}/3?{settings}", server.address());
    let pool = pool_of(&url, 1);
    let mut connection = pool.get().await.unwrap();
    assert_eq!(echo(&mut connection, "there").await.unwrap(), "there");
    assert_eq!(server.commands(), 7);
}

#[tokio::test]
async fn an_old_server_that_refuses_hello_is_spoken_to_in_resp2() {
    for refused in [
        &b"-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n"[..],
        b"-NOPROTO unsupported protocol version\r\n",
    ] {
        let script = Script::new().on("HELLO", bytes(refused));
        let server = ScriptedServer::start_with(script).await.unwrap();
        let url = format!("redis://:secret@{}/3?protocol=resp3", server.address());
        let pool = pool_of(&url, 1);
        let mut connection = pool.get().await.unwrap();
        assert_eq!(echo(&mut connection, "there").await.unwrap(), "there");
        assert_eq!(server.command_calls("hello"), 1);
        assert_eq!(server.command_calls("auth"), 1);
        assert_eq!(server.accepted(), 1);
    }
}

#[tokio::test]
async fn what_an_old_server_refuses_after_hello_is_asked_again_before_it_matters() {
    let script = Script::new()
        .on("HELLO", bytes(b"-ERR unknown command 'HELLO'\r\n"))
        .once("SELECT", bytes(b"-NOAUTH Authentication required.\r\n"));
    let server = ScriptedServer::start_with(script).await.unwrap();
    let url = format!("redis://:secret@{}/3?protocol=resp3", server.address());
    let pool = pool_of(&url, 1);
    let mut connection = pool.get().await.unwrap();
    assert_eq!(echo(&mut connection, "there").await.unwrap(), "there");
    assert_eq!(server.command_calls("select"), 2);
}

#[tokio::test]
async fn a_wrong_login_is_refused_at_once_with_its_cause_and_not_tried_again() {
    let server = RedisServer::builder()
        .password("right")
        .start()
        .await
        .unwrap();
    for login in [":wrong@", "nobody:right@", ""] {
        for protocol in ["resp2", "resp3"] {
            let before = server.total_connections_received().await;
            let url = format!("redis://{login}{}/0?protocol={protocol}", server.address());
            let pool = pool_of(&url, 1);
            // Without a limit: it ends because it was refused.
            let kind = refusal(pool.get_within(None).await);
            assert_eq!(kind, ConnectErrorKind::Authentication, "{login} {protocol}");
            let tried = server.total_connections_received().await - before;
            assert_eq!(tried, 1, "{login} {protocol}");
        }
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_refused_at_once() {
    let server = RedisServer::builder().databases(2).start().await.unwrap();
    let pool = pool_of(&format!("redis://{}/2", server.address()), 1);
    let kind = refusal(pool.get_within(None).await);
    assert_eq!(kind, ConnectErrorKind::Setup);
}

#[tokio::test]
async fn a_server_without_setinfo_and_dbsize_is_served_all_the_same() {
    let unknown = bytes(b"-ERR unknown subcommand\r\n");
    let script = Script::new()
        .on("CLIENT|SETINFO", unknown)
        .on("DBSIZE", bytes(b"-ERR unknown command 'DBSIZE'\r\n"));
    let server = ScriptedServer::start_with(script).await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let mut connection = pool.get().await.unwrap();
    assert_eq!(echo(&mut connection, "there").await.unwrap(), "there");
}
