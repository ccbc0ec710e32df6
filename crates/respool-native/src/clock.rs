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

/// Tells deadlines by ticks, and reads the time once a tick.
pub(crate) struct Clock {
    /// The same moment by both clocks, from which all others are reckoned.
    began: (Instant, Tick),
    /// The last tick that was seen.
    now: (Instant, Tick),
}

impl Clock {
    pub(crate) fn new() -> Self {
        let now = (Instant::now(), Tick::now());
        Clock { began: now, now }
    }

    /// `limit` from now; a tick less where that makes no difference. And whether a tick has passed since
    /// this was last asked.
    pub(crate) fn deadline(&mut self, limit: Option<Duration>) -> (Deadline, bool) {
        let tick = Tick::now();
        let is_new = tick != self.now.1;
        if is_new {
            let (instant, began) = self.began;
            let passed = tick.0.duration_since(began.0);
            self.now = (instant + Duration::from(passed), tick);
        }
        let deadline = match limit {
            Some(limit) if limit < SHORT => Deadline::after(Some(limit)),
            limit => Deadline::from(self.now.0, limit),
        };
        (deadline, is_new)
    }
}
