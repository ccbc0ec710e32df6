//! How fast a connection may pass its bytes.

use std::num::NonZeroU64;

use tokio::time::{Duration, Instant};

/// What may pass at once, as time: finer than that no timer wakes us.
const STEP: Duration = Duration::from_millis(10);

/// When one direction of one connection has room for more bytes.
pub(super) struct Pace {
    /// When all that has passed would have passed at its rate.
    clear_at: Instant,
}

impl Pace {
    pub(super) fn new() -> Self {
        Pace {
            clear_at: Instant::now(),
        }
    }

    /// When more may pass of what is due at `due`.
    pub(super) fn later_than(&self, due: Instant, bytes_per_second: Option<NonZeroU64>) -> Instant {
        match bytes_per_second {
            Some(_) => due.max(self.clear_at),
            None => due,
        }
    }

    /// How many of `wanted` bytes may pass at once.
    pub(super) fn allows(wanted: usize, bytes_per_second: Option<NonZeroU64>) -> usize {
        match bytes_per_second {
            Some(rate) => {
                let step = rate.get() / (1_000 / STEP.as_millis() as u64);
                usize::try_from(step.max(1)).map_or(wanted, |step| step.min(wanted))
            }
            None => wanted,
        }
    }

    pub(super) fn spend(&mut self, bytes: usize, bytes_per_second: Option<NonZeroU64>) {
        if let Some(rate) = bytes_per_second {
            // A timer that fires late is made up for, but only by one step.
            let since = self.clear_at.max(Instant::now() - STEP);
            self.clear_at = since + Duration::from_secs_f64(bytes as f64 / rate.get() as f64);
        }
    }
}
