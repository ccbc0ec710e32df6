use async_trait::async_trait;
use deadpool_redis::{Manager, Pool, PoolError as Error, Runtime, Timeouts};
use redis::AsyncConnectionConfig;
use respool_core::{BackendInfo, PoolConfig, PoolError, Status};

use super::backend::{StockPool, Taken};
use super::{LENDS, refused, subject};
use crate::{Nature, Shows, Subject};

const INFO: BackendInfo = BackendInfo {
    name: "deadpool-redis",
    library: "deadpool-redis 0.23.1, deadpool 0.13.1",
    redis_crate: "redis 1.8.1",
    known_failures: &[],
};

const NATURE: Nature = Nature {
    shows: Shows {
        in_use: true,
        waiting: true,
        ..LENDS.shows
    },
    closes: true,
    ..LENDS
};

pub(super) fn subjects() -> Vec<Subject> {
    vec![subject(INFO, NATURE, open)]
}

/// It is told: `max_size`, `get_timeout` (its time-out of the wait), `connect_timeout` (its time-out
/// of creating, and the redis crate's), `response_timeout` (the redis crate's, and its time-out of
/// recycling).
///
/// It can't be told: `min_idle`, `idle_timeout`, `max_lifetime` (its documentation shows a task of
/// one's own that calls `retain`), `validate_after` (it sends UNWATCH and PING at each get).
fn open(config: &PoolConfig) -> Result<DeadpoolRedis, PoolError> {
    let connections = AsyncConnectionConfig::new()
        .set_connection_timeout(config.connect_timeout)
        .set_response_timeout(config.response_timeout);
    let info = config.endpoint.connection_info().clone();
    let documented = deadpool_redis::Config::from_connection_info(info.clone());
    let manager = Manager::new_with_config(info, connections).map_err(refused)?;
    let pool = Pool::builder(manager)
        .max_size(config.max_size)
        .timeouts(Timeouts {
            wait: config.get_timeout,
            create: config.connect_timeout,
            recycle: config.response_timeout,
        })
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(refused)?;
    Ok(DeadpoolRedis { pool, documented })
}

/// With the `Config` that its documentation has its users keep; it is here to be printed.
#[derive(Debug)]
struct DeadpoolRedis {
    pool: Pool,
    #[expect(dead_code, reason = "for Debug")]
    documented: deadpool_redis::Config,
}

#[async_trait]
impl StockPool for DeadpoolRedis {
    async fn take(&self, name: &'static str) -> Result<Taken, PoolError> {
        match self.pool.get().await {
            Ok(connection) => Ok(Box::new(connection)),
            Err(Error::Closed) => Err(PoolError::Closed),
            Err(error) => Err(PoolError::backend(name, error)),
        }
    }

    /// It shows the size and what is available.
    fn figures(&self) -> Status {
        let shown = self.pool.status();
        let mut status = Status::default();
        status.idle = shown.available;
        status.in_use = shown.size.saturating_sub(shown.available);
        status.waiting = shown.waiting;
        status.is_closed = self.pool.is_closed();
        status
    }

    async fn close(&self) {
        self.pool.close();
    }
}
