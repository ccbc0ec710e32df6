//! Pools that don't notice and don't recover.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use redis::{Cmd, RedisFuture, Value};
use respool_core::{Backend, CloseReason, Connection, Deadline, PoolError, Status};

use super::{backend_error, lock};
use crate::mutants::forward::{ForwardConnection, Spoil, SpoilConnection};

/// Has a store of its own, from which a connection goes to its next holder unseen.
#[derive(Clone, Default)]
pub(super) struct DoesNotLook {
    idle: Arc<Mutex<Vec<Box<dyn Connection>>>>,
}

#[async_trait]
impl Spoil for DoesNotLook {
    fn try_get(&self, healthy: &dyn Backend) -> Option<Box<dyn Connection>> {
        let idle = lock(&self.idle).pop();
        idle.or_else(|| healthy.try_get())
    }

    fn lend(&self, healthy: Box<dyn Connection>) -> Box<dyn Connection> {
        let stored = Stored {
            store: self.clone(),
            condemned: false,
        };
        ForwardConnection::boxed(healthy, stored)
    }

    fn status(&self, healthy: &dyn Backend) -> Status {
        let mut status = healthy.status();
        let idle = lock(&self.idle).len();
        status.idle += idle;
        status.in_use -= idle;
        status
    }
}

struct Stored {
    store: DoesNotLook,
    condemned: bool,
}

impl SpoilConnection for Stored {
    fn condemn(&mut self, healthy: &mut dyn Connection, reason: CloseReason) {
        self.condemned = true;
        healthy.condemn(reason);
    }

    fn give_back(&mut self, healthy: Box<dyn Connection>) {
        if !self.condemned {
            lock(&self.store.idle).push(healthy);
        }
    }
}

/// Remembers that a connection was lost.
#[derive(Clone)]
pub(super) struct AfterAFailure {
    aftermath: Aftermath,
    failed_at: Arc<Mutex<Option<Instant>>>,
}

#[derive(Clone, Copy)]
pub(super) enum Aftermath {
    Fails,
    Pauses,
}

impl AfterAFailure {
    pub(super) fn new(aftermath: Aftermath) -> Self {
        AfterAFailure {
            aftermath,
            failed_at: Arc::default(),
        }
    }
}

#[async_trait]
impl Spoil for AfterAFailure {
    fn try_get(&self, healthy: &dyn Backend) -> Option<Box<dyn Connection>> {
        match *lock(&self.failed_at) {
            Some(_) => None,
            None => healthy.try_get(),
        }
    }

    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let failed_at = *lock(&self.failed_at);
        match (failed_at, self.aftermath) {
            (None, _) => {}
            (Some(_), Aftermath::Fails) => return Err(backend_error("a connection was lost once")),
            (Some(failed_at), Aftermath::Pauses) => {
                let next_try = failed_at + Duration::from_secs(9);
                tokio::time::sleep_until(next_try.into()).await;
            }
        }
        healthy.get(deadline).await
    }

    fn lend(&self, healthy: Box<dyn Connection>) -> Box<dyn Connection> {
        ForwardConnection::boxed(healthy, self.clone())
    }
}

impl SpoilConnection for AfterAFailure {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let reply = healthy.req_packed_command(command).await;
            if reply.as_ref().is_err_and(|error| error.is_io_error()) {
                lock(&self.failed_at).get_or_insert_with(Instant::now);
            }
            reply
        })
    }
}

/// The turn to connect is theirs for good, who have left.
#[derive(Default)]
pub(super) struct WaitsForWhoGaveUp {
    gave_up: AtomicUsize,
}

#[async_trait]
impl Spoil for WaitsForWhoGaveUp {
    fn try_get(&self, healthy: &dyn Backend) -> Option<Box<dyn Connection>> {
        match self.gave_up.load(Ordering::Relaxed) {
            0..100 => healthy.try_get(),
            _ => None,
        }
    }

    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let outcome = healthy.get(deadline).await;
        if let Err(PoolError::Timeout { .. }) = &outcome {
            self.gave_up.fetch_add(1, Ordering::Relaxed);
        }
        match self.gave_up.load(Ordering::Relaxed) {
            0..100 => outcome,
            _ => Err(PoolError::Closed),
        }
    }
}
