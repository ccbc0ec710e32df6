mod line;

use std::fmt;

use line::Line;

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

/// Follows bytes through the frames of RESP2 and RESP3: far enough to count them, to know whether a
/// large one is arriving, and to stop what is malformed or without bounds before it reaches a parser
/// (CMD-5). Requests have the form of replies: they are arrays of strings.
///
/// Strings are skipped, not read; nothing is copied. It allocates only for collections, once.
#[derive(Debug)]
pub struct Frames {
    /// Collections under way, the outermost first.
    open: Vec<Collection>,
    place: Place,
    /// Bytes of the current frame that have arrived.
    arrived: u64,
    /// The type of the current frame.
    kind: u8,
    word: Word,
    /// The current frame has just ended.
    has_ended: bool,
    longest_line: u64,
}

/// A frame that has arrived whole.
pub(crate) struct Frame<'a> {
    /// Its type.
    pub(crate) kind: u8,
    word: &'a [u8],
}

/// Where a frame has ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// How many bytes belonged to it.
    pub used: usize,
    /// Its type.
    pub kind: u8,
    /// Whether it is the server's word for a subscription.
    pub subscribes: bool,
}

impl Frame<'_> {
    /// Whether it is SUBSCRIBE in one of its forms, or UNSUBSCRIBE, or the server's word for it.
    pub(crate) fn subscribes(&self) -> bool {
        self.word_ends_with(b"subscribe")
    }

    /// Whether it is a request after which the server sends what no request asked for.
    pub(crate) fn opens_the_gates(&self) -> bool {
        self.subscribes() || self.word_ends_with(b"monitor") || self.word_ends_with(b"sync")
    }

    fn word_ends_with(&self, end: &[u8]) -> bool {
        let start = self.word.len().checked_sub(end.len());
        start.is_some_and(|start| self.word[start..].eq_ignore_ascii_case(end))
    }
}

/// The first word of a collection at the top, as far as there is room.
#[derive(Debug, Default)]
struct Word {
    bytes: [u8; 16],
    length: usize,
    is_over: bool,
}

impl Word {
    fn add(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(self.bytes.len() - self.length);
        self.bytes[self.length..][..kept].copy_from_slice(&bytes[..kept]);
        self.length += kept;
    }
}

/// What is malformed, in words to follow "protocol error: ".
#[derive(Debug, PartialEq, Eq)]
pub struct Violation(String);

impl Violation {
    /// A reply, in a place where none is due.
    pub fn unasked() -> Self {
        Violation("a reply that nobody asked for".to_owned())
    }

    /// More messages than anybody reads.
    pub fn too_many_messages() -> Self {
        Violation("more pushed messages than were read".to_owned())
    }

    /// Well formed, but `error` says that it makes no sense.
    pub fn not_understood(error: &redis::RedisError) -> Self {
        Violation(error.to_string())
    }
}

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

impl Frames {
    /// At the beginning of a frame.
    pub fn new() -> Self {
        Frames {
            open: Vec::new(),
            place: Place::Start,
            arrived: 0,
            kind: 0,
            word: Word::default(),
            has_ended: false,
            longest_line: LONGEST_LINE,
        }
    }

    /// Goes on with `bytes`, and tells `ended` of each frame that ends in them. After a violation
    /// nothing is to be made of the rest.
    ///
    /// # Errors
    ///
    /// What is wrong, with how many of the bytes belong to frames that had ended before.
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        mut ended: impl FnMut(Frame<'_>) -> Result<(), Violation>,
    ) -> Result<(), (Violation, usize)> {
        let (mut next, mut good) = (0, 0);
        while next < bytes.len() {
            let used = self.step(&bytes[next..]);
            next += used.map_err(|violation| (violation, good))?;
            if std::mem::replace(&mut self.has_ended, false) {
                self.arrived = 0;
                let frame = Frame {
                    kind: self.kind,
                    word: &self.word.bytes[..self.word.length],
                };
                ended(frame).map_err(|violation| (violation, good))?;
                good = next;
            }
        }
        Ok(())
    }

    /// Goes on with `bytes` up to the end of the first frame that ends in them; `None` when all of
    /// them were taken and none did.
    ///
    /// # Errors
    ///
    /// What is wrong. Nothing is to be made of the rest.
    pub fn next(&mut self, bytes: &[u8]) -> Result<Option<Ended>, Violation> {
        let mut used = 0;
        while used < bytes.len() {
            used += self.step(&bytes[used..])?;
            if std::mem::replace(&mut self.has_ended, false) {
                self.arrived = 0;
                let frame = Frame {
                    kind: self.kind,
                    word: &self.word.bytes[..self.word.length],
                };
                return Ok(Some(Ended {
                    used,
                    kind: frame.kind,
                    subscribes: frame.subscribes(),
                }));
            }
        }
        Ok(None)
    }

