use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use tokio::runtime::{self, Handle};
use tokio::task;

use crate::{PoolError, wakes_a_task};

/// Which runtime whoever asks is on, remembered for as long as it is the same task: a task stays on
/// its runtime, and asking for its number costs next to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Whereabouts {
    task: Option<task::Id>,
    /// `None` where the task's number doesn't tell ([`wakes_a_task`]).
    runtime: Option<runtime::Id>,
    /// `None` until somebody asked.
    share: Option<u32>,
}

thread_local! {
    static NEXT_SHARE: Cell<u32> = const { Cell::new(0) };
}

impl Whereabouts {
    /// The runtime of whoever is polled with `waker`.
    ///
    /// # Errors
    ///
    /// [`PoolError::NoRuntime`].
    #[inline]
    pub fn runtime(&mut self, waker: &Waker) -> Result<runtime::Id, PoolError> {
        let task = task::try_id();
        let is_a_task = wakes_a_task(waker);
        match self.runtime {
            Some(runtime) if is_a_task && task.is_some() && task == self.task => Ok(runtime),
            _ => self.look(task, is_a_task),
        }
    }

    /// The same for whoever awaits it.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn find(&mut self) -> Result<runtime::Id, PoolError> {
        poll_fn(|context| Poll::Ready(self.runtime(context.waker()))).await
    }

    /// A number for whoever divides callers among connections, known once the runtime is: it stays as it is
    /// for as long as this is the same task, so that what one caller asks can go the same way; those of many
    /// tasks are spread evenly.
    #[inline]
    pub fn share(&self) -> u32 {
        self.share.unwrap_or_default()
    }

    fn look(&mut self, task: Option<task::Id>, is_a_task: bool) -> Result<runtime::Id, PoolError> {
        let here = Handle::try_current().map_err(|_| PoolError::NoRuntime)?;
        if self.share.is_none() || task != self.task {
            self.share = Some(NEXT_SHARE.replace(NEXT_SHARE.get().wrapping_add(1)));
        }
        self.task = task;
        self.runtime = is_a_task.then(|| here.id());
        Ok(here.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::runtime::Builder;

    #[test]
    fn a_task_keeps_its_share_and_many_are_spread_evenly() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let mut used_before = Whereabouts::default();
        runtime.block_on(async {
            used_before.find().await.unwrap();
            let share = used_before.share();
            used_before.find().await.unwrap();
            assert_eq!(used_before.share(), share);
            let mut odd = 0;
            for _ in 0..10 {
                let mut clone = used_before;
                let task = tokio::spawn(async move {
                    clone.find().await.unwrap();
                    let share = clone.share();
                    clone.find().await.unwrap();
                    assert_eq!(clone.share(), share);
                    share % 2
                });
                odd += task.await.unwrap();
            }
            assert_eq!(odd, 5);
        });
    }

    #[test]
    fn a_client_that_moves_is_found_again() {
        let runtimes = [(); 2].map(|()| Builder::new_current_thread().build().unwrap());
        let mut whereabouts = Whereabouts::default();
        assert!(whereabouts.runtime(Waker::noop()).is_err());
        for runtime in runtimes.iter().chain(&runtimes) {
            let mut moved = whereabouts;
            let seen = runtime.block_on(whereabouts.find());
            assert_eq!(seen.unwrap(), runtime.handle().id());
            let in_task = runtime.spawn(async move { (moved.find().await, moved.find().await) });
            let (first, second) = runtime.block_on(in_task).unwrap();
            assert_eq!(first.unwrap(), runtime.handle().id());
            assert_eq!(second.unwrap(), runtime.handle().id());
        }
    }

    #[test]
    fn a_task_that_blocks_on_other_runtimes_is_found_on_each_and_keeps_its_share() {
        let outer = Builder::new_current_thread().build().unwrap();
        let blocking = outer.spawn_blocking(|| {
            let runtimes = [(); 2].map(|()| Builder::new_current_thread().build().unwrap());
            let mut whereabouts = Whereabouts::default();
            let mut shares = Vec::new();
            for runtime in runtimes.iter().chain(&runtimes) {
                let seen = runtime.block_on(whereabouts.find());
                assert_eq!(seen.unwrap(), runtime.handle().id());
                shares.push(whereabouts.share());
            }
            shares.dedup();
            assert_eq!(shares.len(), 1);
        });
        outer.block_on(blocking).unwrap();
    }
}
