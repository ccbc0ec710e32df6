use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use respool_core::{Backend, Connection, Deadline, PoolError, Status};

use crate::mutants::forward::Spoil;

#[derive(Default)]
pub(super) struct NeverStopsWaiting {
    waiting: AtomicUsize,
}

#[async_trait]
impl Spoil for NeverStopsWaiting {
    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // Dropped here, the future never takes itself off again.
        let outcome = healthy.get(deadline).await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        outcome
    }

    fn status(&self, healthy: &dyn Backend) -> Status {
        let mut status = healthy.status();
        status.waiting = self.waiting.load(Ordering::Relaxed);
        status
    }
}

pub(super) struct ForgetsTheLast;

impl Spoil for ForgetsTheLast {
    fn status(&self, healthy: &dyn Backend) -> Status {
        let mut status = healthy.status();
        status.waiting = status.waiting.saturating_sub(1);
        status
    }
}
