use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use respool_core::{CloseReason, PoolConfig};

use crate::Glance;
use crate::chance::chance;

/// The limits that a pool sets to the time of its connections.
pub(crate) struct Limits {
    idle_timeout: Option<Duration>,
    max_lifetime: Option<Duration>,
    max_lifetime_jitter: f64,
    validate_after: Option<Duration>,
}

impl Limits {
    pub(crate) fn new(config: &PoolConfig) -> Self {
        Limits {
            idle_timeout: config.idle_timeout,
            max_lifetime: config.max_lifetime,
            max_lifetime_jitter: config.max_lifetime_jitter,
            validate_after: config.validate_after,
        }
    }

    /// Whether any connection ends by time alone.
    pub(crate) fn end_connections(&self) -> bool {
        self.idle_timeout.is_some() || self.max_lifetime.is_some()
    }

    /// When a connection opened at `now` is too old. Chance takes off up to the jitter, so that
    /// connections opened together don't end together.
    pub(crate) fn expires_at(&self, now: Instant) -> Option<Instant> {
        let whole = self.max_lifetime?;
        let taken_off = whole.mul_f64(self.max_lifetime_jitter * chance());
        now.checked_add(whole.saturating_sub(taken_off))
    }

    /// When an idle connection's time is up.
    pub(crate) fn end(&self, idle_since: Instant, expires_at: Option<Instant>) -> Option<Instant> {
        let idle_end = self
            .idle_timeout
            .and_then(|limit| idle_since.checked_add(limit));
        [idle_end, expires_at].into_iter().flatten().min()
    }

    /// What time says of a connection that has been idle until now.
    pub(crate) fn glance(&self, idle_since: Instant, expires_at: Option<Instant>) -> Glance {
        let now = Instant::now();
        if self
            .end(idle_since, expires_at)
            .is_some_and(|end| now >= end)
        {
            return Glance::Unfit(CloseReason::Expired);
        }
        match self.validate_after {
            Some(limit) if now.saturating_duration_since(idle_since) >= limit => Glance::Unsettled,
            _ => Glance::Fit,
        }
    }
}

/// A moment that can be moved without a lock.
pub(crate) struct Moment {
    origin: Instant,
    nanoseconds: AtomicU64,
}

impl Moment {
    pub(crate) fn new(moment: Instant) -> Self {
        Moment {
            origin: moment,
            nanoseconds: AtomicU64::new(0),
        }
    }

    /// Moves it forward; five hundred years and more after the first moment it stays there.
    pub(crate) fn set(&self, moment: Instant) {
        let passed = moment.saturating_duration_since(self.origin).as_nanos();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.nanoseconds.store(passed, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Instant {
        self.origin + Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(set: impl FnOnce(&mut PoolConfig)) -> Limits {
        let mut config = PoolConfig::default();
        config.idle_timeout = None;
        config.max_lifetime = None;
        config.validate_after = None;
        set(&mut config);
        Limits::new(&config)
    }

    #[test]
    fn idle_time_and_lifetime_end_a_connection() {
        let now = Instant::now();
        let idle = limits(|config| config.idle_timeout = Some(Duration::ZERO));
        assert_eq!(idle.glance(now, None), Glance::Unfit(CloseReason::Expired));
        let none = limits(|_| {});
        assert_eq!(none.glance(now, None), Glance::Fit);
        assert_eq!(
            none.glance(now, Some(now)),
            Glance::Unfit(CloseReason::Expired)
        );
    }

    #[test]
    fn a_connection_idle_for_long_is_asked_first() {
        let limits = limits(|config| config.validate_after = Some(Duration::ZERO));
        assert_eq!(limits.glance(Instant::now(), None), Glance::Unsettled);
    }

    #[test]
    fn chance_takes_off_no_more_of_a_lifetime_than_the_jitter() {
        let whole = Duration::from_secs(1000);
        let limits = limits(|config| {
            config.max_lifetime = Some(whole);
            config.max_lifetime_jitter = 0.2;
        });
        let now = Instant::now();
        let ends: Vec<_> = (0..100).filter_map(|_| limits.expires_at(now)).collect();
        assert!(
            ends.iter()
                .all(|end| *end >= now + whole.mul_f64(0.8) && *end <= now + whole)
        );
        assert!(ends.iter().any(|end| *end != ends[0]), "all end together");
    }

    #[test]
    fn a_moment_moves() {
        let now = Instant::now();
        let moment = Moment::new(now);
        moment.set(now + Duration::from_millis(5));
        assert_eq!(moment.get(), now + Duration::from_millis(5));
    }
}
