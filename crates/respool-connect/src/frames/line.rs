use super::{Violation, violation};

/// The most bytes of a line that is taken in one go. A number of so many digits is within all bounds.
const SHORT: usize = 18;

/// The line that introduces an element, or is all of it, as far as it has arrived.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) kind: u8,
    /// Bytes after the type.
    pub(super) length: u64,
    pub(super) is_negative: bool,
    pub(super) digits: u64,
    pub(super) number: u64,
    pub(super) seen_cr: bool,
}

impl Line {
    pub(super) fn of(kind: u8) -> Self {
        Line {
            kind,
            length: 0,
            is_negative: false,
            digits: 0,
            number: 0,
            seen_cr: false,
        }
    }

    /// The whole line, if `bytes` begin with one that is short and plain: with the digits of a count,
    /// a length or an integer, or with text, and then the line end, which isn't counted.
    ///
    /// All other lines are taken byte by byte. This one spares most replies that.
    pub(super) fn short(kind: u8, bytes: &[u8]) -> Option<Self> {
        let is_text = match kind {
            b'+' | b'-' => true,
            b':' | b'$' | b'*' | b'%' | b'~' | b'>' => false,
            _ => return None,
        };
        let mut number = 0;
        for (index, &byte) in bytes.iter().enumerate().take(SHORT + 1) {
            match byte {
                b'\r' if bytes.get(index + 1) != Some(&b'\n') => return None,
                b'\r' if index == 0 && !is_text => return None,
                b'\r' => {
                    let length = index as u64;
                    return Some(Line {
                        length,
                        digits: length,
                        number,
                        ..Line::of(kind)
                    });
                }
                _ if is_text => {}
                b'0'..=b'9' => number = number * 10 + u64::from(byte - b'0'),
                _ => return None,
            }
        }
        None
    }

    pub(super) fn add(&mut self, byte: u8) -> Result<(), Violation> {
        self.length += 1;
        let is_text = matches!(self.kind, b'+' | b'-');
        if byte == b'\r' {
            self.seen_cr = true;
            return Ok(());
        }
        if std::mem::replace(&mut self.seen_cr, false) && !is_text {
            return violation("a line that does not end as lines do");
        }
        let is_first = self.length == 1;
        let fits = match self.kind {
            b'+' | b'-' => true,
            b'#' => is_first && matches!(byte, b't' | b'f'),
            b'_' => false,
            // What Rust, C and Redis write for numbers, infinities and "not a number".
            b',' => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'),
            _ if byte.is_ascii_digit() => self.add_digit(byte),
            _ => is_first && self.add_sign(byte),
        };
        match fits {
            true => Ok(()),
            false => violation(format_args!(
                "{:?} after {:?}, where a {} was to come",
                char::from(byte),
                char::from(self.kind),
                match self.kind {
                    b':' | b'(' | b',' => "number",
                    b'#' => "truth value",
                    b'_' => "line end",
                    _ => "length",
                }
            )),
        }
    }

    /// False when the number is beyond all that there can be.
    fn add_digit(&mut self, digit: u8) -> bool {
        self.digits += 1;
        if self.kind == b'(' {
            return true;
        }
        let digit = u64::from(digit - b'0');
        let number = self.number.checked_mul(10);
        match number.and_then(|number| number.checked_add(digit)) {
            Some(number) => self.number = number,
            None => return false,
        }
        true
    }

    fn add_sign(&mut self, sign: u8) -> bool {
        self.is_negative = sign == b'-';
        match sign {
            b'-' => true,
            b'+' => matches!(self.kind, b':' | b'('),
            _ => false,
        }
    }

    pub(super) fn count(&self, what: &str, most: u64) -> Result<u64, Violation> {
        match self.number {
            _ if self.digits == 0 => violation(format_args!("a {what} without digits")),
            number if self.is_negative => violation(format_args!("a {what} of -{number}")),
            number if number > most => violation(format_args!(
                "a {what} of {number}, which is more than {most}"
            )),
            number => Ok(number),
        }
    }
}
