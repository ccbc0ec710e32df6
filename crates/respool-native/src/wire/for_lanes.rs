//! What a lane does with a connection, besides what every holder does: it keeps its own account of
//! what it writes.

use std::io;
use std::task::{Context, Poll, ready};

use redis::{RedisError, RedisResult, Value};

use super::{Lost, Wire};

impl Wire {
    /// Writes some of `bytes`.
    pub(crate) fn poll_write(
        &mut self,
        bytes: &[u8],
        context: &mut Context<'_>,
    ) -> Poll<RedisResult<usize>> {
        match ready!(self.socket.poll_write(context, bytes)) {
            Ok(0) => self.lose(&io::ErrorKind::WriteZero.into()),
            Ok(count) => return Poll::Ready(Ok(count)),
            Err(error) => self.lose(&error),
        }
        Poll::Ready(self.well())
    }

    /// Room to read as much as that at once, until it rests.
    pub(crate) fn widen(&mut self, size: usize) {
        if self.input.len() < size {
            self.input.resize(size, 0);
        }
    }

    /// Reads until a reply is whole, or a message: ready, unless the connection is lost, to be taken.
    pub(crate) fn poll_arrival(&mut self, context: &mut Context<'_>) -> Poll<RedisResult<()>> {
        while self.whole.is_empty() && self.lost.is_none() {
            ready!(self.poll_read(context));
        }
        self.discarded = 0;
        match self.whole.is_empty() {
            true => Poll::Ready(self.well()),
            false => Poll::Ready(Ok(())),
        }
    }

    /// Takes the next reply that is whole. Messages that were pushed before it are for the handler, if
    /// there is one.
    pub(crate) fn take_reply(&mut self) -> RedisResult<Option<Value>> {
        while let Some((value, is_answer)) = self.take_whole()? {
            if is_answer {
                self.owed = self.owed.saturating_sub(1);
                return Ok(Some(value));
            }
            self.messages.handle(value);
        }
        Ok(None)
    }

    /// How many bytes came for the reply that was just taken.
    #[inline]
    pub(crate) fn take_length(&mut self) -> usize {
        usize::try_from(std::mem::take(&mut self.discarded)).unwrap_or(usize::MAX)
    }

    /// After a write that failed: reads what the server said before it closed the connection.
    pub(crate) fn hear_out(&mut self) {
        let lost = self.lost.take();
        self.read_what_is_there();
        self.lost = self.lost.take().or(lost);
    }

    /// Whether a large reply is arriving.
    pub(crate) fn is_receiving_large(&self) -> bool {
        self.frames.is_large()
    }

    /// Why nothing more comes, if that is so.
    pub(crate) fn loss(&self) -> Option<RedisError> {
        self.lost.as_ref().map(Lost::error)
    }

    fn well<T: Default>(&self) -> RedisResult<T> {
        self.loss().map_or_else(|| Ok(T::default()), Err)
    }
}
