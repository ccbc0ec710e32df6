//! [`Intake`]: what a client sends, read as it comes and whenever somebody asks for a count.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, error::TrySendError};

use super::link::{CHUNK_BYTES, CHUNKS_WAITING, Chunk};
use crate::connection_count::OpenConnection;

/// The reading side of a client's connection, which counts as open until its end is read.
///
/// The link's task reads whenever the runtime tells it to, which may be a while after the client has
/// left; the switchboard reads before it answers a count. Both run on the proxy's thread.
pub(super) struct Intake {
    client: Arc<TcpStream>,
    /// `None` once the client's end was read, or the link is at its own.
    open: Mutex<Option<Open>>,
}

struct Open {
    chunks: mpsc::Sender<Chunk>,
    /// Dropped with the sender: whoever sees the end finds it counted.
    _counted: OpenConnection,
}

/// How a reading left off.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Nothing will come any more.
    Nothing,
    /// Nothing has come yet.
    Silence,
    /// As much waits as may.
    NoRoom,
}

impl Intake {
    pub(super) fn new(
        client: Arc<TcpStream>,
        counted: OpenConnection,
    ) -> (Arc<Intake>, mpsc::Receiver<Chunk>) {
        let (chunks, waiting) = mpsc::channel(CHUNKS_WAITING);
        let open = Open {
            chunks,
            _counted: counted,
        };
        let intake = Intake {
            client,
            open: Mutex::new(Some(open)),
        };
        (Arc::new(intake), waiting)
    }

    /// Reads until the end, whether FIN or RST, or until nobody wants it.
    pub(super) async fn read_all(&self) {
        while self.client.readable().await.is_ok() {
            match self.read(|buffer| self.client.try_read(buffer)) {
                Left::Nothing => return,
                Left::Silence => {}
                Left::NoRoom => self.wait_for_room().await,
            }
        }
        self.close();
    }

    /// Reads what has come by now. The kernel is asked directly, since the runtime may not have
    /// heard of it yet.
    pub(super) fn catch_up(&self) {
        self.read(|buffer| (&*SockRef::from(&*self.client)).read(buffer));
    }

    /// Counts the connection as closed, and reads no more.
    pub(super) fn close(&self) {
        drop(self.open().take());
    }

    fn read(&self, mut read_into: impl FnMut(&mut [u8]) -> io::Result<usize>) -> Left {
        let mut open = self.open();
        let mut buffer = [0; CHUNK_BYTES];
        while let Some(Open { chunks, .. }) = &*open {
            let room = match chunks.try_reserve() {
                Ok(room) => room,
                Err(TrySendError::Full(())) => return Left::NoRoom,
                Err(TrySendError::Closed(())) => break,
            };
            match read_into(&mut buffer) {
                Ok(length) if length > 0 => room.send(Chunk::now(&buffer[..length])),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Left::Silence,
                _ => break,
            }
        }
        open.take();
        Left::Nothing
    }

    async fn wait_for_room(&self) {
        let chunks = self.open().as_ref().map(|open| open.chunks.clone());
        if let Some(chunks) = chunks {
            // An error means that nobody wants it, which the next reading finds too.
            let _ = chunks.reserve().await;
        }
    }

    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
