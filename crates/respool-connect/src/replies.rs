use std::fmt;

/// Replies of more bytes than this hold up others for long enough to send these elsewhere: at a
/// gigabit a second it takes half a millisecond, several times a round trip.
const LARGE: u64 = 64 * 1024;

/// The longest string: Redis's own `proto-max-bulk-len` unless its server was told otherwise
/// (<https://redis.io/docs/latest/operate/oss_and_stack/management/config-file/>).
const LONGEST_STRING: u64 = 512 << 20;

/// The most elements of a collection: more would be beyond the longest string even if each took the
/// four bytes of the shortest element.
const MOST_ELEMENTS: u64 = LONGEST_STRING / 4;

/// The most bytes of a whole reply.
const LONGEST_REPLY: u64 = 4 << 30;

/// The longest simple string or error. Redis limits what it reads as a line to 64 KiB; what it
/// writes stays far below, but for MONITOR.
const LONGEST_LINE: u64 = 1 << 20;

/// How deep collections may stand in each other: where the redis crate gives up, too.
const DEEPEST: usize = 100;

/// Follows what a server sends through the frames of RESP2 and RESP3: far enough to count replies, to
/// know whether a large one is arriving, and to stop what is malformed or without bounds before it
/// reaches a parser (CMD-5).
///
/// Strings are skipped, not read; nothing is copied. It allocates only for collections.
#[derive(Debug)]
pub(crate) struct Replies {
    /// Collections under way, the outermost first.
    open: Vec<Collection>,
    place: Place,
    /// Bytes of the current reply that have arrived.
    arrived: u64,
    /// Whether the current reply is a message that the server pushes.
    is_push: bool,
    answered: u64,
    longest_line: u64,
}

/// What is malformed, in words that end "protocol error: ".
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation(String);

#[derive(Debug)]
struct Collection {
    /// Elements that have not arrived.
    missing: u64,
    /// It stands before the element that it belongs to, and is none itself.
    is_attribute: bool,
}

#[derive(Debug)]
enum Place {
    /// Before the byte that tells an element's type.
    Start,
    /// In the line that introduces an element, or is all of it.
    Line(Line),
    /// In a string, so many bytes before its end.
    Text(u64),
    /// In the line end after a string.
    TextEnd { seen_cr: bool },
}

#[derive(Debug)]
struct Line {
    kind: u8,
    /// Bytes after the type.
    length: u64,
    is_negative: bool,
    digits: u64,
    number: u64,
    seen_cr: bool,
}

impl Replies {
    pub(crate) fn new() -> Self {
        Replies {
            open: Vec::new(),
            place: Place::Start,
            arrived: 0,
            is_push: false,
            answered: 0,
            longest_line: LONGEST_LINE,
        }
    }

