//! From a reply's bytes to its value.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod agreement;
#[cfg(test)]
mod tests;

use redis::{ErrorKind, PushKind, RedisError, RedisResult, Value};

/// The depth at which the redis crate gives up. Other than in [`Frames`](crate::Frames), elements
/// count that are no collections, and what an attribute belongs to stands inside it.
const DEEPEST: usize = 100;

/// A type and a line end: no element has fewer bytes.
const SHORTEST_ELEMENT: usize = 3;

/// Turns one whole reply of RESP2 or RESP3 into the value that [`redis::parse_redis_value`] makes of
/// it, at a fraction of the cost.
///
/// `frame` is from a reply's first byte to its last, as [`Frames::next`](crate::Frames::next) finds
/// them. Any other bytes may be given, too: they are never a cause to panic, and memory is taken in
/// proportion to them and never to what they announce. What follows the reply is an error here,
/// where the redis crate would overlook it.
///
/// What only the redis crate can make, an error from the server above all, is made by it.
///
/// A status or an error that is not UTF-8 has U+FFFD in the place of what is not, as the redis crate does
/// it for errors with a length. It refuses them as lines, and ends their connection; the server sends
/// them, where it quotes what it was sent.
///
/// # Errors
///
/// [`ErrorKind::Parse`] for what the redis crate refuses, and for what is not exactly one reply.
pub fn decode(frame: &[u8]) -> RedisResult<Value> {
    let mut reply = Reply {
        rest: frame,
        due: 1,
    };
    let value = reply.read_element(1)?;
    match reply.rest {
        [] => Ok(value),
        _ => Err(malformed("bytes after the end of a reply")),
    }
}

/// A reply, as far as it has not been read.
struct Reply<'f> {
    rest: &'f [u8],
    /// Elements that were announced and not begun: there are bytes left for all of them.
    due: usize,
}

impl<'f> Reply<'f> {
    fn read_element(&mut self, depth: usize) -> RedisResult<Value> {
        if depth > DEEPEST {
            return Err(malformed("elements too deep in each other"));
        }
        let element = self.rest;
        let Some((kind, rest)) = element.split_first() else {
            return Err(malformed("a reply that is cut short"));
        };
        self.rest = rest;
        self.due -= 1;
        match kind {
            b'$' => self.read_string(),
            b':' => self.read_number().map(Value::Int),
            b'+' => Ok(simple_string(&String::from_utf8_lossy(self.read_bytes()?))),
            b'*' => self.read_list(depth, Value::Array),
            b'%' => self.read_pairs(depth).map(Value::Map),
            b'~' => self.read_list(depth, Value::Set),
            b'>' => self.read_push(depth),
            b'|' => self.read_attribute(depth),
            b'_' => self.read_line().map(|_| Value::Nil),
            b',' => self.read_double().map(Value::Double),
            b'#' => match self.read_line()? {
                "t" => Ok(Value::Boolean(true)),
                "f" => Ok(Value::Boolean(false)),
                _ => Err(malformed("a truth value that is neither t nor f")),
            },
            b'-' => match str::from_utf8(self.read_bytes()?) {
                Ok(_) => self.ask_redis(element),
                Err(_) => redis::parse_redis_value(
                    String::from_utf8_lossy(self.read_of(element)).as_bytes(),
                ),
            },
            b'(' => {
                self.read_line()?;
                self.ask_redis(element)
            }
            b'!' | b'=' => {
                let length = self.read_number()?;
                self.read_text(length)?;
                self.ask_redis(element)
            }
            _ => Err(malformed("an element of no type")),
        }
    }

    /// What the redis crate makes of `element`, of which all has been read.
    fn ask_redis(&self, element: &[u8]) -> RedisResult<Value> {
        redis::parse_redis_value(self.read_of(element))
    }

