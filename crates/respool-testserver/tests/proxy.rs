//! The proxy's faults are the faults it says they are.

mod support;

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use respool_testserver::{FaultProxy, RedisServer, ScriptedServer};
use support::{Client, a_runtime, expect_refused};

/// Longer than any test: what happens in spite of it was not waited for.
const FOREVER: Duration = Duration::from_secs(3600);

async fn server_and_proxy() -> (ScriptedServer, FaultProxy) {
    let server = ScriptedServer::start().await.unwrap();
    let proxy = FaultProxy::start(server.address()).await.unwrap();
    (server, proxy)
}

#[tokio::test]
async fn proxy_counts_connections() {
    let (_server, proxy) = server_and_proxy().await;
    let first = Client::connect_through(proxy.address()).await;
    let second = Client::connect_through(proxy.address()).await;
    assert_eq!(proxy.open(), 2);
    drop((first, second));
    proxy.wait_until_open(0).await;
    let _third = Client::connect_through(proxy.address()).await;
    assert_eq!(
        (proxy.open(), proxy.most_open(), proxy.accepted()),
        (1, 2, 3)
    );
}

#[tokio::test]
async fn a_client_that_has_only_just_left_is_not_counted() {
    let (_server, proxy) = server_and_proxy().await;
    proxy.stall();
    for _ in 0..100 {
        let mut client = Client::connect(proxy.address()).await;
        client.send("PING").await;
        assert_eq!(proxy.open(), 1);
        drop(client);
        // The operating system may take its time to pass it on; nothing of the proxy has a turn meanwhile.
        let until = Instant::now() + Duration::from_millis(500);
        while proxy.open() > 0 && Instant::now() < until {
            std::thread::yield_now();
        }
        assert_eq!(proxy.open(), 0);
    }
}

#[tokio::test]
async fn proxy_counts_the_bytes_that_passed() {
    let (_server, proxy) = server_and_proxy().await;
    let mut client = Client::connect_through(proxy.address()).await;
    client.ask("ECHO abc", b"$3\r\nabc\r\n").await;
    assert_eq!(proxy.request_bytes(), "PING\r\nECHO abc\r\n".len() as u64);
    assert_eq!(proxy.reply_bytes(), "+PONG\r\n$3\r\nabc\r\n".len() as u64);
}

