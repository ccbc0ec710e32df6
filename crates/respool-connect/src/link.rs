use std::time::{Duration, Instant};

use redis::aio::ConnectionLike;
use respool_core::{CloseReason, PoolConfig};

use crate::Place;

/// A connection as a wrapped pool stores it.
///
/// Dropping it ends the connection, and its [`Place`] with it.
pub trait Link: ConnectionLike + Send + 'static {
    /// Its place in the ledger.
    fn place(&mut self) -> Option<&mut Place>;

    /// Whether it may be handed out: without waiting, without a round trip.
    fn glance(&mut self) -> Glance;

    /// Discards the replies that are owed and makes sure that the server answers. False: it is not
    /// to be used any more. Bounded in time; dropping it leaves the link to be settled later.
    fn settle(&mut self) -> impl Future<Output = bool> + Send;

    /// A request was given up: its reply is owed.
    fn owe_reply(&mut self);

    /// It must not be handed out again: its socket is closed now.
    fn condemn(&mut self, reason: CloseReason);

    /// It came back from its holder and is idle from now on.
    fn came_back(&mut self);

    /// It leaves the pool and goes on without it. `None` where that can't be done.
    fn detached(self) -> Option<Box<dyn ConnectionLike + Send>>;
}

/// What a glance at an idle link shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// It can be handed out.
    Fit,
    /// It has to be [settled](Link::settle) first: a reply is owed, or it was idle for long.
    Unsettled,
    /// It can't be used any more.
    Unfit(CloseReason),
}

/// What time does to a link: its age, how long it was idle, and since when replies are owed.
#[derive(Debug)]
pub struct LinkAge {
    expires_at: Option<Instant>,
    idle_since: Instant,
    owed_since: Option<Instant>,
    idle_timeout: Option<Duration>,
    validate_after: Option<Duration>,
    response_timeout: Option<Duration>,
}

/// How long an owed reply is waited for where the user set no `response_timeout`: longer, and a
/// new connection is cheaper.
const SETTLE_WITHIN: Duration = Duration::from_secs(3);

impl LinkAge {
    /// A link that was opened just now.
    pub fn new(config: &PoolConfig) -> Self {
        let now = Instant::now();
        let lifetime = config
            .max_lifetime
            .map(|whole| whole.mul_f64(1.0 - config.max_lifetime_jitter * fastrand::f64()));
        LinkAge {
            expires_at: lifetime.and_then(|lifetime| now.checked_add(lifetime)),
            idle_since: now,
            owed_since: None,
            idle_timeout: config.idle_timeout,
            validate_after: config.validate_after,
            response_timeout: config.response_timeout,
        }
    }

    /// What time alone says of the link.
    pub fn glance(&self) -> Glance {
        let now = Instant::now();
        let idle = now.saturating_duration_since(self.idle_since);
        if self.expires_at.is_some_and(|end| now >= end)
            || self.idle_timeout.is_some_and(|limit| idle >= limit)
        {
            return Glance::Unfit(CloseReason::Expired);
        }
        if self.owed_since.is_some() {
            // The server has had its time already, even if no single caller waited for all of it.
            return if self.settle_within().is_zero() {
                Glance::Unfit(CloseReason::TimedOut)
            } else {
                Glance::Unsettled
            };
        }
        match self.validate_after {
            Some(limit) if idle >= limit => Glance::Unsettled,
            _ => Glance::Fit,
        }
    }

    /// Whether a reply is owed.
    pub fn owes(&self) -> bool {
        self.owed_since.is_some()
    }

    /// A reply is owed from now on, if none was before.
    pub fn owe(&mut self) {
        self.owed_since.get_or_insert_with(Instant::now);
    }

    /// How much time is left for what is owed.
    pub fn settle_within(&self) -> Duration {
        let whole = self.response_timeout.unwrap_or(SETTLE_WITHIN);
        match self.owed_since {
            Some(since) => whole.saturating_sub(since.elapsed()),
            None => whole,
        }
    }

    /// Everything owed was answered.
    pub fn settled(&mut self) {
        self.owed_since = None;
    }

    /// It is idle from now on.
    pub fn came_back(&mut self) {
        self.idle_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> PoolConfig {
        let mut config = PoolConfig::default();
        config.idle_timeout = None;
        config.max_lifetime = None;
        config.validate_after = None;
        config
    }

    #[test]
    fn a_reply_that_is_owed_for_too_long_condemns_whoever_waited() {
        let mut config = config();
        config.response_timeout = Some(Duration::from_nanos(1));
        let mut age = LinkAge::new(&config);
        assert_eq!(age.glance(), Glance::Fit);
        age.owe();
        std::hint::black_box(
            age.owed_since
                .map(|since| while since.elapsed().is_zero() {}),
        );
        assert_eq!(age.glance(), Glance::Unfit(CloseReason::TimedOut));
    }

    #[test]
    fn an_owed_reply_is_settled_before_the_link_is_fit_again() {
        let mut age = LinkAge::new(&config());
        age.owe();
        assert_eq!(age.glance(), Glance::Unsettled);
        age.settled();
        assert_eq!(age.glance(), Glance::Fit);
    }

    #[test]
    fn idle_time_and_lifetime_expire_a_link() {
        for set in [
            (|config: &mut PoolConfig| config.idle_timeout = Some(Duration::ZERO)) as fn(&mut _),
            |config: &mut PoolConfig| config.max_lifetime = Some(Duration::ZERO),
        ] {
            let mut config = config();
            set(&mut config);
            let age = LinkAge::new(&config);
            assert_eq!(age.glance(), Glance::Unfit(CloseReason::Expired));
        }
    }
}
