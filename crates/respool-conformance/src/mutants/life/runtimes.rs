//! Pools that belong to a runtime.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use respool_core::{Backend, Connection, Deadline, Pool, PoolError, TimeoutKind};
use tokio::runtime::{Handle, Id};
use tokio::sync::oneshot;
use tokio::task;

use super::backend_error;
use crate::Subject;
use crate::mutants::forward::Spoil;
use crate::mutants::shared_connection::SharedConnection;

#[derive(Default)]
pub(super) struct KnowsOneRuntime {
    home: OnceLock<Id>,
}

impl KnowsOneRuntime {
    fn is_home(&self) -> bool {
        let here = Handle::try_current().map(|here| here.id());
        here.is_ok_and(|here| *self.home.get_or_init(|| here) == here)
    }
}

#[async_trait]
impl Spoil for KnowsOneRuntime {
    fn try_get(&self, healthy: &dyn Backend) -> Option<Box<dyn Connection>> {
        self.is_home().then(|| healthy.try_get())?
    }

    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        match self.is_home() {
            true => healthy.get(deadline).await,
            false => Err(backend_error("not the runtime that this pool is used on")),
        }
    }
}

#[derive(Default)]
pub(super) struct WorksAtHome {
    home: OnceLock<Handle>,
}

impl Spoil for WorksAtHome {
    fn lend(&self, healthy: Box<dyn Connection>) -> Box<dyn Connection> {
        let home = match (self.home.get(), Handle::try_current()) {
            (Some(home), _) => home,
            (None, Ok(here)) => self.home.get_or_init(|| here),
            (None, Err(_)) => return healthy,
        };
        Box::new(SharedConnection::with_tasks_on(healthy, home.clone()))
    }
}

/// What happens where the runtime of a task is remembered by the task's number.
#[derive(Default)]
pub(super) struct TrustsNumbers {
    homes: Mutex<HashMap<task::Id, Handle>>,
}

impl Spoil for TrustsNumbers {
    fn lend(&self, healthy: Box<dyn Connection>) -> Box<dyn Connection> {
        let (Some(task), Ok(here)) = (task::try_id(), Handle::try_current()) else {
            return healthy;
        };
        let mut homes = self.homes.lock().unwrap_or_else(PoisonError::into_inner);
        let home = homes.entry(task).or_insert_with(|| here.clone());
        match home.id() == here.id() {
            true => healthy,
            false => Box::new(SharedConnection::with_tasks_on(healthy, home.clone())),
        }
    }
}

/// What happens when a replenishing task, spawned on the caller's runtime, ends with it.
pub(super) struct LosesSlots {
    pool: Pool,
    connecting: Arc<AtomicUsize>,
}

impl LosesSlots {
    pub(super) fn new(pool: &Pool, _maker: &Subject) -> Self {
        LosesSlots {
            pool: pool.clone(),
            connecting: Arc::default(),
        }
    }
}

#[async_trait]
impl Spoil for LosesSlots {
    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let has_slot = async || self.connecting.load(Ordering::SeqCst) < 4;
        let waiting = async {
            while !has_slot().await {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        if deadline.limit(waiting).await.is_none() {
            let (phase, waited) = (TimeoutKind::Wait, deadline.waited());
            return Err(PoolError::timeout(phase, waited, healthy.status(), None));
        }
        self.connecting.fetch_add(1, Ordering::SeqCst);
        let (pool, connecting) = (self.pool.clone(), self.connecting.clone());
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            let outcome = pool.backend().get(deadline).await;
            connecting.fetch_sub(1, Ordering::SeqCst);
            let _ = sender.send(outcome);
        });
        receiver
            .await
            .unwrap_or_else(|_| Err(backend_error("the runtime ended")))
    }
}
