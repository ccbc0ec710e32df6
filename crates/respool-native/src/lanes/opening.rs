use std::sync::Arc;
use std::time::Duration;

use respool_core::{Deadline, PoolError};
use tokio::runtime::{Handle, Id};
use tokio::task::JoinHandle;

use super::Lanes;
use crate::backend::Native;

/// How long it may take to open a second lane, for which nobody waits.
const DIVIDE_WITHIN: Duration = Duration::from_secs(1);

/// Which lane somebody opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opens {
    /// The first of its runtime.
    First,
    Second,
    Beside,
}

/// The right to open a lane for a runtime. However the attempt ends, others hear of it.
pub(super) struct Turn {
    lanes: Arc<Lanes>,
    here: Id,
}

impl Turn {
    pub(super) fn new(lanes: &Arc<Lanes>, here: Id) -> Self {
        let lanes = lanes.clone();
        Turn { lanes, here }
    }

    /// Opens it in a task. No outcome: it was given up, since this runtime was left for a while.
    fn open(self, opens: Opens, deadline: Deadline) -> JoinHandle<Option<Result<(), PoolError>>> {
        let lanes = self.lanes.clone();
        let opening = lanes.shared.ledger.spawn_attempt(async move {
            let shared = &self.lanes.shared;
            let taken = match deadline.limit(shared.take_fit(None, deadline)).await {
                Some(taken) => taken,
                None => Err(shared.timed_out(deadline)),
            };
            if taken.is_err() && opens == Opens::Second {
                self.lanes.traffic().failed_to_divide();
            }
            self.lanes.add(taken?, self.here, opens == Opens::Beside);
            drop(self);
            Ok(())
        });
        lanes.shared.note_task(opening.abort_handle());
        opening
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.lanes.traffic().opened(self.here);
        self.lanes.changed.notify_waiters();
    }
}

impl Lanes {
    /// Opens a second lane for runtime `here`, whose turn it is. Nobody waits for it.
    #[cold]
    pub(super) fn divide(self: &Arc<Self>, here: Id) {
        let turn = Turn::new(self, here);
        if Handle::try_current().is_ok_and(|it| it.id() == here) {
            drop(turn.open(Opens::Second, Deadline::after(Some(DIVIDE_WITHIN))));
        }
    }
}

impl Native {
    /// Opens a lane for runtime `here`, whose turn it is, in a task of its own: others wait for it, and
    /// must not depend on whether this caller is polled. Dropping it changes nothing.
    pub(super) async fn open_lane(
        &self,
        here: Id,
        opens: Opens,
        deadline: Deadline,
    ) -> Result<(), PoolError> {
        let turn = Turn::new(&self.lanes, here);
        match turn.open(opens, deadline).await {
            Ok(Some(opened)) => opened,
            // Whoever still wants it begins anew.
            Ok(None) => Ok(()),
            // Its runtime is ending, or the pool: the next choice says so.
            Err(_) => {
                tokio::task::yield_now().await;
                Ok(())
            }
        }
    }
}
