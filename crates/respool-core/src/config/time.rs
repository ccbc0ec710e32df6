//! Times as settings write them and errors show them: `500ms`, `5s`, `1m 30s`.

use std::fmt;
use std::time::Duration;

/// Each unit in nanoseconds, the largest first; the first of its names is the one that is shown.
const UNITS: [(u64, &[&str]); 10] = [
    (31_557_600_000_000_000, &["y", "yr", "yrs", "year", "years"]),
    (2_630_016_000_000_000, &["M", "month", "months"]),
    (604_800_000_000_000, &["w", "wk", "wks", "week", "weeks"]),
    (86_400_000_000_000, &["d", "day", "days"]),
    (3_600_000_000_000, &["h", "hr", "hrs", "hour", "hours"]),
    (60_000_000_000, &["m", "min", "mins", "minute", "minutes"]),
    (1_000_000_000, &["s", "sec", "secs", "second", "seconds"]),
    (1_000_000, &["ms", "msec", "millis"]),
    (1_000, &["us", "usec", "µs"]),
    (1, &["ns", "nsec", "nanos"]),
];

/// The sum of numbers with their units, with or without spaces. Zero needs no unit.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut whole: Option<Duration> = None;
    while !rest.is_empty() {
        let digits = end_of(rest, |letter| letter.is_ascii_digit() || letter == '.');
        let number: f64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = end_of(rest, |letter| letter.is_alphabetic());
        let (unit, _) = UNITS
            .iter()
            .find(|(_, names)| names.contains(&&rest[..letters]))?;
        let part = Duration::try_from_secs_f64(number * (*unit as f64) / 1e9).ok()?;
        whole = Some(whole.unwrap_or_default().checked_add(part)?);
        rest = rest[letters..].trim_start();
    }
    whole
}

fn end_of(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|letter| !belongs(letter)).unwrap_or(text.len())
}

/// A time in the form that [`parse`] reads.
pub(crate) struct Written(pub(crate) Duration);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0s");
        }
        let mut space = "";
        for (unit, names) in UNITS {
            let number = rest / unit;
            if number > 0 {
                write!(f, "{space}{number}{}", names[0])?;
                space = " ";
            }
            rest %= unit;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_add_up() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("5s", 5_000),
            (" 1m 30s ", 90_000),
            ("1m30s", 90_000),
            ("2 hours", 7_200_000),
            ("1week 1day", 691_200_000),
            ("1.5s 0.5ms 500µs", 1_501),
            ("0s", 0),
            ("0", 0),
        ] {
            assert_eq!(
                parse(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_has_no_unit_or_no_number_is_no_time() {
        for text in ["", "5", "s", "5x", "5s 3", "-5s", "1,5s", "99999999999999y"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (time, text) in [
            (Duration::ZERO, "0s"),
            (Duration::from_millis(1_500), "1s 500ms"),
            (Duration::from_secs(694_861), "1w 1d 1h 1m 1s"),
            (Duration::from_nanos(1_001), "1us 1ns"),
        ] {
            assert_eq!(Written(time).to_string(), text);
            assert_eq!(parse(text), Some(time));
        }
    }
}