    /// What the server has sent next. After a violation nothing is to be made of the rest.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while !bytes.is_empty() {
            let used = match &self.place {
                Place::Start => self.read_type(bytes[0])?,
                Place::Line(_) => self.read_line(bytes)?,
                Place::Text(left) => self.skip(bytes, *left),
                Place::TextEnd { seen_cr } => self.read_text_end(bytes[0], *seen_cr)?,
            };
            self.arrived += used as u64;
            if self.arrived > LONGEST_REPLY {
                return violation(format_args!("a reply of more than {LONGEST_REPLY} bytes"));
            }
            bytes = &bytes[used..];
            if self.is_between_replies() {
                self.arrived = 0;
            }
        }
        Ok(())
    }

    /// How many replies have arrived whole; what the server pushed is none.
    pub(crate) fn answered(&self) -> u64 {
        self.answered
    }

    /// Whether a reply has begun to arrive that is large, or has turned out to be.
    pub(crate) fn is_large(&self) -> bool {
        let announced = match self.place {
            Place::Text(left) => left,
            _ => 0,
        };
        self.arrived.saturating_add(announced) > LARGE
    }

    /// Takes lines of any length from now on: MONITOR writes whole commands into them.
    pub(crate) fn allow_long_lines(&mut self) {
        self.longest_line = LONGEST_STRING;
    }

    fn is_between_replies(&self) -> bool {
        self.open.is_empty() && matches!(self.place, Place::Start)
    }

    fn read_type(&mut self, kind: u8) -> Result<usize, Violation> {
        if !b"+-:$*_#,(!=%~>|".contains(&kind) {
            return violation(format_args!(
                "a reply begins with {:?}, which is no type",
                char::from(kind)
            ));
        }
        self.place = Place::Line(Line {
            kind,
            length: 0,
            is_negative: false,
            digits: 0,
            number: 0,
            seen_cr: false,
        });
        Ok(1)
    }

    fn read_line(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        let Place::Line(line) = &mut self.place else {
            return Ok(0);
        };
        for (index, &byte) in bytes.iter().enumerate() {
            if line.seen_cr && byte == b'\n' {
                let line = std::mem::replace(&mut self.place, Place::Start);
                if let Place::Line(line) = line {
                    self.end_line(&line)?;
                }
                return Ok(index + 1);
            }
            line.add(byte)?;
            if line.length > self.longest_line {
                return violation(format_args!(
                    "a line of more than {} bytes",
                    self.longest_line
                ));
            }
        }
        Ok(bytes.len())
    }

    fn end_line(&mut self, line: &Line) -> Result<(), Violation> {
        let is_null = line.is_negative && line.number == 1 && matches!(line.kind, b'$' | b'*');
        match line.kind {
            _ if is_null => self.end_element(),
            b'$' | b'!' | b'=' => {
                let length = line.count("length", LONGEST_STRING)?;
                self.place = match length {
                    0 => Place::TextEnd { seen_cr: false },
                    length => Place::Text(length),
                };
            }
            b'*' | b'~' | b'>' => {
                let count = line.count("number of elements", MOST_ELEMENTS)?;
                self.begin_collection(line.kind, count)?;
            }
            b'%' | b'|' => {
                let count = line.count("number of pairs", MOST_ELEMENTS / 2)?;
                self.begin_collection(line.kind, count * 2)?;
            }
            b':' | b'(' if line.digits == 0 => return violation("a number without digits"),
            _ => self.end_element(),
        }
        Ok(())
    }

    fn begin_collection(&mut self, kind: u8, elements: u64) -> Result<(), Violation> {
        if self.open.len() >= DEEPEST {
            return violation(format_args!(
                "more than {DEEPEST} collections in each other"
            ));
        }
        if kind == b'>' {
            if !self.open.is_empty() || elements == 0 {
                return violation("a pushed message that is empty, or stands inside a reply");
            }
            self.is_push = true;
        }
        let is_attribute = kind == b'|';
        match elements {
            0 if is_attribute => {}
            0 => self.end_element(),
            missing => self.open.push(Collection {
                missing,
                is_attribute,
            }),
        }
        Ok(())
    }

    fn skip(&mut self, bytes: &[u8], left: u64) -> usize {
        let used = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.place = match left - used as u64 {
            0 => Place::TextEnd { seen_cr: false },
            left => Place::Text(left),
        };
        used
    }

    fn read_text_end(&mut self, byte: u8, seen_cr: bool) -> Result<usize, Violation> {
        match (seen_cr, byte) {
            (false, b'\r') => self.place = Place::TextEnd { seen_cr: true },
            (true, b'\n') => {
                self.place = Place::Start;
                self.end_element();
            }
            _ => return violation("a string without a line end after it"),
        }
        Ok(1)
    }

    fn end_element(&mut self) {
        while let Some(collection) = self.open.last_mut() {
            collection.missing -= 1;
            if collection.missing > 0 {
                return;
            }
            let is_attribute = collection.is_attribute;
            self.open.pop();
            if is_attribute {
                return;
            }
        }
        if !std::mem::replace(&mut self.is_push, false) {
            self.answered += 1;
        }
    }
}

