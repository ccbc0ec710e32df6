//! The stock pools of connections: without PING, and as they come.

use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, Client, RedisError};

use super::{Asks, KEY, Lends};

/// bb8 over bb8-redis's manager; `check` is bb8's default, a PING at each get.
#[derive(Clone)]
pub(crate) struct Bb8Client(bb8::Pool<bb8_redis::RedisConnectionManager>);

impl Bb8Client {
    pub(crate) async fn build(url: &str, size: usize, check: bool) -> Self {
        let manager = bb8_redis::RedisConnectionManager::new(url).expect("the server's URL");
        let pool = bb8::Pool::builder()
            .max_size(size as u32)
            .test_on_check_out(check)
            .build(manager)
            .await;
        Bb8Client(pool.expect("a pool can be built"))
    }
}

impl Lends for Bb8Client {
    type Held<'pool> = bb8::PooledConnection<'pool, bb8_redis::RedisConnectionManager>;

    async fn get(&self) -> Self::Held<'_> {
        self.0.get().await.expect("a connection")
    }
}

impl Asks for Bb8Client {
    async fn ask(held: &mut Self::Held<'_>) -> Vec<u8> {
        held.get(KEY).await.expect("a reply")
    }
}

/// Connects, and never checks: what somebody writes who doesn't want the PING.
pub(crate) struct NoPing(Client);

impl deadpool::managed::Manager for NoPing {
    type Type = MultiplexedConnection;
    type Error = RedisError;

    async fn create(&self) -> Result<MultiplexedConnection, RedisError> {
        self.0.get_multiplexed_async_connection().await
    }

    async fn recycle(
        &self,
        _: &mut MultiplexedConnection,
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<RedisError> {
        Ok(())
    }
}

#[mobc::async_trait]
impl mobc::Manager for NoPing {
    type Connection = MultiplexedConnection;
    type Error = RedisError;

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        self.0.get_multiplexed_async_connection().await
    }

    async fn check(
        &self,
        connection: MultiplexedConnection,
    ) -> Result<MultiplexedConnection, RedisError> {
        Ok(connection)
    }
}

/// deadpool without deadpool-redis's UNWATCH and PING.
#[derive(Clone)]
pub(crate) struct DeadpoolClient(deadpool::managed::Pool<NoPing>);

impl DeadpoolClient {
    pub(crate) fn build(url: &str, size: usize) -> Self {
        let manager = NoPing(Client::open(url).expect("the server's URL"));
        let pool = deadpool::managed::Pool::builder(manager)
            .max_size(size)
            .build();
        DeadpoolClient(pool.expect("a pool can be built"))
    }
}

impl Lends for DeadpoolClient {
    type Held<'pool> = deadpool::managed::Object<NoPing>;

    async fn get(&self) -> Self::Held<'_> {
        self.0.get().await.expect("a connection")
    }
}

impl Asks for DeadpoolClient {
    async fn ask(held: &mut Self::Held<'_>) -> Vec<u8> {
        held.get(KEY).await.expect("a reply")
    }
}

/// mobc without its check and its limit on the wait.
#[derive(Clone)]
pub(crate) struct MobcClient(mobc::Pool<NoPing>);

impl MobcClient {
    pub(crate) fn build(url: &str, size: usize) -> Self {
        let manager = NoPing(Client::open(url).expect("the server's URL"));
        MobcClient(
            mobc::Pool::builder()
                .max_open(size as u64)
                .max_idle(size as u64)
                .test_on_check_out(false)
                .get_timeout(None)
                .build(manager),
        )
    }
}

impl Lends for MobcClient {
    type Held<'pool> = mobc::Connection<NoPing>;

    async fn get(&self) -> Self::Held<'_> {
        self.0.get().await.expect("a connection")
    }
}

impl Asks for MobcClient {
    async fn ask(held: &mut Self::Held<'_>) -> Vec<u8> {
        (**held).get(KEY).await.expect("a reply")
    }
}

/// deadpool-redis as it comes.
#[derive(Clone)]
pub(crate) struct DeadpoolRedis(deadpool_redis::Pool);

impl DeadpoolRedis {
    pub(crate) fn build(url: &str, size: usize) -> Self {
        let manager = deadpool_redis::Manager::new(url).expect("the server's URL");
        let pool = deadpool_redis::Pool::builder(manager)
            .max_size(size)
            .runtime(deadpool_redis::Runtime::Tokio1)
            .build();
        DeadpoolRedis(pool.expect("a pool can be built"))
    }
}

impl Lends for DeadpoolRedis {
    type Held<'pool> = deadpool_redis::Connection;

    async fn get(&self) -> Self::Held<'_> {
        self.0.get().await.expect("a connection")
    }
}

impl Asks for DeadpoolRedis {
    async fn ask(held: &mut Self::Held<'_>) -> Vec<u8> {
        held.get(KEY).await.expect("a reply")
    }
}

/// mobc-redis as it comes, but for `max_idle` at the pool's size: its default of two would measure
/// reconnecting.
#[derive(Clone)]
pub(crate) struct MobcRedis(mobc_redis::mobc::Pool<mobc_redis::RedisConnectionManager>);

impl MobcRedis {
    pub(crate) fn build(url: &str, size: usize) -> Self {
        let client = mobc_redis::redis::Client::open(url).expect("the server's URL");
        MobcRedis(
            mobc_redis::mobc::Pool::builder()
                .max_open(size as u64)
                .max_idle(size as u64)
                .build(mobc_redis::RedisConnectionManager::new(client)),
        )
    }
}

impl Lends for MobcRedis {
    type Held<'pool> = mobc_redis::mobc::Connection<mobc_redis::RedisConnectionManager>;

    async fn get(&self) -> Self::Held<'_> {
        self.0.get().await.expect("a connection")
    }
}

impl Asks for MobcRedis {
    async fn ask(held: &mut Self::Held<'_>) -> Vec<u8> {
        let reply = mobc_redis::redis::AsyncCommands::get(&mut **held, KEY).await;
        reply.expect("a reply")
    }
}
