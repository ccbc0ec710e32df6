use super::{Violation, violation};

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