impl Line {
    fn add(&mut self, byte: u8) -> Result<(), Violation> {
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

    fn count(&self, what: &str, most: u64) -> Result<u64, Violation> {
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

fn violation<T>(what: impl fmt::Display) -> Result<T, Violation> {
    Err(Violation(what.to_string()))
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it says after each of `reads`: whether a large reply is arriving.
    fn says_large(reads: &[&[u8]]) -> Vec<bool> {
        let mut replies = Replies::new();
        let mut said = Vec::new();
        for bytes in reads {
            replies.read(bytes).unwrap();
            said.push(replies.is_large());
        }
        said
    }

    fn complaint(bytes: &[u8]) -> String {
        match Replies::new().read(bytes) {
            Ok(()) => panic!("{:?} passes", String::from_utf8_lossy(bytes)),
            Err(violation) => violation.to_string(),
        }
    }

    #[test]
    fn a_large_string_is_known_by_its_first_line_until_its_last_byte() {
        let text = vec![b'x'; 100_000];
        let reads: [&[u8]; 6] = [
            b"$1000",
            b"00\r\n",
            &text[..99_999],
            b"x",
            b"\r\n",
            b"+OK\r\n",
        ];
        assert_eq!(says_large(&reads), [false, true, true, true, false, false]);
    }

    #[test]
    fn many_small_elements_are_known_once_they_have_come_to_much() {
        let element = [b"$1000\r\n", &*vec![b'x'; 1_000], b"\r\n"].concat();
        let half = element.repeat(60);
        let reads: [&[u8]; 5] = [b"*121\r\n", &half, &half, &element, b":1\r\n"];
        assert_eq!(says_large(&reads), [false, false, true, false, false]);
    }

    #[test]
    fn a_large_reply_may_end_and_another_begin_in_one_read() {
        let whole = [b"$70000\r\n", &*vec![b'x'; 70_000], b"\r\n"].concat();
        let and_more = [&whole[..], b"$70000\r\nx"].concat();
        assert_eq!(says_large(&[&whole, &and_more]), [false, true]);
    }

    /// Replies with how many of them count.
    const WELL_FORMED: &[(&str, u64)] = &[
        ("+OK\r\n", 1),
        ("+\r\n", 1),
        ("+a\rb\nc\r\r\n", 1),
        ("-ERR no 12 such - thing\r\n", 1),
        (":-12\r\n", 1),
        (":+12\r\n", 1),
        ("$-1\r\n", 1),
        ("$0\r\n\r\n", 1),
        ("$4\r\n\r\n\r\n\r\n", 1),
        ("*-1\r\n", 1),
        ("*0\r\n", 1),
        ("*2\r\n*1\r\n:1\r\n$1\r\na\r\n", 1),
        ("*2\r\n*0\r\n*-1\r\n", 1),
        ("%1\r\n+key\r\n*2\r\n_\r\n#t\r\n", 1),
        ("~1\r\n,1.5e-3\r\n", 1),
        (",inf\r\n,-inf\r\n,nan\r\n", 3),
        (">2\r\n+message\r\n(123\r\n", 0),
        (">2\r\n+a\r\n*1\r\n:1\r\n+OK\r\n", 1),
        ("(-123456789012345678901234567890\r\n", 1),
        ("=7\r\ntxt:abc\r\n", 1),
        ("!5\r\nERR x\r\n", 1),
        ("|1\r\n+key\r\n+value\r\n:1\r\n", 1),
        ("*1\r\n|1\r\n+key\r\n+value\r\n:1\r\n", 1),
        ("|0\r\n:1\r\n", 1),
    ];

    #[test]
    fn replies_are_counted_wherever_a_read_ends() {
        for (text, count) in WELL_FORMED {
            for split in 0..text.len() {
                let (start, end) = text.as_bytes().split_at(split);
                let mut replies = Replies::new();
                replies.read(start).unwrap();
                replies.read(end).unwrap();
                assert_eq!(replies.answered(), *count, "{text:?} at {split}");
                assert!(replies.is_between_replies(), "{text:?} at {split}");
                replies.read(b"$70000\r\n").unwrap();
                assert!(replies.is_large(), "after {text:?}");
            }
        }
    }

    #[test]
    fn what_is_malformed_is_refused_wherever_a_read_ends() {
        for (text, words) in [
            ("HTTP/1.1 400 Bad Request\r\n", "begins with 'H'"),
            ("\r\n", "no type"),
            ("$-5\r\n", "length of -5"),
            ("*-2\r\n", "elements of -2"),
            ("%-1\r\n", "pairs of -1"),
            ("=-1\r\n", "length of -1"),
            ("$9999999999\r\n", "more than 536870912"),
            ("$99999999999999999999\r\n", "length"),
            ("*9999999999\r\n", "more than 134217728"),
            ("%9999999999\r\n", "more than 67108864"),
            ("$\r\n", "without digits"),
            ("*\r\n", "without digits"),
            (":\r\n", "without digits"),
            (":12a\r\n", "'a' after ':'"),
            (":--1\r\n", "'-' after ':'"),
            ("$1x\r\n", "'x' after '$'"),
            ("$+1\r\n", "'+' after '$'"),
            ("$?\r\n", "'?' after '$'"),
            ("$1\n", "'\\n' after '$'"),
            ("$1\r\rx", "does not end"),
            ("$1\r\nab\r\n", "without a line end"),
            ("$1\r\na\rb", "without a line end"),
            ("#x\r\n", "truth value"),
            ("_x\r\n", "line end"),
            (",1 2\r\n", "number"),
            (">0\r\n", "pushed"),
            ("*1\r\n>1\r\n+a\r\n", "pushed"),
            ("*1\r\nx", "begins with 'x'"),
        ] {
            assert!(
                complaint(text.as_bytes()).contains(words),
                "{text:?}: {}",
                complaint(text.as_bytes())
            );
            for split in 1..text.len() {
                let (start, end) = text.as_bytes().split_at(split);
                let mut replies = Replies::new();
                let refused = replies
                    .read(start)
                    .and_then(|()| replies.read(end))
                    .is_err();
                assert!(refused, "{text:?} passes, split at {split}");
            }
        }
    }

    #[test]
    fn nesting_lines_and_replies_have_bounds() {
        assert!(complaint(&b"*1\r\n".repeat(100_000)).contains("in each other"));
        assert!(complaint(&b"|1\r\n".repeat(100_000)).contains("in each other"));
        let deep = [&b"*1\r\n".repeat(DEEPEST)[..], b":1\r\n"].concat();
        assert_eq!(Replies::new().read(&deep), Ok(()));
        let line = [b"+", &*vec![b'a'; 2 << 20]].concat();
        assert!(complaint(&line).contains("a line of more than"));
        let mut monitor = Replies::new();
        monitor.allow_long_lines();
        assert_eq!(monitor.read(&line), Ok(()));

        let mut endless = Replies::new();
        endless.read(b"*134217728\r\n").unwrap();
        let element = [b"$1048576\r\n", &*vec![b'x'; 1 << 20], b"\r\n"].concat();
        let taken = (0..10_000)
            .take_while(|_| endless.read(&element).is_ok())
            .count();
        assert!((4_000..4_100).contains(&taken), "{taken} MiB");
    }
}
