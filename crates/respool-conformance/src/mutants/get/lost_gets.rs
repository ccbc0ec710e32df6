use std::mem::{self, ManuallyDrop};
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use respool_core::{Backend, CloseReason, Connection, Deadline, Pool, PoolError};
use tokio::sync::oneshot;

use crate::Subject;
use crate::mutants::forward::Spoil;
use crate::mutants::on_cancel::OnCancel;

pub(super) struct LosesCancelledSlots;

#[async_trait]
impl Spoil for LosesCancelledSlots {
    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let connection = ManuallyDrop::new(healthy.get(deadline).await?);
        // Dropped here, the future forgets what it has.
        tokio::task::yield_now().await;
        Ok(ManuallyDrop::into_inner(connection))
    }
}

pub(super) struct ServesTheDeparted {
    pool: Pool,
}

impl ServesTheDeparted {
    pub(super) fn new(pool: &Pool, _maker: &Subject) -> Self {
        ServesTheDeparted { pool: pool.clone() }
    }
}

#[async_trait]
impl Spoil for ServesTheDeparted {
    async fn get(
        &self,
        _healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let (serve, served) = oneshot::channel();
        let pool = self.pool.clone();
        tokio::spawn(async move {
            let outcome = pool.backend().get(deadline).await;
            if let Err(Ok(unwanted)) = serve.send(outcome) {
                mem::forget(unwanted);
            }
        });
        served.await.map_err(|_| PoolError::Closed)?
    }
}

#[derive(Default)]
pub(super) struct ThrowsDialsAway {
    discard: AtomicBool,
}

impl ThrowsDialsAway {
    fn keep(&self, mut connection: Box<dyn Connection>) -> Option<Box<dyn Connection>> {
        if self.discard.swap(false, Ordering::Relaxed) {
            connection.condemn(CloseReason::Cancelled);
            return None;
        }
        Some(connection)
    }
}

#[async_trait]
impl Spoil for ThrowsDialsAway {
    fn try_get(&self, healthy: &dyn Backend) -> Option<Box<dyn Connection>> {
        self.keep(healthy.try_get()?)
    }

    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let cancelled = OnCancel::new(|| self.discard.store(true, Ordering::Relaxed));
        let kept = loop {
            if let Some(connection) = self.keep(healthy.get(deadline).await?) {
                break connection;
            }
        };
        cancelled.disarm();
        Ok(kept)
    }
}

pub(super) struct FillsUpAtOnce {
    pool: Pool,
}

impl FillsUpAtOnce {
    pub(super) fn new(pool: &Pool, _maker: &Subject) -> Self {
        FillsUpAtOnce { pool: pool.clone() }
    }
}

#[async_trait]
impl Spoil for FillsUpAtOnce {
    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        for _ in healthy.status().size()..self.pool.config().max_size {
            let pool = self.pool.clone();
            tokio::spawn(async move { pool.backend().get(deadline).await.map(drop) });
        }
        healthy.get(deadline).await
    }
}
