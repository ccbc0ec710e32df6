use std::time::Instant;

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
