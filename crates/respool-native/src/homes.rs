use std::cell::RefCell;
use std::hash::{Hash, Hasher};

use tokio::runtime::{Handle, Id};
use tokio::task;

/// How many tasks are remembered on each thread. Others take their places.
const PLACES: usize = 128;

thread_local! {
    static HOMES: RefCell<Homes> = RefCell::new(Homes::new());
}

/// The runtime of the caller, if he is on one.
#[inline]
pub(crate) fn here() -> Option<Id> {
    // The thread may be ending.
    let found = HOMES.try_with(|homes| Some(homes.try_borrow_mut().ok()?.here()));
    match found {
        Ok(Some(home)) => home,
        _ => Some(Handle::try_current().ok()?.id()),
    }
}

/// Which runtime a task is on: it stays there, and asking tokio costs a reference that all tasks of a
/// runtime count together.
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
    fn here(&mut self) -> Option<Id> {
        let Some(task) = task::try_id() else {
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
    use tokio::runtime::Builder;

    #[test]
    fn each_task_is_found_on_its_own_runtime() {
        let mut homes = Homes::new();
        assert_eq!(homes.here(), None);
        let runtimes = [(); 2].map(|()| Builder::new_current_thread().build().unwrap());
        let mut seen = HashSet::new();
        for _ in 0..2 * PLACES {
            for runtime in &runtimes {
                let task = runtime.spawn(async move {
                    let twice = [homes.here(), homes.here()];
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
}