#[tokio::test]
async fn large_requests_and_replies_pass_unharmed() {
    let (_server, proxy) = server_and_proxy().await;
    let mut client = Client::connect(proxy.address()).await;
    let text: Vec<u8> = (0..5_000_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    let bulk = [format!("${}\r\n", text.len()).as_bytes(), &text, b"\r\n"].concat();
    client
        .send_bytes(&[b"*2\r\n$4\r\nECHO\r\n", &bulk[..]].concat())
        .await;
    client.expect(&bulk).await;
}

#[tokio::test]
async fn end_of_a_client_reaches_the_server() {
    let (server, proxy) = server_and_proxy().await;
    let client = Client::connect_through(proxy.address()).await;
    drop(client);
    server.wait_until_open(0).await;
}

#[tokio::test]
async fn end_of_a_server_reaches_the_client() {
    let (server, proxy) = server_and_proxy().await;
    let mut client = Client::connect_through(proxy.address()).await;
    drop(server);
    client.expect_end().await;
}

#[tokio::test]
async fn client_is_closed_when_the_server_is_down() {
    // A killed server keeps its port, which a dropped one leaves to other tests.
    let mut server = RedisServer::start().await.unwrap();
    server.kill().await;
    let proxy = FaultProxy::start(server.address()).await.unwrap();
    let mut client = Client::connect(proxy.address()).await;
    client.expect_end().await;
    assert_eq!(proxy.open(), 0);
}

#[tokio::test]
async fn cut_closes_open_connections() {
    let (server, proxy) = server_and_proxy().await;
    let mut client = Client::connect_through(proxy.address()).await;
    proxy.cut();
    assert_eq!(proxy.open(), 0);
    client.expect_end().await;
    server.wait_until_open(0).await;
    Client::connect_through(proxy.address()).await;
}

#[tokio::test]
async fn cut_covers_a_client_that_has_only_just_connected() {
    let (_server, proxy) = server_and_proxy().await;
    let mut client = Client::connect(proxy.address()).await;
    proxy.cut();
    client.expect_end().await;
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn cut_with_unread_bytes_is_still_no_reset() {
    let (_server, proxy) = server_and_proxy().await;
    let mut client = Client::connect_through(proxy.address()).await;
    proxy.stall();
    client.send_bytes(&[b'x'; 100_000]).await;
    proxy.cut();
    client.expect_end().await;
}

#[tokio::test]
async fn reset_is_a_reset() {
    let (_server, proxy) = server_and_proxy().await;
    let mut client = Client::connect_through(proxy.address()).await;
    proxy.reset();
    assert_eq!(proxy.open(), 0);
    client.expect_reset().await;
}

#[tokio::test]
async fn half_close_ends_replies_and_passes_requests() {
    let (server, proxy) = server_and_proxy().await;
    let mut client = Client::connect_through(proxy.address()).await;
    proxy.half_close();
    client.expect_end().await;
    client.send("SET a 1").await;
    assert_eq!(proxy.open(), 1);
    drop(client);
    server.wait_until_open(0).await;
    assert_eq!(server.command_calls("set"), 1);
}

#[tokio::test]
async fn stall_withholds_what_resume_delivers() {
    let (server, proxy) = server_and_proxy().await;
    let mut client = Client::connect_through(proxy.address()).await;
    proxy.stall();
    client.send("PING").await;
    client.expect_silence().await;
    assert_eq!(server.command_calls("ping"), 1);
    proxy.resume();
    client.expect(b"+PONG\r\n").await;
}

#[tokio::test]
async fn stall_keeps_new_connections_from_the_server() {
    let (server, proxy) = server_and_proxy().await;
    proxy.stall();
    let mut client = Client::connect(proxy.address()).await;
    client.send("PING").await;
    client.expect_silence().await;
    assert_eq!((proxy.open(), server.accepted()), (1, 0));
    proxy.resume();
    client.expect(b"+PONG\r\n").await;
}

#[tokio::test]
async fn client_that_leaves_a_stalled_connection_is_not_counted() {
    let (server, proxy) = server_and_proxy().await;
    let mut client = Client::connect_through(proxy.address()).await;
    proxy.stall();
    client.send("PING").await;
    drop(client);
    proxy.wait_until_open(0).await;
    assert_eq!(server.open(), 1);
    proxy.resume();
    server.wait_until_open(0).await;
    assert_eq!(server.command_calls("ping"), 2);
}

#[tokio::test]
async fn stalling_open_connections_leaves_new_ones_alone() {
    let (_server, proxy) = server_and_proxy().await;
    let mut stalled = Client::connect_through(proxy.address()).await;
    proxy.stall_open_connections();
    proxy.resume();
    stalled.send("PING").await;
    Client::connect_through(proxy.address()).await;
    stalled.expect_silence().await;
}

#[tokio::test]
async fn stalled_connections_can_be_cut() {
    let (server, proxy) = server_and_proxy().await;
    let mut client = Client::connect_through(proxy.address()).await;
    proxy.stall_open_connections();
    proxy.cut();
    client.expect_end().await;
    server.wait_until_open(0).await;
}

#[tokio::test]
async fn delay_holds_bytes_back_until_it_is_ended() {
    let (_server, proxy) = server_and_proxy().await;
    let mut client = Client::connect_through(proxy.address()).await;
    proxy.delay(Some(FOREVER));
    client.send("PING").await;
    client.expect_silence().await;
    proxy.delay(None);
    client.expect(b"+PONG\r\n").await;
}

#[tokio::test]
async fn delayed_bytes_arrive_by_themselves() {
    let (_server, proxy) = server_and_proxy().await;
    proxy.delay(Some(Duration::from_millis(1)));
    Client::connect_through(proxy.address()).await;
}

#[tokio::test]
async fn a_rate_holds_bytes_back_until_it_is_ended() {
    let (_server, proxy) = server_and_proxy().await;
    let mut client = Client::connect_through(proxy.address()).await;
    proxy.limit_reply_rate(NonZeroU64::new(1));
    client.send("PING").await;
    client.expect(b"+").await;
    proxy.limit_reply_rate(None);
    client.expect(b"PONG\r\n").await;
}

#[tokio::test]
async fn replies_take_the_time_that_their_rate_gives_them() {
    let (_server, proxy) = server_and_proxy().await;
    let mut client = Client::connect_through(proxy.address()).await;
    proxy.limit_reply_rate(NonZeroU64::new(100_000));
    let word = "x".repeat(20_000);
    let started = Instant::now();
    let reply = format!("$20000\r\n{word}\r\n");
    client.ask(&format!("ECHO {word}"), reply.as_bytes()).await;
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(180), "{took:?}");
}

#[tokio::test]
async fn a_rate_slows_one_direction_and_each_connection_by_itself() {
    let (server, proxy) = server_and_proxy().await;
    let mut slow = Client::connect_through(proxy.address()).await;
    let mut other = Client::connect_through(proxy.address()).await;
    proxy.limit_request_rate(NonZeroU64::new(100));
    slow.send(&format!("SET key {}", "x".repeat(10_000))).await;
    other.ask("PING", b"+PONG\r\n").await;
    assert_eq!(server.command_calls("set"), 0);
    proxy.limit_request_rate(None);
    slow.expect(b"+OK\r\n").await;
}

#[tokio::test]
async fn cut_after_reply_bytes_is_exact() {
    let (_server, proxy) = server_and_proxy().await;
    let mut client = Client::connect_through(proxy.address()).await;
    proxy.cut_after_reply_bytes(Some(10));
    client.send("PING\r\nPING\r\nPING").await;
    assert_eq!(client.rest().await, b"+PONG\r\n+PO");
    assert_eq!(proxy.open(), 0);
}

#[tokio::test]
async fn cut_after_a_whole_reply_comes_at_once() {
    let (_server, proxy) = server_and_proxy().await;
    proxy.cut_after_reply_bytes(Some(7));
    let mut client = Client::connect(proxy.address()).await;
    client.ask("PING", b"+PONG\r\n").await;
    client.expect_end().await;
}

#[tokio::test]
async fn cut_after_no_reply_bytes_lets_the_server_execute() {
    let (server, proxy) = server_and_proxy().await;
    let mut client = Client::connect_through(proxy.address()).await;
    proxy.cut_after_reply_bytes(Some(0));
    client.send("INCR a").await;
    client.expect_end().await;
    assert_eq!(server.command_calls("incr"), 1);
}

#[tokio::test]
async fn reply_limit_counts_anew_for_each_connection() {
    let (_server, proxy) = server_and_proxy().await;
    proxy.cut_after_reply_bytes(Some(3));
    for _ in 0..2 {
        let mut client = Client::connect(proxy.address()).await;
        client.send("PING").await;
        assert_eq!(client.rest().await, b"+PO");
    }
    proxy.cut_after_reply_bytes(None);
    Client::connect_through(proxy.address()).await;
}

#[tokio::test]
async fn cut_after_request_bytes_is_exact() {
    let (server, proxy) = server_and_proxy().await;
    let mut client = Client::connect_through(proxy.address()).await;
    let before = proxy.request_bytes();
    proxy.cut_after_request_bytes(Some(8));
    client.send("INCR a").await;
    client.rest().await;
    assert_eq!(proxy.request_bytes() - before, 8);
    server.wait_until_open(0).await;
    assert_eq!(server.command_calls("incr"), 1);
}

#[tokio::test]
async fn cut_after_no_request_bytes_keeps_all_from_the_server() {
    let (server, proxy) = server_and_proxy().await;
    let mut client = Client::connect_through(proxy.address()).await;
    proxy.cut_after_request_bytes(Some(0));
    client.send("INCR a").await;
    client.expect_end().await;
    server.wait_until_open(0).await;
    assert_eq!(server.command_calls("incr"), 0);
}

#[tokio::test]
async fn slow_accept_hides_a_client_that_leaves_from_the_server() {
    let (server, proxy) = server_and_proxy().await;
    proxy.slow_accept(Some(FOREVER));
    let client = Client::connect(proxy.address()).await;
    assert_eq!(proxy.open(), 1);
    drop(client);
    proxy.wait_until_open(0).await;
    proxy.slow_accept(None);
    Client::connect_through(proxy.address()).await;
    assert_eq!((proxy.accepted(), server.accepted()), (2, 1));
}

#[tokio::test]
async fn slow_accept_links_in_the_end() {
    let (_server, proxy) = server_and_proxy().await;
    proxy.slow_accept(Some(Duration::from_millis(1)));
    Client::connect_through(proxy.address()).await;
}

#[tokio::test]
async fn refuse_then_accept_on_the_same_port() {
    let (_server, proxy) = server_and_proxy().await;
    let mut before = Client::connect_through(proxy.address()).await;
    proxy.refuse(true);
    expect_refused(proxy.address()).await;
    before.ask("PING", b"+PONG\r\n").await;
    proxy.refuse(false);
    Client::connect_through(proxy.address()).await;
}

#[tokio::test]
async fn dropped_proxy_closes_everything() {
    let (server, proxy) = server_and_proxy().await;
    let mut client = Client::connect_through(proxy.address()).await;
    drop(proxy);
    client.expect_gone().await;
    server.wait_until_open(0).await;
}

#[test]
fn proxy_outlives_the_runtime_that_started_it() {
    let (_server, proxy) = a_runtime().block_on(server_and_proxy());
    a_runtime().block_on(Client::connect_through(proxy.address()));
    a_runtime().block_on(proxy.wait_until_open(0));
}

#[tokio::test]
async fn waiting_for_a_count_ends_when_it_is_reached() {
    let (_server, proxy) = server_and_proxy().await;
    let clients = async {
        let mut clients = Vec::new();
        for _ in 0..5 {
            clients.push(Client::connect(proxy.address()).await);
        }
        clients
    };
    let ((), clients) = tokio::join!(proxy.wait_until_open(5), clients);
    assert_eq!(clients.len(), 5);
}

#[tokio::test]
async fn newcomers_are_led_to_another_server_and_open_connections_stay() {
    let (first, proxy) = server_and_proxy().await;
    let second = ScriptedServer::start().await.unwrap();
    let mut early = Client::connect_through(proxy.address()).await;
    proxy.lead_to(second.address());
    let _late = Client::connect_through(proxy.address()).await;
    early.ask("PING", b"+PONG\r\n").await;
    assert_eq!((first.accepted(), second.accepted()), (1, 1));
    assert_eq!(
        (first.command_calls("ping"), second.command_calls("ping")),
        (2, 1)
    );
}
