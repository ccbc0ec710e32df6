//! Lanes whose opener, or whose runtime, nobody looks after any more: others are not to wait for them.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use redis::{RedisResult, cmd};
use respool_core::{Client, Pool, PoolConfig};
use respool_testserver::{FaultProxy, RedisServer};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// Long enough for whatever should happen.
const PATIENCE: Duration = Duration::from_secs(3);

/// How late replies are where that is asked for.
const LATE: Duration = Duration::from_millis(200);

struct Setting {
    // Dropped in this order.
    pool: Pool,
    proxy: FaultProxy,
    _server: RedisServer,
    /// Drives the proxy.
    _runtime: Runtime,
}

impl Setting {
    /// A pool of that many connections, of which clients share one.
    fn of(max_size: usize) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let (server, proxy) = runtime.block_on(async {
            let server = RedisServer::start().await.expect("redis-server starts");
            let proxy = FaultProxy::start(server.address()).await;
            (server, proxy.expect("a port is free"))
        });
        let mut config = PoolConfig::from_url(&proxy.url()).expect("the URL is one");
        config.max_size = max_size;
        config.lanes = Some(1);
        Setting {
            pool: respool_native::build(config).expect("the settings are good"),
            proxy,
            _server: server,
            _runtime: runtime,
        }
    }
}

fn one_thread() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

async fn ping(mut client: Client) -> RedisResult<String> {
    cmd("PING").query_async(&mut client).await
}

/// Polls a future once: it must not be ready.
async fn begin(mut future: Pin<&mut impl Future<Output = RedisResult<String>>>) {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Pending => Poll::Ready(()),
        Poll::Ready(outcome) => panic!("ready at once: {outcome:?}"),
    })
    .await;
}

#[test]
fn whoever_opens_a_lane_need_not_be_polled_for_others_to_use_it() {
    let setting = Setting::of(4);
    one_thread().block_on(async {
        let mut opens = pin!(ping(setting.pool.client()));
        begin(opens.as_mut()).await;
        let other = timeout(PATIENCE, ping(setting.pool.client())).await;
        assert_eq!(other.expect("in time").unwrap(), "PONG");
        assert_eq!(opens.await.unwrap(), "PONG");
    });
}

#[test]
fn who_waits_is_answered_after_another_runtime_took_his_lane_and_was_left() {
    let setting = Setting::of(2);
    let (here, there) = (one_thread(), one_thread());
    // Until the end it is there, and nobody drives it.
    let _there = here.block_on(async {
        ping(setting.pool.client()).await.unwrap();
        setting.proxy.delay(Some(LATE));
        let mut asked = pin!(ping(setting.pool.client()));
        begin(asked.as_mut()).await;
        // This runtime has no turn until the other has taken the lane over, and was left.
        let (done, is_done) = mpsc::channel();
        let client = setting.pool.client();
        thread::spawn(move || {
            let given_up = there.block_on(async { timeout(LATE / 2, ping(client)).await });
            done.send((there, given_up.is_err())).unwrap();
        });
        let (there, given_up) = is_done.recv().unwrap();
        assert!(given_up, "its reply came too early for this test");
        let answer = timeout(PATIENCE, asked).await;
        assert_eq!(answer.expect("in time").unwrap(), "PONG");
        there
    });
}

#[test]
fn what_was_given_up_on_a_runtime_that_was_left_holds_no_connection() {
    let setting = Setting::of(1);
    let (left, here) = (one_thread(), one_thread());
    left.block_on(async {
        ping(setting.pool.client()).await.unwrap();
        setting.proxy.delay(Some(LATE));
        let given_up = timeout(LATE / 10, ping(setting.pool.client())).await;
        assert!(given_up.is_err());
    });
    here.block_on(async {
        let held = timeout(PATIENCE, setting.pool.get()).await;
        assert!(held.expect("in time").is_ok());
    });
}
