use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use respool_core::Deadline;

/// A moment as the operating system last noted it, every few milliseconds: costs a fraction of
/// [`Instant::now`]. Two that are equal lie no further apart than the system's tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tick(coarsetime::Instant);

impl Tick {
    pub(crate) fn now() -> Self {
        Tick(coarsetime::Instant::now_without_cache_update())
    }

    /// When that was, by the finer clock; up to a tick before or after.
    pub(crate) fn instant(self) -> Instant {
        let now = Instant::now();
        let ago = Tick::now().0.duration_since(self.0);
        now.checked_sub(ago.into()).unwrap_or(now)
    }
}

/// Below this a tick more or less matters to a deadline.
const SHORT: Duration = Duration::from_millis(500);

/// Whether the coarse clock and that of [`Instant`] go alike for as long as a pool may live. On Linux
/// both are CLOCK_MONOTONIC (`clock_gettime(2)`); elsewhere one may count the time that the machine
/// sleeps, and the other not.
const GO_ALIKE: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Tells deadlines by ticks.
pub(crate) struct Clock {
    /// The same moment by both clocks, from which all others are reckoned.
    began: (Instant, Tick),
    /// The last tick that was seen.
    seen: AtomicU64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let tick = Tick::now();
        Clock {
            began: (Instant::now(), tick),
            seen: AtomicU64::new(tick.0.as_ticks()),
        }
    }

    /// `limit` from now; a tick less where that makes no difference. And whether a tick has passed since
    /// this was last asked.
    pub(crate) fn deadline(&self, limit: Option<Duration>) -> (Deadline, bool) {
        let tick = Tick::now();
        let is_new = self.seen.load(Ordering::Relaxed) != tick.0.as_ticks();
        if is_new {
            self.seen.store(tick.0.as_ticks(), Ordering::Relaxed);
        }
        let deadline = match limit {
            Some(limit) if limit < SHORT => Deadline::after(Some(limit)),
            limit if !GO_ALIKE => Deadline::after(limit),
            limit => {
                let (instant, began) = self.began;
                let passed = tick.0.duration_since(began.0);
                Deadline::from(instant + Duration::from(passed), limit)
            }
        };
        (deadline, is_new)
    }
}
