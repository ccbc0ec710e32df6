//! Pools that dial too often: each attempt is that of a pool that knows nothing of the others.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use respool_core::{Backend, Connection, Deadline, Pool, PoolError};

use crate::Subject;
use crate::mutants::forward::{ForwardConnection, Spoil, SpoilConnection};

/// Lends connections of pools that are made for one connection each.
struct OneOff {
    pool: Pool,
    maker: Subject,
}

impl OneOff {
    fn new(pool: &Pool, maker: &Subject) -> Self {
        OneOff {
            pool: pool.clone(),
            maker: maker.clone(),
        }
    }

    fn pool(&self) -> Result<Pool, PoolError> {
        self.maker.pool(self.pool.config().clone())
    }

    async fn get(&self, deadline: Deadline) -> Result<Box<dyn Connection>, PoolError> {
        let pool = self.pool()?;
        let connection = pool.backend().get(deadline).await?;
        Ok(ForwardConnection::boxed(connection, Keeps { _pool: pool }))
    }
}

struct Keeps {
    _pool: Pool,
}

impl SpoilConnection for Keeps {}

pub(super) struct DialsForEach(OneOff);

impl DialsForEach {
    pub(super) fn new(pool: &Pool, maker: &Subject) -> Self {
        DialsForEach(OneOff::new(pool, maker))
    }
}

#[async_trait]
impl Spoil for DialsForEach {
    async fn get(
        &self,
        _healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        self.0.get(deadline).await
    }
}

/// Makes one attempt at a time, with pauses of its own after failures.
pub(super) struct Pauses {
    one_off: OneOff,
    pause: fn(failures: u32) -> Duration,
    turn: tokio::sync::Mutex<()>,
}

impl Pauses {
    pub(super) fn never(pool: &Pool, maker: &Subject) -> Self {
        Pauses::new(pool, maker, |_| Duration::ZERO)
    }

    pub(super) fn without_chance(pool: &Pool, maker: &Subject) -> Self {
        Pauses::new(pool, maker, |failures| {
            Duration::from_millis(10 << failures.min(5))
        })
    }

    fn new(pool: &Pool, maker: &Subject, pause: fn(u32) -> Duration) -> Self {
        Pauses {
            one_off: OneOff::new(pool, maker),
            pause,
            turn: tokio::sync::Mutex::default(),
        }
    }
}

#[async_trait]
impl Spoil for Pauses {
    async fn get(
        &self,
        _healthy: &dyn Backend,
        _deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let _turn = self.turn.lock().await;
        for failures in 1.. {
            // Time for one attempt of the healthy pool.
            let deadline = Deadline::after(Some(Duration::from_millis(35)));
            match self.one_off.get(deadline).await {
                Err(PoolError::Timeout { .. }) => tokio::time::sleep((self.pause)(failures)).await,
                outcome => return outcome,
            }
        }
        Err(PoolError::Closed)
    }
}

/// Opens a pool of its own for each who had to wait for the server's return.
pub(super) struct StormsAtTheReturn {
    one_off: OneOff,
    storm: Mutex<Vec<Pool>>,
}

impl StormsAtTheReturn {
    pub(super) fn new(pool: &Pool, maker: &Subject) -> Self {
        StormsAtTheReturn {
            one_off: OneOff::new(pool, maker),
            storm: Mutex::default(),
        }
    }
}

#[async_trait]
impl Spoil for StormsAtTheReturn {
    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let connection = healthy.get(deadline).await?;
        if deadline.waited() > Duration::from_secs(1) {
            let pool = self.one_off.pool()?;
            drop(pool.backend().get(deadline).await?);
            let mut storm = self.storm.lock().unwrap_or_else(PoisonError::into_inner);
            storm.push(pool);
        }
        Ok(connection)
    }
}
