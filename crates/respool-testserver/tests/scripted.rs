//! The scripted server behaves like a small Redis, but for its script.

mod support;

use respool_testserver::{Answer, Script, ScriptedServer};
use support::Client;

async fn client_of(script: Script) -> (ScriptedServer, Client) {
    let server = ScriptedServer::start_with(script).await.unwrap();
    let client = Client::connect(server.address()).await;
    (server, client)
}

fn bytes(text: &str) -> Answer {
    Answer::Bytes(text.as_bytes().to_vec())
}

#[tokio::test]
async fn unscripted_server_keeps_strings() {
    let (_server, mut client) = client_of(Script::new()).await;
    client.ask("GET a", b"$-1\r\n").await;
    client.ask("SET a 9", b"+OK\r\n").await;
    client.ask("INCR a", b":10\r\n").await;
    client.ask("MSET b x c y", b"+OK\r\n").await;
    client
        .ask("MGET a d c", b"*3\r\n$2\r\n10\r\n$-1\r\n$1\r\ny\r\n")
        .await;
    client.ask("EXISTS a b d", b":2\r\n").await;
    client.ask("DEL a d", b":1\r\n").await;
    client.ask("FLUSHDB", b"+OK\r\n").await;
    client.ask("EXISTS b", b":0\r\n").await;
}

#[tokio::test]
async fn unscripted_server_keeps_lists() {
    let (_server, mut client) = client_of(Script::new()).await;
    client.ask("RPUSH l a b", b":2\r\n").await;
    client.ask("LPUSH l z", b":3\r\n").await;
    client.ask("LPOP l", b"$1\r\nz\r\n").await;
    client.ask("RPOP l", b"$1\r\nb\r\n").await;
    client.ask("RPOP l", b"$1\r\na\r\n").await;
    client.ask("EXISTS l", b":0\r\n").await;
}

#[tokio::test]
async fn wrong_types_and_numbers_are_refused() {
    let (_server, mut client) = client_of(Script::new()).await;
    client.ask("RPUSH l a", b":1\r\n").await;
    client.ask("GET l", b"-WRONGTYPE ").await;
    client
        .expect(b"Operation against a key holding the wrong kind of value\r\n")
        .await;
    client.ask("SET a x", b"+OK\r\n").await;
    client
        .ask(
            "INCR a",
            b"-ERR value is not an integer or out of range\r\n",
        )
        .await;
    client
        .ask(
            "GET",
            b"-ERR wrong number of arguments for 'get' command\r\n",
        )
        .await;
    client
        .ask("nonsense", b"-ERR unknown command 'nonsense'\r\n")
        .await;
}

#[tokio::test]
async fn data_is_shared_between_connections() {
    let (server, mut client) = client_of(Script::new()).await;
    client.ask("SET a 1", b"+OK\r\n").await;
    let mut another = Client::connect(server.address()).await;
    another.ask("GET a", b"$1\r\n1\r\n").await;
}

#[tokio::test]
async fn databases_are_separate() {
    let (_server, mut client) = client_of(Script::new()).await;
    client.ask("SET a 1", b"+OK\r\n").await;
    client.ask("SELECT 1", b"+OK\r\n").await;
    client.ask("GET a", b"$-1\r\n").await;
    client
        .ask("SELECT 16", b"-ERR DB index is out of range\r\n")
        .await;
    client.ask("RESET", b"+RESET\r\n").await;
    client.ask("GET a", b"$1\r\n1\r\n").await;
}

#[tokio::test]
async fn transactions_are_executed_together() {
    let (_server, mut client) = client_of(Script::new()).await;
    client.ask("MULTI", b"+OK\r\n").await;
    client.ask("INCR a", b"+QUEUED\r\n").await;
    client.ask("CLIENT GETNAME", b"+QUEUED\r\n").await;
    client.ask("EXEC", b"*2\r\n:1\r\n$-1\r\n").await;
    client.ask("EXEC", b"-ERR EXEC without MULTI\r\n").await;
}

#[tokio::test]
async fn discarded_transaction_is_forgotten() {
    let (_server, mut client) = client_of(Script::new()).await;
    client.ask("MULTI", b"+OK\r\n").await;
    client.ask("INCR a", b"+QUEUED\r\n").await;
    client.ask("DISCARD", b"+OK\r\n").await;
    client.ask("EXISTS a", b":0\r\n").await;
}

