mod line;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::{error, fmt};

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
///
/// ```
/// use respool_connect::Frames;
///
/// let (mut frames, read) = (Frames::new(), b"+OK\r\n$5\r\nhel");
/// let ended = frames.next(read)?.expect("the first reply is there");
/// assert_eq!((ended.used, ended.kind), (5, b'+'));
/// assert!(frames.next(&read[ended.used..])?.is_none());
/// // What comes next is given alone: the frame's beginning is not wanted again.
/// let ended = frames.next(b"lo\r\n:1\r\n")?.expect("so is the second, now");
/// assert_eq!((ended.used, ended.kind), (4, b'$'));
/// # Ok::<(), respool_connect::Violation>(())
/// ```
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

/// Where a frame ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// How many of the bytes were the frame's last ones. The rest belong to others.
    pub used: usize,
    /// The frame's type: its first byte, or the first one after its attributes.
    pub kind: u8,
    /// Whether its first word is SUBSCRIBE in one of its forms, or UNSUBSCRIBE: as a request, or as
    /// the server's word for it.
    pub subscribes: bool,
    /// Where it is nothing but a string that was given whole: where in it the text begins, which ends
    /// two bytes before its end.
    pub text_at: Option<NonZeroUsize>,
}

/// A frame that has arrived whole.
pub(crate) struct Frame<'a> {
    /// Its type.
    pub(crate) kind: u8,
    word: &'a [u8],
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Before the first byte of a frame.
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

    /// Goes on with `bytes` as far as the end of a frame, or to their own end: then it is `None`, and
    /// all of them have been used.
    ///
    /// # Errors
    ///
    /// What is malformed. Nothing is to be made of the frame, nor of anything after it.
    pub fn next(&mut self, bytes: &[u8]) -> Result<Option<Ended>, Violation> {
        if self.arrived == 0
            && let Some((text_at, used)) = whole_string(bytes)
        {
            return Ok(Some(Ended {
                used,
                kind: b'$',
                subscribes: false,
                text_at: NonZeroUsize::new(text_at),
            }));
        }
        let used = self.follow(bytes)?;
        Ok(used.map(|used| {
            let frame = self.frame();
            Ended {
                used,
                kind: frame.kind,
                subscribes: frame.subscribes(),
                text_at: None,
            }
        }))
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
        let mut good = 0;
        loop {
            let used = self.follow(&bytes[good..]);
            let Some(used) = used.map_err(|violation| (violation, good))? else {
                return Ok(());
            };
            ended(self.frame()).map_err(|violation| (violation, good))?;
            good += used;
        }
    }

    /// Goes on with `bytes`, and says how many there are up to the end of a frame.
    fn follow(&mut self, bytes: &[u8]) -> Result<Option<usize>, Violation> {
        let mut next = 0;
        while next < bytes.len() {
            next += self.step(&bytes[next..])?;
            if std::mem::replace(&mut self.has_ended, false) {
                self.arrived = 0;
                return Ok(Some(next));
            }
        }
        Ok(None)
    }

    /// The frame that has just ended.
    fn frame(&self) -> Frame<'_> {
        Frame {
            kind: self.kind,
            word: &self.word.bytes[..self.word.length],
        }
    }

    /// Takes one byte, or as much of a line or string as is there; says how much that was.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        let used = match &self.place {
            Place::Start => self.read_type(bytes)?,
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

    /// Whether a frame has begun and not ended that is no pushed message, as far as is known.
    pub fn is_within_reply(&self) -> bool {
        self.is_within() && !matches!(self.kind, b'>' | b'|')
    }

    /// How many bytes are to come of a string that is a frame by itself, with its line end, once its
    /// length is known.
    pub fn text_to_come(&self) -> Option<usize> {
        match self.place {
            Place::Text(left) if self.open.is_empty() && self.kind == b'$' => {
                usize::try_from(left + 2).ok()
            }
            _ => None,
        }
    }

    fn is_at_first_word(&self) -> bool {
        self.open.len() == 1 && !self.word.is_over
    }

    /// Takes the type, and with it the line that it begins if that is short and there.
    fn read_type(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        let kind = bytes[0];
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
        let Some(line) = Line::short(kind, &bytes[1..]) else {
            self.place = Place::Line(Line::of(kind));
            return Ok(1);
        };
        let end = 1 + line.length as usize;
        if kind == b'+' && self.is_at_first_word() {
            self.word.add(&bytes[1..end]);
        }
        self.end_line(&line)?;
        Ok(end + 2)
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
            b':' if line.number > i64::MIN.unsigned_abs() - u64::from(!line.is_negative) => {
                return violation("a number beyond 64 bits");
            }
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
        // What EXEC answers has those that answer a SUBSCRIBE in it.
        let is_in_place = self.open.is_empty() || (self.open.len() == 1 && self.kind == b'*');
        if kind == b'>' && (!is_in_place || elements == 0) {
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
        let (text, rest) = bytes.split_at(used);
        if self.is_at_first_word() {
            self.word.add(text);
        }
        match left - used as u64 {
            0 if rest.starts_with(b"\r\n") => {
                self.place = Place::Start;
                self.end_element();
                return used + 2;
            }
            0 => self.place = Place::TextEnd { seen_cr: false },
            left => self.place = Place::Text(left),
        }
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

/// Where the text of a string begins, and where the string ends, if it is there whole and has less than a
/// million bytes: as most replies.
#[inline]
fn whole_string(bytes: &[u8]) -> Option<(usize, usize)> {
    const MOST_DIGITS: usize = 6;
    if *bytes.first()? != b'$' {
        return None;
    }
    let mut length = 0;
    for (index, byte) in bytes.iter().enumerate().skip(1).take(MOST_DIGITS + 1) {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            length = length * 10 + usize::from(digit);
            continue;
        }
        let end = index + length + 4;
        let is_whole =
            index > 1 && bytes[index..].starts_with(b"\r\n") && bytes.get(end - 2..end)? == b"\r\n";
        return is_whole.then_some((index + 2, end));
    }
    None
}

impl Default for Frames {
    fn default() -> Self {
        Frames::new()
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

impl error::Error for Violation {}
