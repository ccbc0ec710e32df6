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

/// Tells deadlines by ticks.
pub(crate) struct Clock {
    instant: Instant,
    tick: Tick,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Clock {
            instant: Instant::now(),
            tick: Tick::now(),
        }
    }

    /// `limit` from now; a tick less where that makes no difference.
    pub(crate) fn deadline(&self, limit: Option<Duration>) -> Deadline {
        match limit {
            Some(limit) if limit < SHORT => Deadline::after(Some(limit)),
            limit => {
                let passed = Tick::now().0.duration_since(self.tick.0);
                Deadline::from(self.instant + Duration::from(passed), limit)
            }
        }
    }
}
