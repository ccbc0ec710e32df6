use std::cell::RefCell;
use std::hash::{Hash, Hasher};
use std::task::Waker;

use respool_core::wakes_a_task;
use tokio::runtime::{Handle, Id};
use tokio::task;

/// How many tasks are remembered on each thread. Others take their places.
const PLACES: usize = 128;

thread_local! {
    static HOMES: RefCell<Homes> = RefCell::new(Homes::new());
}

/// The runtime of whoever is polled with `waker`, if he is on one.
#[inline]
pub(crate) fn here(waker: &Waker) -> Option<Id> {
    // The thread may be ending.
    let found = HOMES.try_with(|homes| Some(homes.try_borrow_mut().ok()?.here(waker)));
    match found {
        Ok(Some(home)) => home,
        _ => Some(Handle::try_current().ok()?.id()),
    }
}

/// Which runtime a task is on: it stays there, and asking tokio costs a reference that all tasks of a
/// runtime count together. What a task blocks on may be elsewhere, and is not looked for here.
struct Homes {
    places: Box<[Option<(task::Id, Id)>]>,
}

impl Homes {
    fn new() -> Self {
        Homes {
            places: vec![None; PLACES].into(),
        }
    }

    #[inline]
    fn here(&mut self, waker: &Waker) -> Option<Id> {
        let Some(task) = task::try_id().filter(|_| wakes_a_task(waker)) else {
            return Some(Handle::try_current().ok()?.id());
        };
        let mut number = Number(0);
        task.hash(&mut number);
        let place = self
            .places
            .get_mut(usize::try_from(number.0).unwrap_or(0) % PLACES)?;
        match place {
            Some((known, home)) if *known == task => Some(*home),
            place => {
                let home = Handle::try_current().ok()?.id();
                *place = Some((task, home));
                Some(home)
            }
        }
    }
}

/// A task's number, which is spread well enough as it is: they are given out in turn.
struct Number(u64);

impl Hasher for Number {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::future::poll_fn;
    use std::task::Poll;
    use tokio::runtime::Builder;

    #[test]
    fn each_task_is_found_on_its_own_runtime() {
        let mut homes = Homes::new();
        assert_eq!(homes.here(Waker::noop()), None);
        let runtimes = [(); 2].map(|()| Builder::new_current_thread().build().unwrap());
        let mut seen = HashSet::new();
        for _ in 0..2 * PLACES {
            for runtime in &runtimes {
                let task = runtime.spawn(async move {
                    let twice = [find(&mut homes).await, find(&mut homes).await];
                    (homes, twice)
                });
                let (back, twice) = runtime.block_on(task).unwrap();
                homes = back;
                assert_eq!(twice, [Some(runtime.handle().id()); 2]);
                seen.insert(runtime.handle().id());
            }
        }
        assert_eq!(seen.len(), 2);
    }

    #[test]
    fn what_a_task_blocks_on_is_found_on_its_own_runtime() {
        let outer = Builder::new_current_thread().build().unwrap();
        let blocking = outer.spawn_blocking(|| {
            let runtimes = [(); 2].map(|()| Builder::new_current_thread().build().unwrap());
            let mut homes = Homes::new();
            for runtime in runtimes.iter().chain(&runtimes) {
                let seen = runtime.block_on(find(&mut homes));
                assert_eq!(seen, Some(runtime.handle().id()));
            }
        });
        outer.block_on(blocking).unwrap();
    }

    async fn find(homes: &mut Homes) -> Option<Id> {
        poll_fn(|context| Poll::Ready(homes.here(context.waker()))).await
    }
}
