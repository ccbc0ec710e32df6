//! Pools that reconnect again and again, or don't say what they do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use respool_core::{Backend, Capabilities, CloseReason, Connection};

use crate::mutants::forward::{ForwardConnection, Spoil, SpoilConnection};

/// Replaces the connection of every so many requests that were given up.
#[derive(Clone)]
pub(super) struct ReplacesOnCancel {
    every: usize,
    owed: Arc<AtomicUsize>,
}

impl ReplacesOnCancel {
    pub(super) fn every(every: usize) -> Self {
        ReplacesOnCancel {
            every,
            owed: Arc::default(),
        }
    }
}

impl Spoil for ReplacesOnCancel {
    fn lend(&self, healthy: Box<dyn Connection>) -> Box<dyn Connection> {
        ForwardConnection::boxed(healthy, self.clone())
    }
}

impl SpoilConnection for ReplacesOnCancel {
    fn owe_reply(&mut self, healthy: &mut dyn Connection) {
        if self
            .owed
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(self.every)
        {
            healthy.condemn(CloseReason::Cancelled);
        } else {
            healthy.owe_reply();
        }
    }
}

pub(super) struct KeepsWithoutClaiming;

impl Spoil for KeepsWithoutClaiming {
    fn capabilities(&self, healthy: &dyn Backend) -> Capabilities {
        let mut capabilities = healthy.capabilities();
        capabilities.keeps_connection_on_cancel = false;
        capabilities
    }
}
