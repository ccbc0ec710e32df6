use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a small pool may open in a second, over and over.
const LEAST_A_SECOND: usize = 20;

/// A bound on how often connections are opened in place of those that broke before they had answered
/// anything: after all of a pool at once, `max_size` a second, but at least [`LEAST_A_SECOND`].
///
/// It is for a server that greets and then hangs up: each connection counts as a success, so that
/// nothing else would hold back the next. One that was of use, or that its holder used up (SELECT, a
/// pop that was given up), is replaced at once however often, and failures have pauses of their own.
/// Whoever waits here does so for a second at most, since no more than `max_size` can break meanwhile.
pub(crate) struct DialRate {
    account: Mutex<Account>,
}

struct Account {
    /// When all that broke will have been paid for, but for `unpaid`.
    paid_at: Instant,
    unpaid: u32,
}

impl DialRate {
    pub(crate) fn new() -> Self {
        DialRate {
            account: Mutex::new(Account {
                paid_at: Instant::now(),
                unpaid: 0,
            }),
        }
    }

    /// A connection broke that had answered nothing.
    pub(crate) fn note_broken(&self) {
        let mut account = self.account();
        account.unpaid = account.unpaid.saturating_add(1);
    }

    /// How long from `now` the next connection of a pool of `max_size` has to wait. `None`: not at all.
    pub(crate) fn pause(&self, now: Instant, max_size: usize) -> Option<Duration> {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let each = Duration::from_secs(1) / count(max_size.max(LEAST_A_SECOND));
        let mut account = self.account();
        let unpaid = std::mem::take(&mut account.unpaid);
        account.paid_at = account.paid_at.max(now) + each * unpaid;
        let due = account.paid_at.duration_since(now);
        let pause = due.saturating_sub(each * count(max_size));
        (!pause.is_zero()).then_some(pause)
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        // Nothing under this lock can panic half-way.
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of `dials` takes place, if every connection breaks at once.
    fn moments(max_size: usize, dials: u64) -> Vec<Duration> {
        let rate = DialRate::new();
        let start = Instant::now() + Duration::from_secs(1);
        let mut now = start;
        let dial = |_| {
            now += rate.pause(now, max_size).unwrap_or_default();
            rate.note_broken();
            now - start
        };
        (0..dials).map(dial).collect()
    }

    #[test]
    fn a_whole_pool_is_replaced_at_once() {
        let moments = moments(50, 51);
        assert!(moments.iter().all(Duration::is_zero), "{moments:?}");
    }

    #[test]
    fn what_breaks_over_and_over_is_replaced_at_the_rate() {
        for (max_size, a_second) in [(1, 20), (20, 20), (100, 100)] {
            let moments = moments(max_size, max_size as u64 + 1 + 3 * a_second);
            let last = moments[moments.len() - 1];
            assert_eq!(last.as_millis(), 3_000, "{max_size}");
        }
    }

    #[test]
    fn nothing_is_owed_for_what_broke_long_ago() {
        let rate = DialRate::new();
        let now = Instant::now();
        for _ in 0..100 {
            rate.note_broken();
        }
        assert!(rate.pause(now, 1).is_some());
        let later = now + Duration::from_secs(10);
        rate.note_broken();
        assert_eq!(rate.pause(later, 1), None);
    }

    #[test]
    fn where_nothing_breaks_nobody_waits() {
        let rate = DialRate::new();
        let now = Instant::now();
        rate.note_broken();
        assert!((0..1_000).all(|_| rate.pause(now, 1).is_none()));
    }
}
