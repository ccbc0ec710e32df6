use std::time::Duration;

use crate::chance::chance;

/// The pause after the first failure; it doubles from there.
const FIRST: Duration = Duration::from_millis(20);
/// The longest pause. Short enough for work to go on within a second of a server's return
/// (LIFE-2), long enough for two attempts a second to be no storm.
const LONGEST: Duration = Duration::from_millis(500);

/// How long to wait before the next attempt to connect after `failures` in a row: exponential,
/// with half of it left to chance, so that many processes don't return as one.
pub fn pause(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let whole = LONGEST.min(FIRST * (1 << doublings));
    whole / 2 + whole.mul_f64(chance() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_within_bounds() {
        for failures in 1..100 {
            let pause = pause(failures);
            assert!(
                pause >= FIRST / 2 && pause <= LONGEST,
                "{failures}: {pause:?}"
            );
        }
        assert!(pause(1) <= FIRST);
        assert!(pause(20) >= LONGEST / 2);
    }
}
