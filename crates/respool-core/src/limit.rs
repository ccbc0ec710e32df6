use std::time::Duration;

/// A time limit, or none, in five bytes: whoever waits for a connection keeps one, and whoever has one,
/// and there may be many.
///
/// It counts whole microseconds, and rounds up. One of more than twelve days is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit([u8; 5]);

impl Limit {
    const NONE: Limit = Limit([u8::MAX; 5]);

    /// Not a limit: stands for the one among a pool's settings.
    pub(crate) const AS_SET: Limit = Limit([u8::MAX - 1, u8::MAX, u8::MAX, u8::MAX, u8::MAX]);

    pub(crate) fn new(limit: Option<Duration>) -> Self {
        let microseconds = limit.map(|limit| limit.as_nanos().div_ceil(1_000));
        let microseconds = microseconds.and_then(|it| u64::try_from(it).ok());
        match microseconds.map(u64::to_le_bytes) {
            Some([a, b, c, d, e, 0, 0, 0]) if e < u8::MAX => Limit([a, b, c, d, e]),
            _ => Limit::NONE,
        }
    }

    pub(crate) fn get(self) -> Option<Duration> {
        let Limit([a, b, c, d, e]) = self;
        let microseconds = u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]);
        (self != Limit::NONE).then(|| Duration::from_micros(microseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_as_it_was_given() {
        let (short, long) = (Duration::from_micros(1), Duration::from_secs(1_000_000));
        for limit in [None, Some(Duration::ZERO), Some(short), Some(long)] {
            assert_eq!(Limit::new(limit).get(), limit);
        }
    }

    #[test]
    fn it_is_never_shorter_and_weeks_are_none() {
        let odd = Limit::new(Some(Duration::from_nanos(1_001)));
        assert_eq!(odd.get(), Some(Duration::from_micros(2)));
        assert_eq!(Limit::new(Some(Duration::MAX)).get(), None);
        let weeks = Duration::from_secs(14 * 24 * 60 * 60);
        assert_eq!(Limit::new(Some(weeks)).get(), None);
    }
}