    /// Takes one byte, or as much of a line or string as is there; says how much that was.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        let used = match &self.place {
            Place::Start => self.read_type(bytes[0])?,
            Place::Line(_) => self.read_line(bytes)?,
            Place::Text(left) => self.skip(bytes, *left),
            Place::TextEnd { seen_cr } => self.read_text_end(bytes[0], *seen_cr)?,
        };
        self.arrived += used as u64;
        match self.arrived > LONGEST_REPLY {
            true => violation(format_args!("a reply of more than {LONGEST_REPLY} bytes")),
            false => Ok(used),
        }
    }

    /// Whether a reply has begun to arrive that is large, or has turned out to be.
    pub fn is_large(&self) -> bool {
        let announced = match self.place {
            Place::Text(left) => left,
            _ => 0,
        };
        self.arrived.saturating_add(announced) > LARGE
    }

    /// Takes lines of any length from now on: MONITOR writes whole commands into them.
    pub fn allow_long_lines(&mut self) {
        self.longest_line = LONGEST_STRING;
    }

    /// Whether a frame has begun and not ended.
    pub fn is_within(&self) -> bool {
        self.arrived > 0
    }

    fn is_at_first_word(&self) -> bool {
        self.open.len() == 1 && !self.word.is_over
    }

    fn read_type(&mut self, kind: u8) -> Result<usize, Violation> {
        if !b"+-:$*_#,(!=%~>|".contains(&kind) {
            return violation(format_args!(
                "a reply begins with {:?}, which is no type",
                char::from(kind)
            ));
        }
        if self.open.is_empty() {
            self.kind = kind;
            self.word.length = 0;
            self.word.is_over = false;
        }
        self.place = Place::Line(Line::of(kind));
        Ok(1)
    }

    fn read_line(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        let is_at_first_word = self.is_at_first_word();
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
            if is_at_first_word && line.kind == b'+' && !line.seen_cr {
                self.word.add(&[byte]);
            }
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
        if kind == b'>' && (!self.open.is_empty() || elements == 0) {
            return violation("a pushed message that is empty, or stands inside a reply");
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
        if self.is_at_first_word() {
            self.word.add(&bytes[..used]);
        }
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
                self.word.is_over = true;
                return;
            }
            let is_attribute = collection.is_attribute;
            self.open.pop();
            if is_attribute {
                return;
            }
        }
        self.has_ended = true;
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
        let mut replies = Frames::new();
        let mut said = Vec::new();
        for bytes in reads {
            replies.read(bytes, |_| Ok(())).unwrap();
            said.push(replies.is_large());
        }
        said
    }

    fn complaint(bytes: &[u8]) -> String {
        match Frames::new().read(bytes, |_| Ok(())) {
            Ok(()) => panic!("{:?} passes", String::from_utf8_lossy(bytes)),
            Err((violation, _)) => violation.to_string(),
        }
    }

    /// The types of the frames that end in `reads`.
    fn kinds(frames: &mut Frames, reads: [&[u8]; 2]) -> String {
        let mut kinds = String::new();
        for bytes in reads {
            let read = frames.read(bytes, |frame| {
                kinds.push(char::from(frame.kind));
                Ok(())
            });
            assert_eq!(read, Ok(()), "{:?}", String::from_utf8_lossy(bytes));
        }
        kinds
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

    /// What is well formed, with the types of its frames.
    const WELL_FORMED: &[(&str, &str)] = &[
        ("+OK\r\n", "+"),
        ("+\r\n", "+"),
        ("+a\rb\nc\r\r\n", "+"),
        ("-ERR no 12 such - thing\r\n", "-"),
        (":-12\r\n", ":"),
        (":+12\r\n", ":"),
        ("$-1\r\n", "$"),
        ("$0\r\n\r\n", "$"),
        ("$4\r\n\r\n\r\n\r\n", "$"),
        ("*-1\r\n", "*"),
        ("*0\r\n", "*"),
        ("*2\r\n*1\r\n:1\r\n$1\r\na\r\n", "*"),
        ("*2\r\n*0\r\n*-1\r\n", "*"),
        ("%1\r\n+key\r\n*2\r\n_\r\n#t\r\n", "%"),
        ("~1\r\n,1.5e-3\r\n", "~"),
        (",inf\r\n,-inf\r\n,nan\r\n", ",,,"),
        (">2\r\n+message\r\n(123\r\n", ">"),
        (">2\r\n+a\r\n*1\r\n:1\r\n+OK\r\n", ">+"),
        ("(-123456789012345678901234567890\r\n", "("),
        ("=7\r\ntxt:abc\r\n", "="),
        ("!5\r\nERR x\r\n", "!"),
        ("|1\r\n+key\r\n+value\r\n:1\r\n", ":"),
        ("*1\r\n|1\r\n+key\r\n+value\r\n:1\r\n", "*"),
        ("|0\r\n:1\r\n", ":"),
    ];

    #[test]
    fn frames_are_counted_wherever_a_read_ends() {
        for (text, expected) in WELL_FORMED {
            for split in 0..text.len() {
                let (start, end) = text.as_bytes().split_at(split);
                let mut frames = Frames::new();
                assert_eq!(
                    kinds(&mut frames, [start, end]),
                    *expected,
                    "{text:?} at {split}"
                );
                assert!(!frames.is_within(), "{text:?} at {split}");
                assert_eq!(kinds(&mut frames, [b"$70000\r\n", b""]), "");
                assert!(frames.is_large(), "after {text:?}");
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
                let mut frames = Frames::new();
                let refused = frames.read(start, |_| Ok(())).is_err()
                    || frames.read(end, |_| Ok(())).is_err();
                assert!(refused, "{text:?} passes, split at {split}");
            }
        }
    }

    #[test]
    fn nesting_lines_and_replies_have_bounds() {
        assert!(complaint(&b"*1\r\n".repeat(100_000)).contains("in each other"));
        assert!(complaint(&b"|1\r\n".repeat(100_000)).contains("in each other"));
        let deep = [&b"*1\r\n".repeat(DEEPEST)[..], b":1\r\n"].concat();
        assert_eq!(kinds(&mut Frames::new(), [&deep, b""]), "*");
        let line = [b"+", &*vec![b'a'; 2 << 20]].concat();
        assert!(complaint(&line).contains("a line of more than"));
        let mut monitor = Frames::new();
        monitor.allow_long_lines();
        assert_eq!(monitor.read(&line, |_| Ok(())), Ok(()));

        let mut endless = Frames::new();
        endless.read(b"*134217728\r\n", |_| Ok(())).unwrap();
        let element = [b"$1048576\r\n", &*vec![b'x'; 1 << 20], b"\r\n"].concat();
        let taken = (0..10_000)
            .take_while(|_| endless.read(&element, |_| Ok(())).is_ok())
            .count();
        assert!((4_000..4_100).contains(&taken), "{taken} MiB");
    }

    #[test]
    fn the_first_word_tells_what_a_frame_is_about() {
        for (text, subscribes, opens) in [
            ("*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n", true, true),
            ("*2\r\n$12\r\npunsubscribe\r\n$1\r\nc\r\n", true, true),
            (">3\r\n+subscribe\r\n+c\r\n:1\r\n", true, true),
            ("*1\r\n$7\r\nMONITOR\r\n", false, true),
            ("*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n", false, true),
            ("*2\r\n$3\r\nGET\r\n$9\r\nsubscribe\r\n", false, false),
            ("*2\r\n*1\r\n+a\r\n+subscribe\r\n", false, false),
            (">2\r\n+invalidate\r\n*1\r\n+subscribe\r\n", false, false),
            ("$9\r\nsubscribe\r\n", false, false),
            ("*0\r\n", false, false),
        ] {
            for split in 0..text.len() {
                let (start, end) = text.as_bytes().split_at(split);
                let mut frames = Frames::new();
                let mut said = None;
                for bytes in [start, end] {
                    let read = frames.read(bytes, |frame| {
                        said = Some((frame.subscribes(), frame.opens_the_gates()));
                        Ok(())
                    });
                    assert_eq!(read, Ok(()));
                }
                assert_eq!(said, Some((subscribes, opens)), "{text:?} at {split}");
            }
        }
    }

    #[test]
    fn what_was_good_before_a_violation_is_told() {
        let read = Frames::new().read(b"+OK\r\n:1\r\n$-5\r\n", |_| Ok(()));
        assert_eq!(read.unwrap_err().1, 9);
        let refused = Frames::new().read(b"+OK\r\n+OK\r\n", |_| Err(Violation::unasked()));
        assert_eq!(refused, Err((Violation::unasked(), 0)));
    }
}