#[tokio::test]
async fn protocol_three_differs_by_the_map_of_hello_alone() {
    let (_server, mut client) = client_of(Script::new()).await;
    client
        .ask("HELLO 4", b"-NOPROTO unsupported protocol version\r\n")
        .await;
    let (_other, mut modern) = client_of(Script::new()).await;
    modern.ask("HELLO 3", b"%7\r\n$6\r\nserver\r\n").await;
    client
        .ask(
            "HELLO 2 AUTH default x SETNAME n",
            b"*14\r\n$6\r\nserver\r\n",
        )
        .await;
    client
        .expect(b"$16\r\nrespool-scripted\r\n$7\r\nversion\r\n$14\r\n0.0.0-scripted\r\n")
        .await;
    client
        .expect(b"$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n")
        .await;
    client
        .expect(b"$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n")
        .await;
    client.ask("CLIENT GETNAME", b"$1\r\nn\r\n").await;
}

#[tokio::test]
async fn connections_are_listed_until_they_end() {
    let (server, mut client) = client_of(Script::new()).await;
    let another = Client::connect_through(server.address()).await;
    client.ask("CLIENT ID", b":1\r\n").await;
    drop(another);
    server.wait_until_open(1).await;
    client.ask("CLIENT SETNAME me", b"+OK\r\n").await;
    let line = format!(
        "id=1 addr={} name=me db=0 flags=N\n",
        client.stream.local_addr().unwrap()
    );
    client
        .ask(
            "CLIENT LIST",
            format!("${}\r\n{line}\r\n", line.len()).as_bytes(),
        )
        .await;
}

#[tokio::test]
async fn quit_closes() {
    let (_server, mut client) = client_of(Script::new()).await;
    client.send("QUIT").await;
    assert_eq!(client.rest().await, b"+OK\r\n");
}

#[tokio::test]
async fn thousands_of_pipelined_commands_are_answered_in_order() {
    let (server, mut client) = client_of(Script::new()).await;
    let count = 20_000_u64;
    let requests = b"*2\r\n$4\r\nINCR\r\n$1\r\na\r\n".repeat(count as usize);
    let replies: String = (1..=count).map(|number| format!(":{number}\r\n")).collect();
    client.send_bytes(&requests).await;
    client.expect(replies.as_bytes()).await;
    assert_eq!(
        (server.commands(), server.command_calls("incr")),
        (count, count)
    );
}

#[tokio::test]
async fn request_in_pieces_is_put_together() {
    let (_server, mut client) = client_of(Script::new()).await;
    client.stream.set_nodelay(true).unwrap();
    for byte in b"*2\r\n$4\r\nECHO\r\n$3\r\na\r\n\r\n" {
        client.send_bytes(&[*byte]).await;
    }
    client.expect(b"$3\r\na\r\n\r\n").await;
}

#[tokio::test]
async fn absurd_lengths_are_refused_and_close() {
    for (request, error) in [
        (
            "*9999999\r\n",
            "-ERR Protocol error: invalid multibulk length\r\n",
        ),
        (
            "*1\r\n$99999999999\r\n",
            "-ERR Protocol error: invalid bulk length\r\n",
        ),
        (
            "*1\r\n:1\r\n",
            "-ERR Protocol error: invalid bulk length\r\n",
        ),
    ] {
        let (_server, mut client) = client_of(Script::new()).await;
        client.send_bytes(request.as_bytes()).await;
        assert_eq!(client.rest().await, error.as_bytes());
    }
}

#[tokio::test]
async fn endless_line_is_refused() {
    let (_server, mut client) = client_of(Script::new()).await;
    client.send_bytes(&[b'x'; 70_000]).await;
    let error = b"-ERR Protocol error: too big inline request\r\n";
    assert_eq!(client.rest().await, error);
}

#[tokio::test]
async fn info_tells_the_counts() {
    let (_server, mut client) = client_of(Script::new()).await;
    client.ask("CONFIG RESETSTAT", b"+OK\r\n").await;
    client.ask("GET a", b"$-1\r\n").await;
    client.send("INFO\r\nQUIT").await;
    let info = String::from_utf8(client.rest().await).unwrap();
    for line in [
        "# Server\r\n",
        "redis_version:0.0.0-scripted\r\n",
        "server_name:respool-scripted\r\n",
        "# Stats\r\ntotal_connections_received:0\r\ntotal_commands_processed:2\r\n",
        "# Commandstats\r\n",
        "cmdstat_get:calls=1,",
    ] {
        assert!(info.contains(line), "{line:?} is not in {info:?}");
    }
}

#[tokio::test]
async fn calls_are_counted_by_name_and_subcommand() {
    let (server, mut client) = client_of(Script::new().on("get", bytes("+a\r\n"))).await;
    client.ask("Get a", b"+a\r\n").await;
    client.ask("client SetInfo LIB-NAME x", b"+OK\r\n").await;
    assert_eq!(server.command_calls("get"), 1);
    assert_eq!(server.command_calls("client|setinfo"), 1);
    assert_eq!(server.command_calls("set"), 0);
    assert_eq!(server.commands(), 2);
}

