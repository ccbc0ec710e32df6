use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::select;
use tokio::runtime::Id;

use crate::shared::Shared;
use crate::slots::Timekeeper;

impl Shared {
    /// Sees to it that a caller on `home` who waits until `deadline` is told when that has passed.
    ///
    /// One task on each runtime does it for all who wait there: a timer for each of them would cost
    /// more than all the rest of waiting.
    pub(crate) fn keep_time(self: &Arc<Self>, home: Id, timekeeper: Timekeeper) {
        match timekeeper {
            Timekeeper::Knows => {}
            Timekeeper::IsToHurry => self.hurry.notify_waiters(),
            Timekeeper::IsToCome => {
                let task = Task {
                    shared: self.clone(),
                    home,
                };
                let handle = tokio::spawn(task.run()).abort_handle();
                self.note_task(handle);
            }
        }
    }
}

/// The task, however it ends: because nobody waits, or with its runtime.
struct Task {
    shared: Arc<Shared>,
    home: Id,
}

impl Task {
    async fn run(self) {
        // What they wait for may be with a runtime that was left.
        let mut left = pin!(self.shared.ledger.give_up_attempts_left());
        loop {
            let hurry = pin!(self.shared.hurry.notified());
            let (late, next) = {
                let mut slots = self.shared.slots();
                let (late, next) = slots.queue.expire(Instant::now());
                slots.set_timekeeper(self.home, next);
                (late, next)
            };
            for waker in late {
                waker.wake();
            }
            let Some(next) = next else {
                return;
            };
            let sleep = pin!(tokio::time::sleep_until(next.into()));
            let due = select(sleep, hurry);
            select(due, left.as_mut()).await;
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.shared.slots().set_timekeeper(self.home, None);
    }
}
