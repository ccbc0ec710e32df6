use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Socket;
use crate::frames::{Frames, Violation};

/// The side of a [`Socket`] that the redis crate reads and writes. It counts requests and replies as
/// they pass, so that a reply that nobody asked for never becomes somebody's (CMD-6).
pub struct SocketStream {
    socket: Arc<Socket>,
    requests: Frames,
    replies: Frames,
    /// Requests that were written whole, less replies that have arrived whole.
    owed: i64,
    /// False once the server sends what no request asked for, one by one: after SUBSCRIBE, MONITOR
    /// and SYNC.
    counts: bool,
}

impl SocketStream {
    pub(super) fn new(socket: Arc<Socket>) -> Self {
        SocketStream {
            socket,
            requests: Frames::new(),
            replies: Frames::new(),
            owed: 0,
            counts: true,
        }
    }

    /// Takes note of what was written.
    fn follow_requests(&mut self, bytes: &[u8]) {
        if !self.counts {
            return;
        }
        let SocketStream { requests, owed, .. } = self;
        let mut opens_the_gates = false;
        let read = requests.read(bytes, |request| {
            *owed += 1;
            opens_the_gates |= request.opens_the_gates();
            Ok(())
        });
        // Beyond the bounds that replies have, a request is the server's to refuse.
        self.counts = read.is_ok() && !opens_the_gates;
        if !self.counts {
            self.replies.allow_long_lines();
        }
        self.note_owed();
    }

    /// Takes note of what was read, and refuses what no server may send: then says how many of the
    /// bytes were good.
    fn follow_replies(&mut self, bytes: &[u8]) -> Result<(), usize> {
        // A server may refuse a request before it has heard all of it.
        let begun = i64::from(self.requests.is_within());
        let counts = self.counts && !self.socket.handshaking.load(Ordering::Relaxed);
        let SocketStream { replies, owed, .. } = self;
        let read = replies.read(bytes, |reply| {
            let is_push = reply.kind == b'>';
            // The redis crate takes the server's word for a subscription for a reply.
            let is_reply = !is_push || reply.subscribes();
            if counts && is_reply && (is_push || *owed + begun <= 0) {
                return Err(Violation::unasked());
            }
            *owed -= i64::from(is_reply);
            Ok(())
        });
        let read = match read {
            // Where it ends is to come; that it is one too many shows now.
            Ok(()) if counts && *owed + begun <= 0 && replies.is_within_reply() => {
                Err((Violation::unasked(), 0))
            }
            read => read,
        };
        self.note_owed();
        let is_large = self.replies.is_large();
        // Written only when it changes: others read it for each command.
        if is_large != self.socket.is_receiving_large_reply() {
            let flag = &self.socket.is_receiving_large_reply;
            flag.store(is_large, Ordering::Relaxed);
        }
        read.map_err(|(violation, good)| {
            // Which of the replies is the one too many, nobody knows.
            let good = match violation == Violation::unasked() {
                true => 0,
                false => good,
            };
            let _ = self.socket.violation.set(violation);
            self.socket.ended.store(true, Ordering::Release);
            good
        })
    }

    /// Closes the socket for good: a server that goes on sending would never hear a goodbye.
    fn refuse(&self, violation: &Violation) -> io::Error {
        let net = self.socket.net().take();
        drop(net);
        let words = format!("protocol error: {violation}");
        io::Error::new(io::ErrorKind::InvalidData, words)
    }

    fn note_owed(&self) {
        let owed = match self.counts {
            true => self.owed + i64::from(self.requests.is_within()),
            // Where nothing is counted, nothing is known to be unasked.
            false => i64::MAX,
        };
        self.socket.owed.store(owed, Ordering::Relaxed);
    }
}

impl AsyncRead for SocketStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(violation) = self.socket.violation.get() {
            return Poll::Ready(Err(self.refuse(violation)));
        }
        let before = buffer.filled().len();
        let has_room = buffer.remaining() > 0;
        let outcome = self.socket.poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = outcome {
            match &buffer.filled()[before..] {
                // The redis crate would take a reply that was cut short for a malformed one.
                [] if has_room && self.replies.is_within() => {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                [] => {}
                bytes => {
                    self.socket.reads.fetch_add(1, Ordering::Relaxed);
                    self.socket.keep_first_reply(bytes);
                    if let Err(good) = self.follow_replies(bytes) {
                        // What is good reaches its owner; the next read tells of the rest.
                        buffer.set_filled(before + good);
                        if good == 0
                            && let Some(violation) = self.socket.violation.get()
                        {
                            return Poll::Ready(Err(self.refuse(violation)));
                        }
                    }
                }
            }
        }
        outcome
    }
}

impl AsyncWrite for SocketStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(violation) = self.socket.violation.get() {
            return Poll::Ready(Err(self.refuse(violation)));
        }
        let outcome = self.socket.poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = outcome {
            self.follow_requests(&bytes[..written]);
        }
        outcome
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.say_goodbye();
        Poll::Ready(Ok(()))
    }
}

impl Drop for SocketStream {
    fn drop(&mut self) {
        self.socket.ended.store(true, Ordering::Release);
    }
}
