use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
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

pub(crate) struct Lock {
    slots: Mutex<Slots<Box<NativeConnection>>>,
    /// Whether anybody waited, as far as somebody noticed: only a hint.
    is_crowded: AtomicBool,
}

/// What pools have left behind, empty, for those to come: there is never more of it than there were
/// pools at one time.
static LEFT: Mutex<Vec<&'static Lock>> = Mutex::new(Vec::new());

impl LastingSlots {
    pub(crate) fn new(max_size: usize) -> Self {
        let slots = Slots::new(max_size);
        let left = LEFT.lock().unwrap_or_else(PoisonError::into_inner).pop();
        LastingSlots(match left {
            Some(lock) => {
                *lock.slots() = slots;
                lock.note_crowd(false);
                lock
            }
            None => Box::leak(Box::new(Lock {
                slots: Mutex::new(slots),
                is_crowded: AtomicBool::new(false),
            })),
        })
    }

    #[inline]
    pub(crate) fn lock(&self) -> &'static Lock {
        self.0
    }
}

impl Drop for LastingSlots {
    fn drop(&mut self) {
        // No connection is in there: each would keep the pool. Dropped outside the lock all the same.
        let slots = mem::replace(&mut *self.0.slots(), Slots::new(0));
        drop(slots);
        let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
        left.push(self.0);
    }
}

impl Lock {
    #[inline]
    pub(crate) fn slots(&'static self) -> MutexGuard<'static, Slots<Box<NativeConnection>>> {
        // Nothing under this lock can panic half-way.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    pub(crate) fn is_crowded(&self) -> bool {
        self.is_crowded.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn note_crowd(&self, is_crowded: bool) {
        if self.is_crowded.load(Ordering::Relaxed) != is_crowded {
            self.is_crowded.store(is_crowded, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_ends_leaves_its_lock_empty_to_the_next() {
        for turn in 1..=1_000 {
            let slots = LastingSlots::new(turn);
            let mut locked = slots.lock().slots();
            assert_eq!((locked.max_size, locked.open), (turn, 0));
            assert!(!locked.closed);
            locked.open = 7;
            locked.closed = true;
        }
        // Other tests' pools leave some, too.
        let left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
        assert!((1..500).contains(&left.len()), "{} locks", left.len());
        assert!(left.iter().all(|lock| lock.slots().max_size == 0));
    }
}
