use std::fmt;

use async_trait::async_trait;
use mobc_redis::RedisConnectionManager;
use mobc_redis::mobc::{Builder, Connection, Pool};
use mobc_redis::redis as redis_0_28;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, Value};
use redis_0_28::aio::ConnectionLike as _;
use respool_connect::run_to_end;
use respool_core::{BackendInfo, PoolConfig, PoolError, Status};

use super::backend::{StockPool, Taken};
use super::{Address, LENDS, refused, subject};
use crate::{Nature, Shows, Subject};

respool_connect::bridge_redis! {
    /// To redis 0.28, which mobc-redis 0.9 uses.
    mod bridge => mobc_redis::redis
}

const INFO: BackendInfo = BackendInfo {
    name: "mobc-redis",
    library: "mobc-redis 0.9.0, mobc 0.9.0",
    redis_crate: "redis 0.28.2",
    known_failures: &[],
};

const NATURE: Nature = Nature {
    shows: Shows {
        in_use: true,
        waiting: true,
        ..LENDS.shows
    },
    renews: true,
    ..LENDS
};

/// By default, and tuned: with room for as many idle connections as there may be, and a PING only
/// for those that were not checked for `validate_after`.
pub(super) fn subjects() -> Vec<Subject> {
    let tuned = BackendInfo {
        name: "mobc-redis-tuned",
        ..INFO
    };
    vec![
        subject(INFO, NATURE, |config| open(config, |builder| builder)),
        subject(tuned, NATURE, |config| {
            open(config, |builder| {
                builder
                    .max_idle(config.max_size as u64)
                    .health_check_interval(config.validate_after)
            })
        }),
    ]
}

/// It is told: `max_size` (`max_open`), `get_timeout`, `idle_timeout` (`max_idle_lifetime`),
/// `max_lifetime`; and each connection that was taken its `response_timeout`, by
/// `set_response_timeout` of the redis crate.
///
/// It can't be told: `connect_timeout`, `min_idle`. It keeps two idle connections by default.
fn open(
    config: &PoolConfig,
    tune: impl FnOnce(Builder<RedisConnectionManager>) -> Builder<RedisConnectionManager>,
) -> Result<MobcRedis, PoolError> {
    let address = Address::of(config)?;
    let client = redis_0_28::Client::open(redis_0_28::ConnectionInfo {
        addr: redis_0_28::ConnectionAddr::Tcp(address.host, address.port),
        redis: redis_0_28::RedisConnectionInfo {
            db: address.database,
            username: address.user,
            password: address.password,
            protocol: redis_0_28::ProtocolVersion::RESP2,
        },
    })
    .map_err(refused)?;
    let builder = Pool::builder()
        .max_open(config.max_size as u64)
        .get_timeout(config.get_timeout)
        .max_idle_lifetime(config.idle_timeout)
        .max_lifetime(config.max_lifetime);
    Ok(MobcRedis {
        pool: tune(builder).build(RedisConnectionManager::new(client.clone())),
        client,
        config: config.clone(),
    })
}

struct MobcRedis {
    pool: Pool<RedisConnectionManager>,
    client: redis_0_28::Client,
    config: PoolConfig,
}

/// Of what a user of the library holds: the pool, and the client that its manager was made from.
impl fmt::Debug for MobcRedis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.pool, self.client)
    }
}

#[async_trait]
impl StockPool for MobcRedis {
    async fn take(&self, name: &'static str) -> Result<Taken, PoolError> {
        let mut connection = self
            .pool
            .get()
            .await
            .map_err(|error| PoolError::backend(name, error))?;
        if let Some(limit) = self.config.response_timeout {
            connection.set_response_timeout(limit);
        }
        Ok(Box::new(Held(connection)))
    }

    /// It waits for nothing but a lock that is held for a moment.
    fn figures(&self) -> Status {
        let shown = run_to_end(self.pool.state());
        let mut status = Status::default();
        status.idle = shown.idle as usize;
        status.in_use = shown.in_use as usize;
        status.waiting = shown.wait_count as usize;
        status
    }
}

struct Held(Connection<RedisConnectionManager>);

impl ConnectionLike for Held {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let bridged = bridge::command(command);
            let reply = self.0.req_packed_command(&bridged).await;
            bridge::outcome(reply, bridge::value)
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let bridged = bridge::pipeline(pipeline);
            let replies = self.0.req_packed_commands(&bridged, offset, count).await;
            bridge::outcome(replies, |replies| {
                replies.into_iter().map(bridge::value).collect()
            })
        })
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }
}
