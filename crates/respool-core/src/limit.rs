use std::time::Duration;

/// A time limit, or none, in half the room of an `Option<Duration>`: whoever waits for a connection and
/// whoever has one keeps one.
#[derive(Clone, Copy)]
pub(crate) struct Limit(u64);

impl Limit {
    const NONE: Limit = Limit(u64::MAX);

    /// One of centuries is none.
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        let nanoseconds = limit.and_then(|limit| u64::try_from(limit.as_nanos()).ok());
        nanoseconds.map_or(Limit::NONE, Limit)
    }

    pub(crate) fn get(self) -> Option<Duration> {
        (self.0 != Limit::NONE.0).then(|| Duration::from_nanos(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_as_it_was_given_and_centuries_are_none() {
        for limit in [None, Some(Duration::ZERO), Some(Duration::new(5, 1))] {
            assert_eq!(Limit::new(limit).get(), limit);
        }
        assert_eq!(Limit::new(Some(Duration::MAX)).get(), None);
        assert_eq!(size_of::<Limit>(), 8);
    }
}
