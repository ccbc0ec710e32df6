//! What is slow on one lane, or would go on for ever, and who must not notice.

use std::num::NonZeroU64;
use std::time::Duration;

use redis::{RedisResult, Value, cmd, pipe};
use respool_core::{CloseReason, CommandError, Pool, PoolError, TimeoutKind};
use respool_testserver::{Answer, Script, ScriptedServer};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::division::lanes_for_much;
use crate::{Load, PATIENCE, one_thread, pool, proxy, server, warm};

/// More than the systems on both sides keep for a connection.
const MORE_THAN_SOCKETS_TAKE: usize = 50 << 20;

/// Others may still be appended behind it.
const LESS_THAN_A_LANE_TAKES: usize = 7 << 20;

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let looked = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, looked).await;
    assert!(in_time.is_ok(), "{what}");
}

async fn ping(pool: &Pool) -> RedisResult<Value> {
    let mut client = pool.client();
    let ping = cmd("PING");
    let answered = tokio::time::timeout(PATIENCE / 4, ping.query_async(&mut client)).await;
    answered.expect("an answer in time")
}

#[tokio::test]
async fn a_large_command_on_its_way_holds_up_nobody() {
    let server = server().await;
    let proxy = proxy(&server).await;
    let pool = pool(&proxy.url(), |config| config.response_timeout = None);
    warm(&pool.client()).await;
    proxy.stall_open_connections();
    let mut uploader = pool.client();
    let upload = tokio::spawn(async move {
        let value = vec![b'x'; MORE_THAN_SOCKETS_TAKE];
        let set = cmd("SET").arg("large").arg(value).to_owned();
        set.query_async::<Value>(&mut uploader).await
    });
    for _ in 0..20 {
        tokio::task::yield_now().await;
        ping(&pool).await.unwrap();
    }
    assert!(!upload.is_finished());
    proxy.cut();
    upload.await.unwrap().unwrap_err();
}

/// Where runtimes share lanes, since there may be no more.
#[tokio::test]
async fn a_large_reply_on_anothers_lane_holds_up_nobody() {
    let start = Answer::Bytes(b"$1000000\r\nthe first bytes".to_vec());
    let server = ScriptedServer::start_with(Script::new().once("GET", start))
        .await
        .unwrap();
    let pool = pool(&server.url(), |config| {
        config.lanes = Some(1);
        config.response_timeout = None;
    });
    let mut reader = pool.client();
    let reading = tokio::spawn(async move {
        let get = cmd("GET").arg("large").to_owned();
        get.query_async::<Value>(&mut reader).await
    });
    until("the reply has begun", || server.command_calls("get") > 0).await;
    // Until the lane's driver has seen how large it is.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let elsewhere = pool.clone();
    let asked = std::thread::spawn(move || {
        one_thread().block_on(async {
            for _ in 0..5 {
                ping(&elsewhere).await.unwrap();
            }
        });
    });
    tokio::task::spawn_blocking(move || asked.join().expect("answers in time"))
        .await
        .unwrap();
    assert!(!reading.is_finished());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_is_never_quiet_is_renewed() {
    let server = server().await;
    let pool = pool(&server.url(), |config| {
        config.max_lifetime = Some(Duration::from_millis(200));
        config.max_lifetime_jitter = 0.0;
    });
    let _load = Load::on(&pool);
    until("connections expire", || {
        pool.status().closed.of(CloseReason::Expired) > 4
    })
    .await;
}

#[test]
fn lanes_that_are_never_quiet_make_a_smaller_pool() {
    let main = one_thread();
    let server = main.block_on(server());
    let pool = pool(&server.url(), |config| config.max_size = 8);
    let workers: Vec<Runtime> = (0..2)
        .map(|_| {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(1).enable_all().build().unwrap()
        })
        .collect();
    let loads: Vec<_> = (workers.iter())
        .map(|worker| worker.block_on(async { Load::on(&pool) }))
        .collect();
    main.block_on(async {
        let lanes = 2 * usize::try_from(lanes_for_much()).unwrap();
        until("each has its lanes", || pool.status().in_use == lanes).await;
        pool.set_max_size(1).unwrap();
        until("there is one connection", || pool.status().size() <= 1).await;
        ping(&pool).await.unwrap();
    });
    drop(loads);
}

#[tokio::test]
async fn who_was_not_sent_after_a_long_wait_goes_another_way() {
    let server = server().await;
    let proxy = proxy(&server).await;
    let pool = pool(&proxy.url(), |config| {
        config.max_size = 1;
        config.get_timeout = Some(Duration::from_secs(2));
        config.response_timeout = None;
    });
    proxy.limit_request_rate(NonZeroU64::new(1 << 20));
    let (opener, mut first, mut second) = (pool.client(), pool.client(), pool.client());
    let opener = tokio::spawn(async move { warm(&opener).await });
    let upload = tokio::spawn(async move {
        let value = vec![b'x'; LESS_THAN_A_LANE_TAKES];
        let set = cmd("SET").arg("large").arg(value).to_owned();
        set.query_async::<Value>(&mut first).await
    });
    // It waits for the lane, as the upload does, and then behind it.
    let waiting = tokio::spawn(async move { cmd("PING").query_async::<Value>(&mut second).await });
    until("the upload has begun", || proxy.request_bytes() > 100_000).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    // The rest of the upload, and what is behind it, must not have time to be written.
    proxy.cut();
    proxy.limit_request_rate(None);
    let lost = upload.await.unwrap().unwrap_err();
    assert!(
        CommandError::find_in(&lost).is_some_and(CommandError::was_lost),
        "{lost}"
    );
    waiting.await.unwrap().unwrap();
    opener.await.unwrap();
}

#[tokio::test]
async fn who_finds_no_room_hears_so_where_others_hold_connections() {
    who_finds_no_room_hears_so(32 * 1024 + 10, 1).await;
}

/// A lane counts what will be answered, not who asks.
#[tokio::test]
async fn pipelines_take_as_much_room_as_the_commands_in_them() {
    who_finds_no_room_hears_so(32 * 1024 / 100 + 10, 100).await;
}

async fn who_finds_no_room_hears_so(askers: usize, commands: usize) {
    let server = server().await;
    let proxy = proxy(&server).await;
    let pool = pool(&proxy.url(), |config| {
        config.max_size = 2;
        config.get_timeout = Some(Duration::from_millis(300));
        config.response_timeout = None;
    });
    let client = pool.client();
    warm(&client).await;
    proxy.stall();
    let mut tasks = JoinSet::new();
    for _ in 0..askers {
        let mut client = client.clone();
        tasks.spawn(async move {
            let mut pings = pipe();
            for _ in 0..commands {
                pings.cmd("PING");
            }
            match commands {
                1 => cmd("PING").query_async::<Value>(&mut client).await,
                _ => pings.query_async::<Value>(&mut client).await,
            }
        });
    }
    let first = tokio::time::timeout(Duration::from_secs(10), tasks.join_next());
    let first = first.await.expect("somebody to find no room");
    let first = first.unwrap().unwrap().unwrap_err();
    match PoolError::find_in(&first) {
        Some(PoolError::Timeout { phase, .. }) => assert_eq!(*phase, TimeoutKind::Room, "{first}"),
        _ => panic!("{first}"),
    }
    proxy.resume();
}
