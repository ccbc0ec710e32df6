//! Pools that don't end.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use respool_core::{Backend, Connection, Deadline, Pool, PoolError, Status};
use tokio::sync::watch;

use crate::Subject;
use crate::mutants::forward::Spoil;

pub(super) struct DoesNotClose;

#[async_trait]
impl Spoil for DoesNotClose {
    async fn close(&self, _healthy: &dyn Backend, _grace: Duration) {}
}

pub(super) struct LeavesSockets {
    closed: watch::Sender<bool>,
}

impl Default for LeavesSockets {
    fn default() -> Self {
        LeavesSockets {
            closed: watch::Sender::new(false),
        }
    }
}

#[async_trait]
impl Spoil for LeavesSockets {
    fn try_get(&self, healthy: &dyn Backend) -> Option<Box<dyn Connection>> {
        match *self.closed.borrow() {
            true => None,
            false => healthy.try_get(),
        }
    }

    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => Err(PoolError::Closed),
            outcome = healthy.get(deadline) => outcome,
        }
    }

    fn status(&self, healthy: &dyn Backend) -> Status {
        let mut status = healthy.status();
        status.is_closed = *self.closed.borrow();
        status
    }

    async fn close(&self, healthy: &dyn Backend, grace: Duration) {
        self.closed.send_replace(true);
        let holders_end = async {
            while healthy.status().in_use > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let _ = tokio::time::timeout(grace, holders_end).await;
    }
}

#[derive(Default)]
pub(super) struct LeavesATask {
    spawned: AtomicBool,
}

#[async_trait]
impl Spoil for LeavesATask {
    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        if !self.spawned.swap(true, Ordering::Relaxed) {
            tokio::spawn(std::future::pending::<()>());
        }
        healthy.get(deadline).await
    }
}

pub(super) struct LetsWaitersWait;

#[async_trait]
impl Spoil for LetsWaitersWait {
    async fn close(&self, healthy: &dyn Backend, grace: Duration) {
        tokio::time::sleep(grace).await;
        healthy.close(Duration::ZERO).await;
    }
}

/// A handle of the healthy pool that nobody drops.
pub(super) struct SurvivesItsLastHandle;

impl SurvivesItsLastHandle {
    pub(super) fn new(pool: &Pool, _maker: &Subject) -> Self {
        mem::forget(pool.clone());
        SurvivesItsLastHandle
    }
}

impl Spoil for SurvivesItsLastHandle {
    fn close_now(&self, _healthy: &dyn Backend) {}
}
