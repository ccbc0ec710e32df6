use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use redis::cmd;
use respool_core::Pool;
use respool_testserver::{FaultProxy, RedisServer};

use crate::{PATIENCE, begin, config, id_of, pool, pool_of};

/// A pool of one connection, through a proxy that can hold back what is sent.
async fn pool_with_value(size: usize) -> (RedisServer, FaultProxy, Pool) {
    let server = RedisServer::start().await.unwrap();
    let last = (size - 1).to_string();
    let set = ["SETRANGE", "value", &last, "x"];
    server.command(&set).await.unwrap();
    let proxy = FaultProxy::start(server.address()).await.unwrap();
    let pool = pool_of(&proxy.url(), 1);
    (server, proxy, pool)
}

/// Whether the connection is still the same after a GET of `size` bytes was given up.
async fn keeps_its_connection_when_given_up(size: usize) -> bool {
    let (_server, proxy, pool) = pool_with_value(size).await;
    let mut connection = pool.get().await.unwrap();
    let id = id_of(&mut connection).await;
    proxy.stall();
    {
        let mut get = cmd("GET");
        let get = get.arg("value");
        begin(pin!(get.query_async::<Vec<u8>>(&mut connection))).await;
    }
    drop(connection);
    proxy.resume();
    let mut next = pool.get().await.unwrap();
    let found: Vec<u8> = cmd("GET")
        .arg("value")
        .query_async(&mut next)
        .await
        .unwrap();
    assert_eq!(found.len(), size);
    id_of(&mut next).await == id
}

#[tokio::test]
async fn a_small_reply_that_was_given_up_costs_no_connection() {
    assert!(keeps_its_connection_when_given_up(100_000).await);
}

#[tokio::test]
async fn a_reply_over_a_megabyte_that_was_given_up_costs_its_connection() {
    assert!(!keeps_its_connection_when_given_up(2_000_000).await);
}

#[tokio::test]
async fn the_same_holder_discards_what_he_gave_up_however_large() {
    let (_server, proxy, pool) = pool_with_value(2_000_000).await;
    let mut connection = pool.get().await.unwrap();
    let id = id_of(&mut connection).await;
    proxy.stall();
    {
        let mut get = cmd("GET");
        let get = get.arg("value");
        begin(pin!(get.query_async::<Vec<u8>>(&mut connection))).await;
    }
    proxy.resume();
    assert_eq!(id_of(&mut connection).await, id);
}

#[tokio::test]
async fn a_command_that_is_dropped_before_its_first_poll_is_not_sent() {
    let (server, _proxy, pool) = pool_with_value(1).await;
    let mut connection = pool.get().await.unwrap();
    let id = id_of(&mut connection).await;
    let mut get = cmd("GET");
    drop(get.arg("value").query_async::<Vec<u8>>(&mut connection));
    drop(connection);
    let mut next = pool.get().await.unwrap();
    assert_eq!(id_of(&mut next).await, id);
    assert_eq!(server.command_calls("get").await, 0);
}

/// Each reply has come, and none was waited for: only the last is owed when he leaves.
#[tokio::test]
async fn a_holder_who_gives_up_all_his_commands_owes_one_reply_at_a_time() {
    const RESPONSE_TIMEOUT: Duration = Duration::from_millis(600);
    let (_server, proxy, _) = pool_with_value(1).await;
    let mut config = config(&proxy.url(), 1);
    config.response_timeout = Some(RESPONSE_TIMEOUT);
    let pool = pool(config);
    let mut connection = pool.get().await.unwrap();
    let id = id_of(&mut connection).await;
    proxy.delay(Some(Duration::from_millis(20)));
    let started = Instant::now();
    while started.elapsed() < 2 * RESPONSE_TIMEOUT {
        let mut echo = cmd("ECHO");
        let echo = echo.arg("given up").query_async::<String>(&mut connection);
        let limit = Duration::from_millis(5);
        assert!(tokio::time::timeout(limit, echo).await.is_err());
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    drop(connection);
    assert_eq!(id_of(&mut pool.get().await.unwrap()).await, id);
}

/// It was sent there, and whoever drives that runtime reads for it.
#[test]
fn a_reply_is_read_outside_of_the_runtime_on_which_it_was_asked_for() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build().unwrap();
    let (_server, proxy, pool) = runtime.block_on(pool_with_value(1));
    let mut connection = runtime.block_on(pool.get()).unwrap();
    proxy.stall();
    let get = cmd("GET").arg("value").to_owned();
    let mut get = pin!(get.query_async::<Vec<u8>>(&mut connection));
    runtime.block_on(begin(get.as_mut()));
    proxy.resume();
    let started = Instant::now();
    let outcome = loop {
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(outcome) = get.as_mut().poll(&mut context) {
            break outcome;
        }
        assert!(started.elapsed() < PATIENCE, "no reply");
        std::thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(outcome.unwrap(), b"x");
}

/// Two connections, of which the one that came back last is owed a reply that doesn't come.
async fn one_of_two_is_owed() -> (RedisServer, FaultProxy, Pool, u64) {
    let server = RedisServer::start().await.unwrap();
    let proxy = FaultProxy::start(server.address()).await.unwrap();
    let pool = pool_of(&proxy.url(), 2);
    let mut fit = pool.get().await.unwrap();
    let mut owed = pool.get().await.unwrap();
    let id = id_of(&mut fit).await;
    id_of(&mut owed).await;
    proxy.stall();
    {
        let mut command = cmd("ECHO");
        let given_up = command.arg("given up").query_async::<String>(&mut owed);
        begin(pin!(given_up)).await;
    }
    drop(fit);
    drop(owed);
    (server, proxy, pool, id)
}

#[tokio::test]
async fn whoever_comes_is_given_one_that_is_fit_before_one_that_has_to_be_settled() {
    let (_server, proxy, pool, id) = one_of_two_is_owed().await;
    let got = pool.get().await.unwrap();
    assert!(pool.try_get().is_none(), "the other is still owed a reply");
    drop(got);
    let mut tried = pool.try_get().expect("one is fit");
    proxy.resume();
    assert_eq!(id_of(&mut tried).await, id);
}

#[test]
fn what_was_owed_and_has_come_keeps_nobody_from_trying_outside_any_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (_server, proxy, pool, _) = runtime.block_on(one_of_two_is_owed());
    let fit = pool.try_get().expect("one is fit");
    assert!(pool.try_get().is_none(), "the other is still owed a reply");
    runtime.block_on(async {
        proxy.resume();
        tokio::time::sleep(Duration::from_millis(200)).await;
    });
    assert!(pool.try_get().is_some(), "its reply is there");
    drop(fit);
}
