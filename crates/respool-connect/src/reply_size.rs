/// Replies of more bytes than this hold up others for long enough to send these elsewhere: at a
/// gigabit a second it takes half a millisecond, several times a round trip.
const LARGE: u64 = 64 * 1024;

/// Follows what a server sends just far enough to know whether a large reply is arriving.
///
/// Strings are skipped, not read. Bytes that are no RESP end it: it then says "not large" for
/// good, and what to do about them is the redis crate's.
#[derive(Debug, Default)]
pub(crate) struct ReplySize {
    /// Elements of the current reply, at any depth, that have not arrived; zero between replies.
    missing: u64,
    /// Bytes of the current reply that have arrived.
    arrived: u64,
    /// Bytes of a string and its line end that have not.
    announced: u64,
    /// The line that introduces an element, as far as it has arrived.
    line: Option<Line>,
    is_lost: bool,
}

#[derive(Debug)]
struct Line {
    kind: u8,
    /// The number after it, where the kind has one.
    number: u64,
    is_null: bool,
}

impl ReplySize {
    /// What the server has sent next.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_lost {
            let used = match self.announced {
                0 => self.read_line(bytes),
                announced => self.skip(bytes.len(), announced),
            };
            bytes = &bytes[used..];
        }
    }

    /// Whether a reply has begun to arrive that is large, or has turned out to be.
    pub(crate) fn is_large(&self) -> bool {
        self.missing > 0 && !self.is_lost && self.arrived.saturating_add(self.announced) > LARGE
    }

    fn skip(&mut self, there: usize, announced: u64) -> usize {
        let used = usize::try_from(announced).map_or(there, |announced| announced.min(there));
        self.arrived += used as u64;
        self.announced -= used as u64;
        if self.announced == 0 {
            self.end_element();
        }
        used
    }

    fn read_line(&mut self, bytes: &[u8]) -> usize {
        if self.missing == 0 {
            self.missing = 1;
        }
        for (index, &byte) in bytes.iter().enumerate() {
            self.arrived += 1;
            match (&mut self.line, byte) {
                (None, kind) => {
                    self.line = Some(Line {
                        kind,
                        number: 0,
                        is_null: false,
                    });
                }
                (Some(_), b'\n') => {
                    if let Some(line) = self.line.take() {
                        self.end_line(&line);
                    }
                    return index + 1;
                }
                (Some(line), b'0'..=b'9') => {
                    let digit = u64::from(byte - b'0');
                    line.number = line.number.saturating_mul(10).saturating_add(digit);
                }
                (Some(line), b'-') => line.is_null = true,
                (Some(_), _) => {}
            }
        }
        bytes.len()
    }

    fn end_line(&mut self, line: &Line) {
        let number = if line.is_null { 0 } else { line.number };
        match line.kind {
            b'$' | b'!' | b'=' if !line.is_null => self.announced = number.saturating_add(2),
            b'*' | b'~' | b'>' => self.end_element_with(number),
            b'%' => self.end_element_with(number.saturating_mul(2)),
            // Attributes stand before the element that they belong to.
            b'|' => self.missing = self.missing.saturating_add(number.saturating_mul(2)),
            b'$' | b'!' | b'=' | b'+' | b'-' | b':' | b',' | b'#' | b'(' | b'_' => {
                self.end_element();
            }
            _ => self.is_lost = true,
        }
    }

    fn end_element(&mut self) {
        self.end_element_with(0);
    }

    /// An element has arrived, of which so many more are a part.
    fn end_element_with(&mut self, parts: u64) {
        self.missing = (self.missing - 1).saturating_add(parts);
        if self.missing == 0 {
            self.arrived = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it says after each of `reads`.
    fn says(reads: &[&[u8]]) -> Vec<bool> {
        let mut size = ReplySize::default();
        let mut said = Vec::new();
        for bytes in reads {
            size.read(bytes);
            said.push(size.is_large());
        }
        said
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
        assert_eq!(says(&reads), [false, true, true, true, false, false]);
    }

    #[test]
    fn many_small_elements_are_known_once_they_have_come_to_much() {
        let element = [b"$1000\r\n", &*vec![b'x'; 1_000], b"\r\n"].concat();
        let half = element.repeat(60);
        let reads: [&[u8]; 5] = [b"*121\r\n", &half, &half, &element, b":1\r\n"];
        assert_eq!(says(&reads), [false, false, true, false, false]);
    }

    #[test]
    fn a_large_reply_may_end_and_another_begin_in_one_read() {
        let whole = [b"$70000\r\n", &*vec![b'x'; 70_000], b"\r\n"].concat();
        let and_more = [&whole[..], b"$70000\r\nx"].concat();
        assert_eq!(says(&[&whole, &and_more]), [false, true]);
    }

    #[test]
    fn every_type_is_followed_to_its_end() {
        let large: &[u8] = b"$70000\r\n";
        for reply in [
            "+OK\r\n",
            "-ERR no 12 such - thing\r\n",
            ":-12\r\n",
            "$-1\r\n",
            "$0\r\n\r\n",
            "*-1\r\n",
            "*0\r\n",
            "*2\r\n*1\r\n:1\r\n$1\r\na\r\n",
            "%1\r\n+key\r\n*2\r\n_\r\n#t\r\n",
            "~1\r\n,1.5e-3\r\n",
            ">2\r\n+message\r\n(123\r\n",
            "=7\r\ntxt:abc\r\n",
            "!5\r\nERR x\r\n",
            "|1\r\n+key\r\n+value\r\n:1\r\n",
        ] {
            for split in 0..reply.len() {
                let (start, end) = reply.as_bytes().split_at(split);
                assert_eq!(says(&[start, end]), [false, false], "{reply:?} at {split}");
                let mut size = ReplySize::default();
                size.read(start);
                size.read(end);
                assert_eq!((size.missing, size.arrived), (0, 0), "{reply:?} at {split}");
                size.read(large);
                assert!(size.is_large(), "after {reply:?}");
            }
        }
    }

    #[test]
    fn what_is_no_resp_is_not_followed() {
        assert_eq!(says(&[b"HTTP/1.1 400\r\n", b"$70000\r\n"]), [false, false]);
        let absurd: &[u8] =
            b"*99999999999999999999999\r\n%99999999999999999999\r\n$18446744073709551615\r\n";
        assert_eq!(says(&[absurd, b"x"]), [true, true]);
    }
}
