//! What can't be left out: a mutex over what is idle and who waits, and a socket in it. No look at
//! the connection, no time-out, no session, no recovery; it is the distance to zero, not a pool.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::{Asks, KEY, Lends, VALUE};

/// Lends `T`s, and hands each from its holder to the one who has waited longest. A get that is
/// given up may lose a `T`: nobody here gives up.
pub(crate) struct HandOff<T> {
    shared: Arc<Mutex<Shared<T>>>,
}

struct Shared<T> {
    idle: Vec<T>,
    waiters: VecDeque<oneshot::Sender<T>>,
}

impl<T> HandOff<T> {
    fn of(idle: Vec<T>) -> Self {
        let waiters = VecDeque::new();
        HandOff {
            shared: Arc::new(Mutex::new(Shared { idle, waiters })),
        }
    }

    fn give_back(&self, mut object: T) {
        loop {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(waiter) = shared.waiters.pop_front() else {
                return shared.idle.push(object);
            };
            drop(shared);
            match waiter.send(object) {
                Ok(()) => return,
                Err(back) => object = back,
            }
        }
    }
}

impl<T> Clone for HandOff<T> {
    fn clone(&self) -> Self {
        HandOff {
            shared: self.shared.clone(),
        }
    }
}

impl<T: Send + 'static> Lends for HandOff<T> {
    type Held<'pool> = Lent<'pool, T>;

    async fn get(&self) -> Lent<'_, T> {
        let waits = {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            match shared.idle.pop() {
                Some(object) => return Lent::new(self, object),
                None => {
                    let (sender, receiver) = oneshot::channel();
                    shared.waiters.push_back(sender);
                    receiver
                }
            }
        };
        Lent::new(self, waits.await.expect("the pool outlives its waiters"))
    }
}

/// One `T`, given back on drop.
pub(crate) struct Lent<'pool, T> {
    pool: &'pool HandOff<T>,
    object: Option<T>,
}

impl<'pool, T> Lent<'pool, T> {
    fn new(pool: &'pool HandOff<T>, object: T) -> Self {
        Lent {
            pool,
            object: Some(object),
        }
    }
}

impl<T> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            self.pool.give_back(object);
        }
    }
}

/// Numbers in a bare pool.
pub(crate) fn bare_objects(size: usize) -> HandOff<u64> {
    HandOff::of((0..size as u64).collect())
}

/// A stream with the request ready and room for the reply.
pub(crate) struct BareSocket {
    stream: TcpStream,
    request: Vec<u8>,
    reply: Vec<u8>,
}

impl BareSocket {
    /// A bare pool of them, every one connected.
    pub(crate) async fn pool(url: &str, size: usize) -> HandOff<BareSocket> {
        let address = url
            .trim_start_matches("redis://")
            .trim_end_matches("/0")
            .to_owned();
        let mut sockets = Vec::new();
        for _ in 0..size {
            let stream = TcpStream::connect(&address).await.expect("a connection");
            stream.set_nodelay(true).expect("a TCP socket");
            sockets.push(BareSocket {
                stream,
                request: format!("*2\r\n$3\r\nGET\r\n${}\r\n{KEY}\r\n", KEY.len()).into_bytes(),
                reply: Vec::with_capacity(512),
            });
        }
        HandOff::of(sockets)
    }

    async fn ask(&mut self) -> Vec<u8> {
        self.stream.write_all(&self.request).await.expect("a write");
        self.reply.clear();
        loop {
            let read = self.stream.read_buf(&mut self.reply).await.expect("a read");
            assert!(read > 0, "the server closed");
            if let Some(value) = bulk_string(&self.reply) {
                return value.to_vec();
            }
        }
    }
}

/// The value of a whole `$100\r\n...\r\n`; `None` while some of it is missing.
fn bulk_string(reply: &[u8]) -> Option<&[u8]> {
    let end_of_line = reply.iter().position(|&byte| byte == b'\n')?;
    let length: usize = std::str::from_utf8(&reply[1..end_of_line - 1])
        .ok()?
        .parse()
        .expect("a length");
    let start = end_of_line + 1;
    (reply.len() >= start + length + 2).then(|| &reply[start..start + length])
}

impl Asks for HandOff<BareSocket> {
    async fn ask(held: &mut Self::Held<'_>) -> Vec<u8> {
        let socket = held.object.as_mut().expect("it is lent until the drop");
        let value = socket.ask().await;
        assert_eq!(value.len(), VALUE);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_whole_with_its_last_byte() {
        assert_eq!(bulk_string(b"$3\r\nabc\r\n"), Some(&b"abc"[..]));
        assert_eq!(bulk_string(b"$3\r\nabc\r"), None);
        assert_eq!(bulk_string(b"$"), None);
    }
}