    /// What has been read of `element`.
    fn read_of<'e>(&self, element: &'e [u8]) -> &'e [u8] {
        &element[..element.len() - self.rest.len()]
    }

    fn read_string(&mut self) -> RedisResult<Value> {
        match self.read_number()? {
            ..0 => Ok(Value::Nil),
            length => Ok(Value::BulkString(self.read_text(length)?.to_vec())),
        }
    }

    fn read_list(&mut self, depth: usize, list: fn(Vec<Value>) -> Value) -> RedisResult<Value> {
        match self.read_number()? {
            ..0 => Ok(Value::Nil),
            count => {
                let count = self.announce(count, 1)?;
                self.read_elements(count, depth).map(list)
            }
        }
    }

    fn read_elements(&mut self, count: usize, depth: usize) -> RedisResult<Vec<Value>> {
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(self.read_element(depth + 1)?);
        }
        Ok(elements)
    }

    fn read_pairs(&mut self, depth: usize) -> RedisResult<Vec<(Value, Value)>> {
        let count = self.read_number()?;
        let count = self.announce(count, 2)?;
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            let key = self.read_element(depth + 1)?;
            pairs.push((key, self.read_element(depth + 1)?));
        }
        Ok(pairs)
    }

    fn read_attribute(&mut self, depth: usize) -> RedisResult<Value> {
        let attributes = self.read_pairs(depth)?;
        self.announce(1, 1)?;
        let data = Box::new(self.read_element(depth + 1)?);
        Ok(Value::Attribute { data, attributes })
    }

    fn read_push(&mut self, depth: usize) -> RedisResult<Value> {
        let count = self.read_number()?;
        if count <= 0 {
            return Ok(Value::Push {
                kind: PushKind::Other(String::new()),
                data: Vec::new(),
            });
        }
        let count = self.announce(count, 1)?;
        let kind = match self.read_element(depth + 1)? {
            Value::BulkString(kind) => push_kind(kind)?,
            Value::SimpleString(kind) => push_kind(kind.into_bytes())?,
            _ => {
                return Err(malformed(
                    "a pushed message that does not begin with a word",
                ));
            }
        };
        let data = self.read_elements(count - 1, depth)?;
        Ok(Value::Push { kind, data })
    }

    /// Takes note of `count` times `each` elements to come, for which there must be bytes.
    fn announce(&mut self, count: i64, each: usize) -> RedisResult<usize> {
        let room = (self.rest.len() / SHORTEST_ELEMENT).saturating_sub(self.due) / each;
        match usize::try_from(count) {
            Ok(count) if count <= room => {
                self.due += count * each;
                Ok(count)
            }
            _ => Err(malformed("more elements announced than there are")),
        }
    }

    /// A string of `length` bytes, before its line end.
    fn read_text(&mut self, length: i64) -> RedisResult<&'f [u8]> {
        let parts = usize::try_from(length)
            .ok()
            .and_then(|length| self.rest.split_at_checked(length))
            .and_then(|(text, rest)| Some((text, rest.strip_prefix(b"\r\n")?)));
        let Some((text, rest)) = parts else {
            return Err(malformed("a string of another length than announced"));
        };
        self.rest = rest;
        Ok(text)
    }

    fn read_double(&mut self) -> RedisResult<f64> {
        let number = self.read_line()?.trim().parse();
        number.map_err(|_| malformed("a number that is none"))
    }

    fn read_number(&mut self) -> RedisResult<i64> {
        let mut number = 0;
        // Nothing of 18 digits is too large. All else is rare, and left to the standard library.
        for (index, byte) in self.rest.iter().take(19).enumerate() {
            let digit = byte.wrapping_sub(b'0');
            if digit < 10 && index < 18 {
                number = number * 10 + i64::from(digit);
                continue;
            }
            if index > 0
                && let Some(rest) = self.rest[index..].strip_prefix(b"\r\n")
            {
                self.rest = rest;
                return Ok(number);
            }
            break;
        }
        let number = self.read_line()?.trim().parse();
        number.map_err(|_| malformed("a number that is none"))
    }

    fn read_line(&mut self) -> RedisResult<&'f str> {
        str::from_utf8(self.read_bytes()?).map_err(|_| malformed("a line that is not UTF-8"))
    }

    /// A line, whatever is in it.
    fn read_bytes(&mut self) -> RedisResult<&'f [u8]> {
        let ends =
            |(at, byte): (usize, &u8)| *byte == b'\r' && self.rest.get(at + 1) == Some(&b'\n');
        let end = self.rest.iter().enumerate().position(ends);
        let Some(end) = end else {
            return Err(malformed("a line that does not end"));
        };
        let line = &self.rest[..end];
        self.rest = &self.rest[end + 2..];
        Ok(line)
    }
}

fn simple_string(line: &str) -> Value {
    match line {
        "OK" => Value::Okay,
        line => Value::SimpleString(line.to_owned()),
    }
}

fn push_kind(kind: Vec<u8>) -> RedisResult<PushKind> {
    Ok(match &*kind {
        b"message" => PushKind::Message,
        b"pmessage" => PushKind::PMessage,
        b"smessage" => PushKind::SMessage,
        b"invalidate" => PushKind::Invalidate,
        // The others are rare, and the redis crate may come to know more of them.
        _ => {
            let head = format!(">1\r\n${}\r\n", kind.len());
            match redis::parse_redis_value(&[head.as_bytes(), &kind, b"\r\n"].concat())? {
                Value::Push { kind, .. } => kind,
                _ => return Err(malformed("a pushed message of no kind")),
            }
        }
    })
}

fn malformed(what: &'static str) -> RedisError {
    (ErrorKind::Parse, what).into()
}
