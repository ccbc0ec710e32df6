//! What becomes of the shared connections while large replies travel on them.

use std::num::NonZeroU64;
use std::time::Duration;

use redis::{Cmd, RedisResult, cmd};
use respool_core::{Client, Pool, PoolConfig};
use respool_testserver::{FaultProxy, RedisServer};
use tokio::task::JoinHandle;

const SIZE: usize = 1_000_000;

/// Far longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(20);

struct Slow {
    server: RedisServer,
    proxy: FaultProxy,
    pool: Pool,
}

impl Slow {
    /// A pool whose connections are so slow that a large reply ends only when [`finish`](Self::finish)
    /// lets it.
    async fn start(max_size: usize) -> Slow {
        let server = RedisServer::start().await.unwrap();
        let proxy = FaultProxy::start(server.address()).await.unwrap();
        let mut config = PoolConfig::from_url(&proxy.url()).unwrap();
        config.max_size = max_size;
        config.response_timeout = Some(PATIENCE);
        config.get_timeout = Some(PATIENCE);
        let pool = (respool_multiplexed::BACKEND.build)(config).unwrap();
        let set = cmd("SETRANGE")
            .arg("large")
            .arg(SIZE - 1)
            .arg("x")
            .to_owned();
        let _: usize = set.query_async(&mut pool.client()).await.unwrap();
        proxy.limit_reply_rate(NonZeroU64::new(200_000));
        Slow {
            server,
            proxy,
            pool,
        }
    }

    /// Somebody reads the large value, and its beginning has arrived.
    async fn read_large(&self) -> JoinHandle<RedisResult<Vec<u8>>> {
        let reads = self.server.command_calls("get").await;
        let mut client = self.pool.client();
        let reading =
            tokio::spawn(async move { cmd("GET").arg("large").query_async(&mut client).await });
        until(async || self.server.command_calls("get").await > reads).await;
        let passed = self.proxy.reply_bytes();
        until(async || self.proxy.reply_bytes() > passed + 20_000).await;
        reading
    }

    async fn finish(&self, reading: JoinHandle<RedisResult<Vec<u8>>>) {
        self.proxy.limit_reply_rate(None);
        assert_eq!(reading.await.unwrap().unwrap().len(), SIZE);
    }
}

async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let happens = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, happens).await.unwrap();
}

fn id() -> Cmd {
    cmd("CLIENT").arg("ID").to_owned()
}

async fn connection_of(mut client: Client) -> u64 {
    id().query_async(&mut client).await.unwrap()
}

#[tokio::test]
async fn newcomers_go_over_another_connection_and_come_back_afterwards() {
    let slow = Slow::start(2).await;
    let own = connection_of(slow.pool.client()).await;
    let reading = slow.read_large().await;
    let beside = connection_of(slow.pool.client()).await;
    assert_ne!(own, beside);
    assert_eq!(connection_of(slow.pool.client()).await, beside);
    assert!(!reading.is_finished());
    slow.finish(reading).await;
    assert_eq!(connection_of(slow.pool.client()).await, own);
    assert_eq!(slow.pool.status().size(), 2);
    assert!(slow.pool.status().is_at_rest());
}

#[tokio::test]
async fn where_large_replies_travel_on_all_connections_newcomers_wait_with_the_least_busy() {
    let slow = Slow::start(2).await;
    let first = slow.read_large().await;
    let second = slow.read_large().await;
    let mut client = slow.pool.client();
    let newcomer = tokio::spawn(async move { id().query_async::<u64>(&mut client).await });
    until(async || slow.server.command_calls("client|id").await > 0).await;
    assert!(!newcomer.is_finished());
    slow.finish(first).await;
    slow.finish(second).await;
    newcomer.await.unwrap().unwrap();
    assert_eq!(slow.proxy.most_open(), 2);
}

#[tokio::test]
async fn whoever_wants_a_connection_of_his_own_comes_before_newcomers() {
    let slow = Slow::start(2).await;
    let reading = slow.read_large().await;
    let (mut client, pool) = (slow.pool.client(), slow.pool.clone());
    let others = tokio::spawn(async move {
        loop {
            connection_of(client.clone()).await;
            let _: String = cmd("PING").query_async(&mut client).await.unwrap();
        }
    });
    until(async || pool.status().size() == 2).await;
    let mut held = pool.get().await.unwrap();
    let _: String = cmd("PING").query_async(&mut held).await.unwrap();
    assert!(!reading.is_finished());
    assert_eq!(slow.proxy.most_open(), 2);
    others.abort();
    slow.finish(reading).await;
}

#[tokio::test]
async fn a_large_reply_that_is_cut_short_is_a_lost_connection() {
    let slow = Slow::start(1).await;
    let reading = slow.read_large().await;
    slow.proxy.cut();
    let error = reading.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("GET: the connection was lost"), "{error}");
}

#[tokio::test]
async fn a_newcomer_does_not_wait_for_a_connection_that_cannot_be_opened() {
    let slow = Slow::start(2).await;
    let reading = slow.read_large().await;
    slow.proxy.refuse(true);
    let mut client = slow.pool.client();
    let newcomer = tokio::spawn(async move { id().query_async::<u64>(&mut client).await });
    // Sent over the connection that there is, long before the large reply ends.
    until(async || slow.server.command_calls("client|id").await > 0).await;
    assert!(!reading.is_finished());
    slow.finish(reading).await;
    newcomer.await.unwrap().unwrap();
}
