//! From the socket to replies: what was read, where in it they end, and their values.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use redis::{RedisResult, Value};
use respool_connect::{Ended, Socket, Violation, decode};
use tokio::io::ReadBuf;

use super::large::Large;
use super::{Whole, Wire};

impl Wire {
    /// Reads once. Ready: something came, or the connection is lost.
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.read_by(|socket, buffer| socket.poll_read(context, buffer))
    }

    #[inline]
    fn read_by(
        &mut self,
        read: impl FnOnce(&Socket, &mut ReadBuf<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<()> {
        if self.large.is_none() {
            self.make_room();
        }
        let room = match &mut self.large {
            Some(large) => large.room(),
            None => &mut self.input[self.read..],
        };
        let mut buffer = ReadBuf::new(room);
        let outcome = ready!(read(&self.socket, &mut buffer));
        let count = buffer.filled().len();
        match outcome {
            Ok(()) if count == 0 => self.lose(&io::ErrorKind::UnexpectedEof.into()),
            Ok(()) => {
                self.heard = Instant::now();
                self.note_read(count);
            }
            Err(error) => self.lose(&error),
        }
        Poll::Ready(())
    }

    /// What was read goes on with a large reply, or into the buffer.
    fn note_read(&mut self, count: usize) {
        let Some(large) = &mut self.large else {
            let read = &self.input[self.read..self.read + count];
            self.socket.keep_first_reply(read);
            self.read += count;
            return self.follow();
        };
        match self.frames.next(large.add(count)) {
            Ok(None) => {}
            Ok(Some(_)) => {
                let text = self.large.take().map(Large::into_text);
                self.answers += u64::from(!self.messages.gates_are_open);
                self.whole.push_back(Whole::Apart(text.unwrap_or_default()));
            }
            Err(violation) => self.violate(violation),
        }
    }

    /// Reads all that has come, whether the runtime knows of it or not, without waiting for more.
    pub(super) fn read_what_is_there(&mut self) {
        while self.lost.is_none() && self.read_at_once().is_ready() {}
    }

    fn read_at_once(&mut self) -> Poll<()> {
        self.read_by(Socket::read_without_waiting)
    }

    /// Discards what is owed as far as it has come, without waiting, up to `most` bytes. Says whether that
    /// was all.
    pub(crate) fn discard_what_is_there(&mut self, most: u64) -> bool {
        while self.owed > 0 && self.lost.is_none() && self.burden() <= most {
            match self.take_whole() {
                Ok(Some((_, true))) => self.owed = self.owed.saturating_sub(1),
                Ok(Some((message, false))) => {
                    if !self.messages.keep(message) {
                        self.violate(Violation::too_many_messages());
                    }
                }
                Ok(None) if self.read_at_once().is_ready() => {}
                Ok(None) | Err(_) => return false,
            }
        }
        self.owed == 0 && self.lost.is_none()
    }

    /// Room for at least one byte more: at the front where replies were taken, or in a larger buffer.
    fn make_room(&mut self) {
        self.start_over();
        if self.read < self.input.len() {
            return;
        }
        if self.taken > 0 {
            self.input.copy_within(self.taken..self.read, 0);
            self.read -= self.taken;
            self.followed -= self.taken;
            self.began -= self.taken;
            self.taken = 0;
        } else {
            self.input.resize(2 * self.input.len(), 0);
        }
    }

    /// At the front of the buffer, if all that was read was taken.
    pub(super) fn start_over(&mut self) {
        if self.taken == self.read {
            self.taken = 0;
            self.followed = 0;
            self.began = 0;
            self.read = 0;
        }
    }

    /// Follows what was read to the ends of replies. A reply that nobody asked for ends the
    /// connection, and nothing of the read that brought it is given to anybody: which of them is the
    /// wrong one, nobody knows.
    fn follow(&mut self) {
        let before = (self.whole.len(), self.answers);
        while self.followed < self.read {
            match self.frames.next(&self.input[self.followed..self.read]) {
                Ok(Some(ended)) => {
                    self.followed += ended.used;
                    let mut frame = ended;
                    frame.used = self.followed - self.began;
                    self.began = self.followed;
                    self.whole.push_back(Whole::Read(frame));
                    // Where nobody subscribes, what confirms a subscription is a message like others.
                    if frame.kind != b'>' && !self.messages.gates_are_open {
                        self.answers += 1;
                    }
                }
                Ok(None) => self.followed = self.read,
                Err(violation) => return self.violate(violation),
            }
            // Where it ends may be to come; that it is one too many shows now.
            let begun = u64::from(self.frames.is_within_reply());
            if !self.messages.gates_are_open && self.answers + begun > self.owed {
                self.whole.truncate(before.0);
                self.answers = before.1;
                return self.violate(Violation::unasked());
            }
        }
        self.read_apart();
    }

    /// Has a string read apart whose rest doesn't fit into the buffer.
    fn read_apart(&mut self) {
        let Some(to_come) = self.frames.text_to_come() else {
            return;
        };
        let begun = &self.input[self.began..self.read];
        // Attributes may come before it.
        if to_come <= self.input.len() - self.read || !begun.starts_with(b"$") {
            return;
        }
        let line_end = begun.iter().position(|&byte| byte == b'\n');
        let text = line_end.map_or(&[][..], |end| &begun[end + 1..]);
        self.large = Some(Large::new(text, to_come));
        self.read = self.began;
        self.followed = self.began;
    }

    /// Takes the first reply that is whole if it is a string, as most are. As a [`Value`] it would be
    /// moved more often on its way, each time at a cost that shows.
    #[inline]
    pub(crate) fn take_text(&mut self) -> Option<Vec<u8>> {
        let text = match self.whole.front_mut()? {
            _ if self.messages.gates_are_open => return None,
            Whole::Apart(text) => {
                self.discarded += text.len() as u64;
                std::mem::take(text)
            }
            Whole::Read(frame) => {
                let start = self.taken + frame.text_at?.get();
                self.taken += frame.used;
                self.discarded += frame.used as u64;
                self.input[start..self.taken - 2].to_vec()
            }
        };
        self.whole.pop_front();
        self.answers = self.answers.saturating_sub(1);
        self.owed = self.owed.saturating_sub(1);
        Some(text)
    }

    /// Takes the first reply that is whole, with whether it answers a request.
    pub(super) fn take_whole(&mut self) -> RedisResult<Option<(Value, bool)>> {
        let value = match self.whole.pop_front() {
            None => return Ok(None),
            Some(Whole::Apart(text)) => {
                self.discarded += text.len() as u64;
                Value::BulkString(text)
            }
            Some(Whole::Read(frame)) => {
                let value = self.decode(frame)?;
                if frame.kind == b'>' && !(frame.subscribes && self.messages.gates_are_open) {
                    return Ok(Some((value, false)));
                }
                value
            }
        };
        if self.messages.gates_are_open {
            let is_answer = self.messages.is_answer(&value, self.owed);
            return Ok(Some((value, is_answer)));
        }
        self.answers = self.answers.saturating_sub(1);
        Ok(Some((value, true)))
    }

    /// The value of the first reply that was read and not taken.
    fn decode(&mut self, frame: Ended) -> RedisResult<Value> {
        let end = self.taken + frame.used;
        let bytes = &self.input[self.taken..end];
        let value = match frame.text_at {
            Some(at) => Ok(Value::BulkString(bytes[at.get()..bytes.len() - 2].to_vec())),
            None => decode(bytes),
        };
        self.taken = end;
        self.discarded += frame.used as u64;
        value.inspect_err(|error| {
            // Those behind it would be taken for its place in the row.
            self.whole.clear();
            self.violate(Violation::not_understood(error));
        })
    }
}
