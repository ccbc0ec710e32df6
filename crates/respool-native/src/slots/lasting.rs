use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::connection::NativeConnection;
use crate::slots::Slots;

/// The slots of a pool under their lock, in memory that outlives the pool.
///
/// A connection that comes back goes in there with its own hold on the pool, which may be the last
/// one. Were the lock the pool's own, whoever gives it back would have to count himself in before
/// and out after: two atomic operations, as many as the lock itself costs.
///
/// The compiler doesn't see when the pool ends under such a guard: whoever holds one drops no
/// connection, or the pool's end would wait for the lock that he holds.
pub(crate) struct LastingSlots(&'static Lock);

type Lock = Mutex<Slots<Box<NativeConnection>>>;

/// What pools have left behind, empty, for those to come: there is never more of it than there were
/// pools at one time.
static LEFT: Mutex<Vec<&'static Lock>> = Mutex::new(Vec::new());

impl LastingSlots {
    pub(crate) fn new(max_size: usize) -> Self {
        let slots = Slots::new(max_size);
        let left = LEFT.lock().unwrap_or_else(PoisonError::into_inner).pop();
        LastingSlots(match left {
            Some(lock) => {
                *locked(lock) = slots;
                lock
            }
            None => Box::leak(Box::new(Mutex::new(slots))),
        })
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'static, Slots<Box<NativeConnection>>> {
        locked(self.0)
    }
}

impl Drop for LastingSlots {
    fn drop(&mut self) {
        // No connection is in there: each would keep the pool. Dropped outside the lock all the same.
        let slots = mem::replace(&mut *self.lock(), Slots::new(0));
        drop(slots);
        let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
        left.push(self.0);
    }
}

#[inline]
fn locked(lock: &'static Lock) -> MutexGuard<'static, Slots<Box<NativeConnection>>> {
    // Nothing under this lock can panic half-way.
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_ends_leaves_its_lock_empty_to_the_next() {
        for turn in 1..=1_000 {
            let slots = LastingSlots::new(turn);
            let mut locked = slots.lock();
            assert_eq!((locked.max_size, locked.open), (turn, 0));
            assert!(!locked.closed);
            locked.open = 7;
            locked.closed = true;
        }
        // Other tests' pools leave some, too.
        let left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
        assert!((1..500).contains(&left.len()), "{} locks", left.len());
        assert!(left.iter().all(|lock| locked(lock).max_size == 0));
    }
}
