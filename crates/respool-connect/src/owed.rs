use std::time::{Duration, Instant};

use respool_core::{CloseReason, PoolConfig};

use crate::Glance;

/// The replies that a link is owed, and for how long they may be.
#[derive(Debug)]
pub struct Owed {
    since: Option<Instant>,
    response_timeout: Option<Duration>,
}

/// How long an owed reply is waited for where the user set no `response_timeout`: longer, and a
/// new connection is cheaper.
const SETTLE_WITHIN: Duration = Duration::from_secs(3);

/// How long a reply may take whose time is up, but which seems to be there.
const A_MOMENT: Duration = Duration::from_millis(50);

impl Owed {
    /// Nothing is owed.
    pub fn nothing(config: &PoolConfig) -> Self {
        Owed {
            since: None,
            response_timeout: config.response_timeout,
        }
    }

    /// What this alone says of the link. `may_have_come`: whether something is there that nobody has
    /// read, or that can't be seen; then the server's silence may have been nobody's asking.
    pub fn glance(&self, may_have_come: bool) -> Glance {
        match self.since {
            None => Glance::Fit,
            // The server has had its time already, even if no single caller waited for all of it.
            Some(_) if !may_have_come && self.time_left().is_zero() => {
                Glance::Unfit(CloseReason::TimedOut)
            }
            Some(_) => Glance::Unsettled,
        }
    }

    /// Whether anything is.
    pub fn is_any(&self) -> bool {
        self.since.is_some()
    }

    /// A reply is owed from now on, if none was before.
    pub fn owe(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// How long to wait for what is owed: for as much time as is left, and at least for a moment.
    pub fn settle_within(&self) -> Duration {
        self.time_left().max(A_MOMENT)
    }

    fn time_left(&self) -> Duration {
        let whole = self.response_timeout.unwrap_or(SETTLE_WITHIN);
        match self.since {
            Some(since) => whole.saturating_sub(since.elapsed()),
            None => whole,
        }
    }

    /// Everything owed was answered.
    pub fn settled(&mut self) {
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_that_is_owed_for_too_long_condemns_whoever_waited() {
        let mut config = PoolConfig::default();
        config.response_timeout = Some(Duration::from_nanos(1));
        let mut owed = Owed::nothing(&config);
        assert_eq!(owed.glance(false), Glance::Fit);
        owed.owe();
        std::hint::black_box(owed.since.map(|since| while since.elapsed().is_zero() {}));
        assert_eq!(owed.glance(false), Glance::Unfit(CloseReason::TimedOut));
        assert_eq!(owed.glance(true), Glance::Unsettled);
    }

    #[test]
    fn an_owed_reply_is_settled_before_the_link_is_fit_again() {
        let mut owed = Owed::nothing(&PoolConfig::default());
        owed.owe();
        assert_eq!(owed.glance(false), Glance::Unsettled);
        owed.settled();
        assert_eq!(owed.glance(false), Glance::Fit);
    }
}
