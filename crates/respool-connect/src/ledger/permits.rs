use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// How many more connections may exist.
///
/// Nobody has a place in line for them, and nothing is given to anybody who doesn't ask at that moment:
/// one whose runtime is not driven any more would keep it.
#[derive(Debug)]
pub(crate) struct Permits {
    account: Mutex<Account>,
    freed: Notify,
}

#[derive(Debug)]
struct Account {
    free: usize,
    /// How many are taken back as they become free, since there may be fewer now.
    surplus: usize,
}

impl Permits {
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Permits {
            account: Mutex::new(Account {
                free: count,
                surplus: 0,
            }),
            freed: Notify::new(),
        })
    }

    /// One that is free.
    pub(super) fn take(self: &Arc<Self>) -> Option<Permit> {
        let mut account = self.account();
        account.free = account.free.checked_sub(1)?;
        Some(Permit(self.clone()))
    }

    /// Ends when one became free after this was called. Dropping it changes nothing.
    pub(super) fn freed(&self) -> Notified<'_> {
        self.freed.notified()
    }

    /// There may be `after` connections in place of `before`.
    pub(super) fn resize(&self, before: usize, after: usize) {
        let mut account = self.account();
        let more = after.saturating_sub(before);
        let kept = more.min(account.surplus);
        account.surplus -= kept;
        account.free += more - kept;
        let fewer = before.saturating_sub(after);
        let taken = fewer.min(account.free);
        account.free -= taken;
        account.surplus += fewer - taken;
        drop(account);
        self.freed.notify_waiters();
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        // Nothing under this lock can panic half-way.
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to one connection, until dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Permits>);

impl Drop for Permit {
    fn drop(&mut self) {
        let mut account = self.0.account();
        match account.surplus {
            0 => account.free += 1,
            _ => account.surplus -= 1,
        }
        drop(account);
        self.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_smaller_size_takes_back_comes_from_those_in_use_last() {
        let permits = Permits::new(3);
        let two = [permits.take().unwrap(), permits.take().unwrap()];
        permits.resize(3, 1);
        assert!(permits.take().is_none());
        permits.resize(1, 2);
        assert!(permits.take().is_none());
        let [one, other] = two;
        drop(one);
        let back = permits.take().unwrap();
        assert!(permits.take().is_none());
        permits.resize(2, 0);
        drop(back);
        drop(other);
        assert!(permits.take().is_none());
        permits.resize(0, 1);
        assert!(permits.take().is_some());
    }
}
