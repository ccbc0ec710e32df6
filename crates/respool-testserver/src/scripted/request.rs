//! [`Request`]: one command as it came in.

/// Bounds on one request; past them the connection is closed.
const MOST_ARGUMENTS: usize = 1024 * 1024;
const MOST_BYTES: usize = 64 * 1024 * 1024;
const LONGEST_LINE: usize = 64 * 1024;

/// A command and its arguments, still in the buffer that they were read into.
pub(super) struct Request<'buffer> {
    pub(super) arguments: Vec<&'buffer [u8]>,
    /// How many bytes of the buffer it takes up.
    pub(super) length: usize,
}

/// The bytes are no request; the text is the error reply.
pub(super) struct ProtocolError(pub(super) &'static str);

impl<'buffer> Request<'buffer> {
    /// The first request in the buffer; `None` when it isn't all there. One
    /// without arguments is an empty line, to be passed over.
    pub(super) fn parse(buffer: &'buffer [u8]) -> Result<Option<Request<'buffer>>, ProtocolError> {
        let mut cursor = Cursor { buffer, at: 0 };
        let arguments = if buffer.first() == Some(&b'*') {
            cursor.array()?
        } else {
            cursor.inline()?
        };
        Ok(arguments.map(|arguments| Request {
            arguments,
            length: cursor.at,
        }))
    }

    /// The command's name in lower case, with the subcommand of those that have
    /// several: "client|setname".
    pub(super) fn name(&self) -> String {
        let lower = |index: usize| {
            let word = self.arguments.get(index).copied().unwrap_or_default();
            String::from_utf8_lossy(word).to_ascii_lowercase()
        };
        let name = lower(0);
        match name.as_str() {
            "client" | "config" if self.arguments.len() > 1 => format!("{name}|{}", lower(1)),
            _ => name,
        }
    }
}

struct Cursor<'buffer> {
    buffer: &'buffer [u8],
    at: usize,
}

impl<'buffer> Cursor<'buffer> {
    fn array(&mut self) -> Result<Option<Vec<&'buffer [u8]>>, ProtocolError> {
        const BAD_COUNT: ProtocolError =
            ProtocolError("ERR Protocol error: invalid multibulk length");
        let Some(count) = self.line()? else {
            return Ok(None);
        };
        let count = number(count, b'*', MOST_ARGUMENTS).ok_or(BAD_COUNT)?;
        // What a client claims is not yet a reason to allocate.
        let mut arguments = Vec::with_capacity(count.min(16));
        for _ in 0..count {
            match self.bulk()? {
                Some(argument) => arguments.push(argument),
                None => return Ok(None),
            }
        }
        Ok(Some(arguments))
    }

    fn bulk(&mut self) -> Result<Option<&'buffer [u8]>, ProtocolError> {
        const BAD_LENGTH: ProtocolError = ProtocolError("ERR Protocol error: invalid bulk length");
        let Some(length) = self.line()? else {
            return Ok(None);
        };
        let length = number(length, b'$', MOST_BYTES).ok_or(BAD_LENGTH)?;
        let end = self.at + length;
        if end > MOST_BYTES {
            return Err(BAD_LENGTH);
        }
        if self.buffer.len() < end + 2 {
            return Ok(None);
        }
        let argument = &self.buffer[self.at..end];
        self.at = end + 2;
        Ok(Some(argument))
    }

    fn inline(&mut self) -> Result<Option<Vec<&'buffer [u8]>>, ProtocolError> {
        Ok(self.line()?.map(|line| {
            line.split(u8::is_ascii_whitespace)
                .filter(|word| !word.is_empty())
                .collect()
        }))
    }

    /// The next line, without its line feed.
    fn line(&mut self) -> Result<Option<&'buffer [u8]>, ProtocolError> {
        let rest = &self.buffer[self.at..];
        let head = &rest[..rest.len().min(LONGEST_LINE)];
        match head.iter().position(|&byte| byte == b'\n') {
            Some(end) => {
                self.at += end + 1;
                Ok(Some(&head[..end]))
            }
            None if head.len() == LONGEST_LINE => {
                Err(ProtocolError("ERR Protocol error: too big inline request"))
            }
            None => Ok(None),
        }
    }
}

/// Reads "*3" or "$5" and what may follow it on its line.
fn number(line: &[u8], kind: u8, most: usize) -> Option<usize> {
    let digits = line.strip_prefix(&[kind])?.trim_ascii_end();
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (number <= most).then_some(number)
}
