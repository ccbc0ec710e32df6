use std::future::poll_fn;
use std::pin::pin;
use std::ptr;
use std::sync::OnceLock;
use std::task::{Context, Poll, RawWakerVTable, Waker};

use tokio::task::LocalSet;

/// What the wakers of all of tokio's tasks share, and no other waker has.
static OF_TASKS: OnceLock<&'static RawWakerVTable> = OnceLock::new();

/// Whether `waker` is a tokio task's own: then whoever is polled with it is on the runtime of that task,
/// and what was found out about that before still holds.
///
/// The number of a task ([`tokio::task::try_id`]) doesn't tell. Whatever a task blocks on has the same, and
/// may be on other runtimes, one after another or in turn: inside `spawn_blocking`, whose closures are
/// tasks to tokio, and inside `block_in_place`. But `block_on` polls with wakers of its own.
///
/// To ask tokio for the runtime each time would be right as well. It counts a reference up and down that
/// all threads of a runtime share; this compares two addresses.
///
/// False doesn't mean that it is no task: some futures poll what is in them with wakers of their own
/// (`FuturesUnordered`). Then tokio has to be asked. True errs for a task that is led elsewhere itself: by
/// `Handle::enter` in its own poll, or with a `LocalSet` that one runtime after another drives.
#[inline]
pub fn wakes_a_task(waker: &Waker) -> bool {
    let of_tasks = OF_TASKS.get().or_else(learn);
    of_tasks.is_some_and(|of_tasks| ptr::eq(*of_tasks, waker.vtable()))
}

/// Runs a task, to see what it is polled with. A local one needs no runtime, and is over at once.
#[cold]
fn learn() -> Option<&'static &'static RawWakerVTable> {
    let mut tasks = pin!(LocalSet::new());
    drop(tasks.spawn_local(poll_fn(|context| {
        let _ = OF_TASKS.set(context.waker().vtable());
        Poll::Ready(())
    })));
    let _ = tasks.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    OF_TASKS.get()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::runtime::Builder;
    use tokio::task;

    async fn is_polled_as_a_task() -> bool {
        poll_fn(|context| Poll::Ready(wakes_a_task(context.waker()))).await
    }

    #[test]
    fn a_task_is_told_from_what_it_blocks_on() {
        let runtime = Builder::new_current_thread().build().unwrap();
        assert!(!runtime.block_on(is_polled_as_a_task()));
        let spawned = runtime.spawn(is_polled_as_a_task());
        assert!(runtime.block_on(spawned).unwrap());
        let blocking = runtime.spawn_blocking(|| {
            assert!(task::try_id().is_some());
            let within = Builder::new_current_thread().build().unwrap();
            let spawned = within.spawn(is_polled_as_a_task());
            let blocked_on = within.block_on(is_polled_as_a_task());
            (blocked_on, within.block_on(spawned).unwrap())
        });
        assert_eq!(runtime.block_on(blocking).unwrap(), (false, true));
    }
}