#[tokio::test]
async fn scripted_answers_go_by_name_in_any_case() {
    let (_server, mut client) = client_of(Script::new().on("Get", bytes("+scripted\r\n"))).await;
    client.ask("gET a", b"+scripted\r\n").await;
    client.ask("PING", b"+PONG\r\n").await;
}

#[tokio::test]
async fn answers_given_once_are_used_up_first() {
    let script = Script::new()
        .once("GET", bytes("+first\r\n"))
        .once("GET", bytes("+second\r\n"))
        .on("GET", bytes("+then\r\n"));
    let (_server, mut client) = client_of(script).await;
    client.ask("GET a", b"+first\r\n").await;
    client.ask("GET a", b"+second\r\n").await;
    client.ask("GET a", b"+then\r\n").await;
    client.ask("GET a", b"+then\r\n").await;
}

#[tokio::test]
async fn subcommand_comes_before_its_command() {
    let script = Script::new()
        .on("CLIENT", bytes("+all\r\n"))
        .on("CLIENT|ID", bytes("+this\r\n"));
    let (_server, mut client) = client_of(script).await;
    client.ask("CLIENT ID", b"+this\r\n").await;
    client.ask("CLIENT GETNAME", b"+all\r\n").await;
}

#[tokio::test]
async fn answer_to_any_command_has_exceptions() {
    let script =
        Script::any(bytes("-NOAUTH Authentication required.\r\n")).on("PING", Answer::Default);
    let (_server, mut client) = client_of(script).await;
    client
        .ask("GET a", b"-NOAUTH Authentication required.\r\n")
        .await;
    client.ask("PING", b"+PONG\r\n").await;
}

#[tokio::test]
async fn silence_to_a_command_shifts_nothing_else() {
    let (_server, mut client) = client_of(Script::new().on("GET", Answer::Silence)).await;
    client.send("GET a").await;
    client.ask("PING", b"+PONG\r\n").await;
}

#[tokio::test]
async fn close_follows_the_earlier_answers() {
    let (server, mut client) = client_of(Script::new().on("GET", Answer::Close)).await;
    client.send("PING\r\nGET a\r\nPING").await;
    assert_eq!(client.rest().await, b"+PONG\r\n");
    assert_eq!(server.open(), 0);
}

#[tokio::test]
async fn bytes_may_be_half_a_reply_before_the_close() {
    let half = Answer::BytesThenClose(b"$10\r\nabc".to_vec());
    let (_server, mut client) = client_of(Script::new().on("GET", half)).await;
    client.send("GET a").await;
    assert_eq!(client.rest().await, b"$10\r\nabc");
}

#[tokio::test]
async fn server_can_close_at_once() {
    let (server, mut client) = client_of(Script::new().on_connect(Answer::Close)).await;
    client.expect_end().await;
    assert_eq!((server.open(), server.accepted()), (0, 1));
}

#[tokio::test]
async fn server_can_be_at_its_limit() {
    let full = b"-ERR max number of clients reached\r\n".to_vec();
    let script = Script::new().on_connect(Answer::BytesThenClose(full.clone()));
    let (_server, mut client) = client_of(script).await;
    assert_eq!(client.rest().await, full);
}

#[tokio::test]
async fn server_can_speak_unasked() {
    let (_server, mut client) = client_of(Script::new().on_connect(bytes("+hello\r\n"))).await;
    client.expect(b"+hello\r\n").await;
    client.ask("PING", b"+PONG\r\n").await;
}

#[tokio::test]
async fn what_it_says_unasked_goes_to_everybody_and_shifts_nothing() {
    let (server, mut client) = client_of(Script::new()).await;
    let mut other = Client::connect_through(server.address()).await;
    client.ask("PING", b"+PONG\r\n").await;
    server.say(b"+news\r\n").await;
    client.expect(b"+news\r\n").await;
    client.ask("ECHO a", b"$1\r\na\r\n").await;
    other.expect(b"+news\r\n").await;
}

#[tokio::test]
async fn endless_answer_is_counted_and_ends_with_the_client() {
    let (server, mut client) =
        client_of(Script::new().on("GET", Answer::Endless(b"abc".to_vec()))).await;
    client.ask("PING", b"+PONG\r\n").await;
    assert_eq!(server.endless_bytes(), 0);
    client.ask("GET a", b"abcabcabcabc").await;
    drop(client);
    server.wait_until_open(0).await;
    assert!(server.endless_bytes() >= 12);
}

#[tokio::test]
async fn server_can_never_say_a_word() {
    let (server, mut client) = client_of(Script::new().on_connect(Answer::Silence)).await;
    client.send("PING").await;
    client.expect_silence().await;
    drop(client);
    server.wait_until_open(0).await;
}

#[tokio::test]
async fn dropped_server_closes_everything() {
    let (server, mut client) = client_of(Script::new()).await;
    client.ask("PING", b"+PONG\r\n").await;
    drop(server);
    client.expect_gone().await;
}
