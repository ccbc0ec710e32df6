use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use respool_core::{Backend, Connection, Deadline, Pool, PoolError};
use tokio::runtime::Handle;

use crate::Subject;
use crate::mutants::forward::{ForwardConnection, Spoil, SpoilConnection};
use crate::mutants::on_cancel::OnCancel;

/// Has a second pool beside the healthy one.
pub(in crate::mutants) struct InTurn {
    other: Pool,
    turn: AtomicUsize,
}

impl InTurn {
    pub(in crate::mutants) fn new(pool: &Pool, maker: &Subject) -> Self {
        InTurn {
            other: another(pool, maker),
            turn: AtomicUsize::new(0),
        }
    }
}

#[async_trait]
impl Spoil for InTurn {
    fn try_get(&self, healthy: &dyn Backend) -> Option<Box<dyn Connection>> {
        healthy.try_get().or_else(|| self.other.backend().try_get())
    }

    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        match self.turn.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => healthy.get(deadline).await,
            _ => self.other.backend().get(deadline).await,
        }
    }
}

/// The second pool stands for the connections that it has lost count of.
pub(super) struct ForgetsCancelled {
    uncounted: Pool,
}

impl ForgetsCancelled {
    pub(super) fn new(pool: &Pool, maker: &Subject) -> Self {
        ForgetsCancelled {
            uncounted: another(pool, maker),
        }
    }
}

#[async_trait]
impl Spoil for ForgetsCancelled {
    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let go_on = OnCancel::new(|| {
            let uncounted = self.uncounted.clone();
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(async move { uncounted.get().await.map(drop) });
            }
        });
        let outcome = healthy.get(deadline).await;
        go_on.disarm();
        outcome
    }
}

/// Makes a pool of one for each get.
pub(super) struct OneAGet {
    pool: Pool,
    maker: Subject,
}

impl OneAGet {
    pub(super) fn new(pool: &Pool, maker: &Subject) -> Self {
        OneAGet {
            pool: pool.clone(),
            maker: maker.clone(),
        }
    }
}

#[async_trait]
impl Spoil for OneAGet {
    async fn get(
        &self,
        _healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let pool = another(&self.pool, &self.maker);
        let connection = pool.backend().get(deadline).await?;
        Ok(ForwardConnection::boxed(connection, Keeps { _pool: pool }))
    }
}

struct Keeps {
    _pool: Pool,
}

impl SpoilConnection for Keeps {}

fn another(pool: &Pool, maker: &Subject) -> Pool {
    maker
        .pool(pool.config().clone())
        .expect("what was built once can be built again")
}
