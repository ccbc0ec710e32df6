//! What a shared client can't leave out: one buffer that callers encode into, a queue of who waits,
//! a task that writes and one that reads. No time-out, no look at what is sent, no recovery, and a
//! caller that gives up would leave its slot behind; it is the distance to zero, not a client.

use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use redis::{Cmd, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

use super::{KEY, Shares};

/// Room for what one read brings.
const BULK: usize = 64 * 1024;

/// A connection that all share.
#[derive(Clone)]
pub(crate) struct Lane(Arc<Ends>);

struct Ends {
    shared: Mutex<Shared>,
    /// The first request of a batch is there.
    unsent: Notify,
}

#[derive(Default)]
struct Shared {
    /// Requests that the writer has yet to take.
    unsent: Vec<u8>,
    /// The slots of those whose replies are due, in the order of their requests.
    due: VecDeque<usize>,
    slots: Vec<Slot>,
    free: Vec<usize>,
}

enum Slot {
    Free,
    Waiting(Waker),
    Answered(Value),
}

/// Connects, and starts the two tasks.
pub(crate) async fn lane(url: &str) -> Lane {
    let address = url.trim_start_matches("redis://").trim_end_matches("/0");
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a TCP socket");
    let (reader, writer) = stream.into_split();
    let ends = Arc::new(Ends {
        shared: Mutex::default(),
        unsent: Notify::new(),
    });
    tokio::spawn(write(ends.clone(), writer));
    tokio::spawn(read(ends.clone(), reader));
    Lane(ends)
}

async fn write(ends: Arc<Ends>, mut writer: OwnedWriteHalf) {
    let mut batch = Vec::new();
    loop {
        ends.unsent.notified().await;
        // Whoever is about to ask comes along in this batch.
        tokio::task::yield_now().await;
        batch.clear();
        mem::swap(&mut batch, &mut ends.lock().unsent);
        writer.write_all(&batch).await.expect("a write");
    }
}

async fn read(ends: Arc<Ends>, mut reader: OwnedReadHalf) {
    let (mut bytes, mut replies, mut wakers) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        bytes.reserve(BULK);
        let read = reader.read_buf(&mut bytes).await.expect("a read");
        assert!(read > 0, "the server closed");
        let mut done = 0;
        while let Some((reply, length)) = reply(&bytes[done..]) {
            replies.push(reply);
            done += length;
        }
        bytes.drain(..done);
        let mut shared = ends.lock();
        for reply in replies.drain(..) {
            let slot = shared.due.pop_front().expect("somebody asked");
            let before = mem::replace(&mut shared.slots[slot], Slot::Answered(reply));
            if let Slot::Waiting(waker) = before {
                wakers.push(waker);
            }
        }
        drop(shared);
        wakers.drain(..).for_each(Waker::wake);
    }
}

/// A whole `+OK` or `$100\r\n...`, with its length; `None` while some of it is missing.
fn reply(bytes: &[u8]) -> Option<(Value, usize)> {
    let end_of_line = bytes.iter().position(|&byte| byte == b'\n')?;
    let (line, start) = (&bytes[..end_of_line - 1], end_of_line + 1);
    if line == b"+OK" {
        return Some((Value::Okay, start));
    }
    let length: usize = line
        .strip_prefix(b"$")
        .and_then(|digits| str::from_utf8(digits).ok()?.parse().ok())
        .expect("OK or a value");
    let value = bytes.get(start..start + length + 2)?;
    let value = Value::BulkString(value[..length].to_vec());
    Some((value, start + length + 2))
}

impl Ends {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn take_slot(&mut self, waker: Waker) -> usize {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::Free);
            self.slots.len() - 1
        });
        self.slots[slot] = Slot::Waiting(waker);
        slot
    }
}

/// One command on its way.
struct Request<'a> {
    ends: &'a Ends,
    command: &'a Cmd,
    /// Once it is encoded.
    slot: Option<usize>,
}

impl Future for Request<'_> {
    type Output = Value;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Value> {
        let waker = context.waker();
        let mut shared = self.ends.lock();
        let Some(slot) = self.slot else {
            let is_first = shared.unsent.is_empty();
            self.command.write_packed_command(&mut shared.unsent);
            let slot = shared.take_slot(waker.clone());
            shared.due.push_back(slot);
            drop(shared);
            if is_first {
                self.ends.unsent.notify_one();
            }
            self.slot = Some(slot);
            return Poll::Pending;
        };
        match mem::replace(&mut shared.slots[slot], Slot::Free) {
            Slot::Answered(reply) => {
                shared.free.push(slot);
                Poll::Ready(reply)
            }
            _ => {
                shared.slots[slot] = Slot::Waiting(waker.clone());
                Poll::Pending
            }
        }
    }
}

impl Lane {
    fn request<'a>(&'a self, command: &'a Cmd) -> Request<'a> {
        Request {
            ends: &self.0,
            command,
            slot: None,
        }
    }
}

impl Shares for Lane {
    const TAKES_CMD: bool = true;

    async fn get(&mut self, key: &'static str) -> usize {
        let mut command = redis::cmd("GET");
        command.arg(key);
        match self.request(&command).await {
            Value::BulkString(value) => value.len(),
            other => panic!("GET {key}: {other:?}"),
        }
    }

    async fn set(&mut self, value: &'static str) {
        let mut command = redis::cmd("SET");
        command.arg(KEY).arg(value);
        assert_eq!(self.request(&command).await, Value::Okay);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_whole_with_its_last_byte() {
        let value = Value::BulkString(b"abc".to_vec());
        assert_eq!(reply(b"$3\r\nabc\r\n+OK"), Some((value, 9)));
        assert_eq!(reply(b"+OK\r\n$3"), Some((Value::Okay, 5)));
        assert_eq!(reply(b"$3\r\nabc\r"), None);
        assert_eq!(reply(b"+O"), None);
    }
}
