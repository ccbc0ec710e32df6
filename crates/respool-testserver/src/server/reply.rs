//! [`Reply`]: what a server says to one command, in RESP2.

use std::future::Future;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;

/// One RESP2 reply of a server that is trusted to be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+OK`, without the plus.
    Status(String),
    /// `-ERR ...`, without the minus.
    Error(String),
    /// `:1`.
    Integer(i64),
    /// A string of any bytes.
    Bytes(Vec<u8>),
    /// A null string or null array.
    Nil,
    /// Several replies.
    Array(Vec<Reply>),
}

impl Reply {
    /// Whether the server refused the command.
    pub fn is_error(&self) -> bool {
        matches!(self, Reply::Error(_))
    }

    /// The text of a status, an error or a string (other bytes replaced), the
    /// digits of a number; `None` for nil and arrays.
    pub fn text(&self) -> Option<String> {
        match self {
            Reply::Status(text) | Reply::Error(text) => Some(text.clone()),
            Reply::Integer(number) => Some(number.to_string()),
            Reply::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Reply::Nil | Reply::Array(_) => None,
        }
    }

    /// The number, if it is one.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Reply::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The text, where anything else is an error.
    pub(super) fn into_text(self) -> io::Result<String> {
        match (self.is_error(), self.text()) {
            (false, Some(text)) => Ok(text),
            _ => Err(io::Error::other(format!("the server says {self:?}"))),
        }
    }

    /// Reads one reply.
    pub(super) fn read(
        from: &mut BufReader<TcpStream>,
    ) -> Pin<Box<dyn Future<Output = io::Result<Reply>> + Send + '_>> {
        Box::pin(async move {
            let mut line = String::new();
            from.read_line(&mut line).await?;
            let Some(line) = line.strip_suffix("\r\n") else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            let malformed = || io::Error::other(format!("not a RESP2 reply: {line:?}"));
            let (kind, rest) = line.split_at_checked(1).ok_or_else(malformed)?;
            let number = || rest.parse::<i64>().map_err(|_| malformed());
            match kind {
                "+" => Ok(Reply::Status(rest.to_owned())),
                "-" => Ok(Reply::Error(rest.to_owned())),
                ":" => Ok(Reply::Integer(number()?)),
                "$" => match usize::try_from(number()?) {
                    Ok(length) => {
                        let mut bytes = vec![0; length + 2];
                        from.read_exact(&mut bytes).await?;
                        bytes.truncate(length);
                        Ok(Reply::Bytes(bytes))
                    }
                    Err(_) => Ok(Reply::Nil),
                },
                "*" => match usize::try_from(number()?) {
                    Ok(count) => {
                        let mut replies = Vec::new();
                        for _ in 0..count {
                            replies.push(Reply::read(from).await?);
                        }
                        Ok(Reply::Array(replies))
                    }
                    Err(_) => Ok(Reply::Nil),
                },
                _ => Err(malformed()),
            }
        })
    }
}
