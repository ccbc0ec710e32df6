use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use bb8_redis::RedisConnectionManager;
use bb8_redis::bb8::{Builder, ManageConnection, Pool, PooledConnection};
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, Value};
use respool_core::{BackendInfo, CloseReason, PoolConfig, PoolError, Status};

use super::backend::{StockPool, Taken};
use super::{LENDS, refused, subject};
use crate::{Nature, Shows, Subject};

const INFO: BackendInfo = BackendInfo {
    name: "bb8-redis",
    library: "bb8-redis 0.26.0, bb8 0.9.1",
    redis_crate: "redis 1.8.1",
    known_failures: &[],
};

/// Its statistics count what was opened and closed, and how many callers wait.
pub(super) const NATURE: Nature = Nature {
    shows: Shows {
        in_use: true,
        waiting: true,
        opened_and_closed: true,
        ..LENDS.shows
    },
    renews: true,
    ..LENDS
};

/// By default, and tuned: without the PING at each get.
pub(super) fn subjects() -> Vec<Subject> {
    let tuned = BackendInfo {
        name: "bb8-redis-tuned",
        ..INFO
    };
    vec![
        subject(INFO, NATURE, |config| open(config, |builder| builder)),
        subject(tuned, NATURE, |config| {
            open(config, |builder| builder.test_on_check_out(false))
        }),
    ]
}

/// It is told: `max_size`, `min_idle`, `get_timeout` (`connection_timeout`), `idle_timeout`,
/// `max_lifetime`; and each connection that was taken its `response_timeout`, by
/// `set_response_timeout` of the redis crate.
///
/// It can't be told: `connect_timeout` (the redis crate's default, one second), how soon to look for
/// connections that are too old (every 30 s), `validate_after` (it probes always or never).
fn open(
    config: &PoolConfig,
    tune: fn(Builder<RedisConnectionManager>) -> Builder<RedisConnectionManager>,
) -> Result<Bb8Redis, PoolError> {
    let manager =
        RedisConnectionManager::new(config.endpoint.connection_info().clone()).map_err(refused)?;
    let told = config.clone();
    Ok(Bb8Redis {
        pool: LazyPool::new(move || tune(builder(&told)).build_unchecked(manager.clone())),
        response_timeout: config.response_timeout,
    })
}

/// A pool of bb8's, for whatever manager, built by whoever comes first: it needs a runtime for that.
pub(super) struct LazyPool<M: ManageConnection> {
    pool: OnceLock<Pool<M>>,
    build: Box<dyn Fn() -> Pool<M> + Send + Sync>,
}

impl<M: ManageConnection> LazyPool<M> {
    pub(super) fn new(build: impl Fn() -> Pool<M> + Send + Sync + 'static) -> Self {
        LazyPool {
            pool: OnceLock::new(),
            build: Box::new(build),
        }
    }

    pub(super) fn get(&self) -> &Pool<M> {
        self.pool.get_or_init(&self.build)
    }

    /// What bb8 shows.
    pub(super) fn figures(&self) -> Status {
        self.pool.get().map(figures).unwrap_or_default()
    }
}

/// Of what a user of the library holds.
impl<M: ManageConnection> fmt::Debug for LazyPool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.pool.get())
    }
}

/// The settings of bb8, for whatever manager.
pub(super) fn builder<M: ManageConnection>(config: &PoolConfig) -> Builder<M> {
    let size = |connections: usize| u32::try_from(connections).unwrap_or(u32::MAX);
    let mut builder = Pool::builder()
        .max_size(size(config.max_size))
        .idle_timeout(config.idle_timeout)
        .max_lifetime(config.max_lifetime);
    if config.min_idle > 0 {
        builder = builder.min_idle(size(config.min_idle));
    }
    match config.get_timeout {
        Some(limit) => builder.connection_timeout(limit),
        None => builder,
    }
}

fn figures<M: ManageConnection>(pool: &Pool<M>) -> Status {
    let state = pool.state();
    let statistics = &state.statistics;
    let mut status = Status::default();
    status.idle = state.idle_connections as usize;
    status.in_use = state.connections.saturating_sub(state.idle_connections) as usize;
    status.waiting = usize::try_from(statistics.pending_gets()).unwrap_or(usize::MAX);
    status.opened = statistics.connections_created;
    let broken = statistics.connections_closed_broken + statistics.connections_closed_invalid;
    let expired =
        statistics.connections_closed_max_lifetime + statistics.connections_closed_idle_timeout;
    for (reason, count) in [
        (CloseReason::Broken, broken),
        (CloseReason::Expired, expired),
    ] {
        for _ in 0..count {
            status.closed.add(reason);
        }
    }
    status
}

#[derive(Debug)]
struct Bb8Redis {
    pool: LazyPool<RedisConnectionManager>,
    response_timeout: Option<Duration>,
}

#[async_trait]
impl StockPool for Bb8Redis {
    async fn take(&self, name: &'static str) -> Result<Taken, PoolError> {
        let mut connection = self
            .pool
            .get()
            .get_owned()
            .await
            .map_err(|error| PoolError::backend(name, error))?;
        if let Some(limit) = self.response_timeout {
            connection.set_response_timeout(limit);
        }
        Ok(Box::new(Held(connection)))
    }

    fn figures(&self) -> Status {
        self.pool.figures()
    }
}

struct Held(PooledConnection<'static, RedisConnectionManager>);

impl ConnectionLike for Held {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        self.0.req_packed_command(command)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.0.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }
}
