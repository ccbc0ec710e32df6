mod connect;
mod net_stream;
mod stream;

use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use redis::ConnectionAddr;
use respool_core::PoolError;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::runtime::{Handle, Id};

use crate::frames::Violation;
#[cfg(feature = "tls")]
use crate::tls::{TlsFailure, TlsSettings, TlsStream};
use crate::{CloseNow, Parting};
use connect::connect_tcp;
use net_stream::NetStream;
pub use stream::SocketStream;

/// How much of the first reply is kept for an error message: what Redis says in protected mode is more
/// than a thousand bytes.
const FIRST_REPLY: usize = 2048;

/// The first byte of an alert by TLS (RFC 8446, section 5.1). No reply of Redis begins with it.
const TLS_ALERT: u8 = 0x15;

/// How long a server that refuses connections may take to say why.
const FIRST_WORDS: Duration = Duration::from_millis(50);

/// Whether an error says that the server does not serve this connection: it is full, loading, a
/// replica that may not answer, in protected mode, or wants a login.
pub fn turns_away(code: &str, detail: &str) -> bool {
    matches!(code, "NOAUTH" | "LOADING" | "MASTERDOWN" | "DENIED")
        || detail.contains("max number of clients")
}

/// A socket that others than its reader and writer can look at, close, and move.
///
/// The redis crate reads and writes it through [`SocketStream`]; everybody else shares this. The
/// lock is held for a system call or, with TLS, a few; never across an await.
pub struct Socket {
    net: Mutex<Option<Net>>,
    /// What is written may be kept back until it is flushed: by TLS.
    keeps_back: bool,
    /// The stream has ended, failed, or was dropped: costs nothing to read.
    ended: AtomicBool,
    reads: AtomicU64,
    is_receiving_large_reply: AtomicBool,
    /// Requests that began to be written, less replies that have arrived whole.
    owed: AtomicI64,
    /// Something was found unread that the runtime may not know of yet.
    read_now: AtomicBool,
    /// How the server broke the protocol.
    violation: OnceLock<Violation>,
    /// Whether what the server sends is still kept in `first_reply`.
    handshaking: AtomicBool,
    first_reply: Mutex<Option<Vec<u8>>>,
}

/// A stream with the runtime that its readiness comes from.
struct Net {
    stream: NetStream,
    home: Id,
}

/// What a look at an idle socket shows, without waiting and without a round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing has happened.
    Quiet,
    /// Bytes that nobody asked for, or nobody has read.
    Unread,
    /// The other side has closed it, or it failed.
    Ended,
}

impl Socket {
    /// Connects to `address`, trying every address of a name. Dropping the future gives up.
    ///
    /// # Errors
    ///
    /// What the operating system says; `Unsupported` for an address of another kind, such as one by
    /// TLS, which takes a [`Route`](crate::Route).
    pub async fn connect(address: &ConnectionAddr) -> io::Result<Arc<Socket>> {
        let stream = match address {
            ConnectionAddr::Tcp(host, port) => NetStream::Tcp(connect_tcp(host, *port).await?),
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => NetStream::Unix(UnixStream::connect(path).await?),
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "an address of this kind can't be used here",
                ));
            }
        };
        Ok(Socket::over(stream))
    }

    /// The same by TLS, which isn't agreed on yet: the first to read or write does that.
    #[cfg(feature = "tls")]
    pub(crate) async fn connect_by_tls(
        host: &str,
        port: u16,
        settings: Arc<TlsSettings>,
    ) -> io::Result<Arc<Socket>> {
        let stream = TlsStream::new(connect_tcp(host, port).await?, settings)?;
        Ok(Socket::over(NetStream::Tls(Box::new(stream))))
    }

    fn over(stream: NetStream) -> Arc<Socket> {
        let keeps_back = stream.keeps_back();
        Arc::new(Socket {
            keeps_back,
            net: Mutex::new(Some(Net {
                stream,
                home: Handle::current().id(),
            })),
            ended: AtomicBool::new(false),
            reads: AtomicU64::new(0),
            is_receiving_large_reply: AtomicBool::new(false),
            owed: AtomicI64::new(0),
            read_now: AtomicBool::new(false),
            violation: OnceLock::new(),
            handshaking: AtomicBool::new(true),
            first_reply: Mutex::new(Some(Vec::new())),
        })
    }

    /// The reading and writing side. When it is dropped the socket counts as ended.
    pub fn stream(self: &Arc<Self>) -> SocketStream {
        SocketStream::new(self.clone())
    }

    /// Reads what has come, or has `context` woken when something does. Nothing read into a buffer
    /// with room means that the server has ended the connection.
    pub fn poll_read(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = match self.read_at_once(buffer) {
            Some(read) => Poll::Ready(read),
            None => self.with_net(|stream| stream.poll_read(context, buffer)),
        };
        if let Poll::Ready(Ok(())) = outcome
            && buffer.filled().len() == before
            && buffer.remaining() > 0
        {
            self.ended.store(true, Ordering::Release);
        }
        outcome
    }

    /// Reads what has come, whatever the runtime knows of it: works anywhere, and where nothing has come
    /// nobody is woken later.
    pub fn read_without_waiting(&self, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = match self.net().as_mut() {
            Some(net) => net.stream.read(buffer),
            None => Err(io::ErrorKind::NotConnected.into()),
        };
        match &read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Poll::Pending,
            Ok(()) if buffer.filled().len() > before || buffer.remaining() == 0 => {}
            _ => self.ended.store(true, Ordering::Release),
        }
        Poll::Ready(read)
    }

    /// Writes as much as there is room for, or has `context` woken when there is some.
    pub fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.with_net(|stream| stream.poll_write(context, bytes))
    }

    /// Sends what was written and is kept back, which only TLS does.
    pub fn poll_flush(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.keeps_back {
            return Poll::Ready(Ok(()));
        }
        self.with_net(|stream| stream.poll_flush(context))
    }

    /// What there is to read, where the socket was seen to have something.
    fn read_at_once(&self, buffer: &mut ReadBuf<'_>) -> Option<io::Result<()>> {
        if !self.read_now.load(Ordering::Relaxed) {
            return None;
        }
        let read = self.net().as_mut()?.stream.read(buffer);
        if read
            .as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        {
            self.read_now.store(false, Ordering::Relaxed);
            return None;
        }
        Some(read)
    }

    fn with_net<T>(
        &self,
        operation: impl FnOnce(&mut NetStream) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let outcome = match self.net().as_mut() {
            Some(net) => operation(&mut net.stream),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        };
        if matches!(outcome, Poll::Ready(Err(_))) {
            self.ended.store(true, Ordering::Release);
        }
        outcome
    }

    /// Whether the runtime knows of something that happened to the socket: bytes, or its end. Costs
    /// no system call, and sees only what the runtime has had a turn to notice.
    pub fn has_news(&self) -> bool {
        self.net().as_ref().is_none_or(|net| net.stream.has_news())
    }

    /// Whether the stream has ended, failed, or was dropped, as far as anybody noticed.
    #[inline]
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Looks at the socket: one system call, no waiting, nothing lost to whoever reads it.
    ///
    /// It asks the operating system rather than tokio, whose readiness comes with the next turn
    /// of a reactor that may not be running. With TLS it decrypts what has arrived: much of that is
    /// nothing that anybody could read.
    pub fn look(&self) -> Look {
        if self.has_ended() {
            return Look::Ended;
        }
        match self.net().as_mut() {
            Some(net) => net.stream.look(),
            None => Look::Ended,
        }
    }

    /// Makes the current runtime the one that the socket's readiness comes from, and says whether it
    /// was another before. Costs a comparison when it was not.
    ///
    /// # Errors
    ///
    /// What the operating system says when it refuses to register the socket; [`PoolError::NoRuntime`]
    /// outside a tokio runtime.
    ///
    /// # Panics
    ///
    /// On a runtime whose I/O is not enabled.
    pub fn move_to_this_runtime(&self) -> io::Result<bool> {
        let here = match Handle::try_current() {
            Ok(here) => here.id(),
            Err(_) => return Err(io::Error::other(PoolError::NoRuntime)),
        };
        let mut net = self.net();
        let moves = net.as_ref().is_some_and(|net| net.home != here);
        match net.take() {
            Some(there) if there.home == here => *net = Some(there),
            Some(there) => {
                *net = Some(Net {
                    stream: there.stream.registered_here()?,
                    home: here,
                });
            }
            None => {}
        }
        Ok(moves)
    }

    /// Tells the server that nothing more will come. It then closes its side, which is how the
    /// ledger knows that it has let go. Works anywhere.
    pub fn say_goodbye(&self) {
        self.ended.store(true, Ordering::Release);
        if let Some(net) = self.net().as_mut() {
            net.stream.say_goodbye();
        }
    }

    /// Closes it for good and at once, both ways: for a server that would never hear a goodbye.
    pub fn hang_up(&self) {
        self.ended.store(true, Ordering::Release);
        let net = self.net().take();
        drop(net);
    }

    /// Whether the server has closed its side.
    pub(crate) fn server_has_let_go(&self) -> bool {
        let net = self.net();
        match net.as_ref() {
            None => true,
            Some(net) => loop {
                match net.stream.discard() {
                    Ok(0) => return true,
                    Ok(_) => {}
                    Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
                }
            },
        }
    }

    /// Waits until the server has closed its side. Dropping it changes nothing.
    pub(crate) async fn until_server_lets_go(&self) {
        if self.move_to_this_runtime().is_err() {
            return;
        }
        let mut buffer = [0; 1024];
        loop {
            let read = poll_fn(|context| {
                let mut buffer = ReadBuf::new(&mut buffer);
                match self.net().as_mut() {
                    None => Poll::Ready(Ok(0)),
                    Some(net) => net
                        .stream
                        .poll_discard(context, &mut buffer)
                        .map_ok(|()| buffer.filled().len()),
                }
            });
            match read.await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    /// Why a server refuses connections: what it says before it hangs up, or in answer to a PING,
    /// if that is an error or no Redis at all. For libraries that don't pass it on. Opens a
    /// connection of its own; bounded in time.
    pub async fn ask_why(address: &ConnectionAddr) -> Option<redis::RedisError> {
        match Socket::first_words(address).await? {
            (socket, 0 | b'+' | b'-') => socket.first_error(),
            _ => Some((redis::ErrorKind::Parse, "what it says is not RESP").into()),
        }
    }

    /// Whether a server of Redis answers at `address`. Bounded in time, like [`Socket::ask_why`].
    #[cfg(feature = "tls")]
    pub(crate) async fn speaks_redis_at(address: &ConnectionAddr) -> bool {
        matches!(Socket::first_words(address).await, Some((_, b'+' | b'-')))
    }

    /// What a server says by itself or in answer to a PING, and its first byte; 0 for nothing.
    async fn first_words(address: &ConnectionAddr) -> Option<(Arc<Socket>, u8)> {
        let heard = async {
            let socket = Socket::connect(address).await.ok()?;
            let mut stream = socket.stream();
            let mut buffer = vec![0; FIRST_REPLY];
            // A full server speaks first; writing to it may lose what it said.
            let first = tokio::time::timeout(FIRST_WORDS, stream.read(&mut buffer)).await;
            if first.is_err() {
                stream.write_all(b"*1\r\n$4\r\nPING\r\n").await.ok()?;
                let _ = stream.read(&mut buffer).await;
            }
            Some((socket, buffer[0]))
        };
        tokio::time::timeout(4 * FIRST_WORDS, heard).await.ok()?
    }

    /// Waits until TLS is agreed on; at once without TLS. Dropping it changes nothing.
    #[cfg(feature = "tls")]
    pub(crate) async fn until_secure(&self) -> io::Result<()> {
        poll_fn(|context| match self.net().as_mut() {
            Some(net) => match &mut net.stream {
                NetStream::Tls(stream) => stream.poll_handshake(context),
                _ => Poll::Ready(Ok(())),
            },
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        })
        .await
    }

    /// Whether the server ever said anything by TLS.
    #[cfg(feature = "tls")]
    pub(crate) fn has_heard(&self) -> bool {
        self.by_tls(TlsStream::has_heard).unwrap_or(false)
    }

    /// Why TLS failed, if it did.
    #[cfg(feature = "tls")]
    pub(crate) fn tls_failure(&self) -> Option<TlsFailure> {
        self.by_tls(|stream| stream.failure().cloned())?
    }

    #[cfg(feature = "tls")]
    fn by_tls<T>(&self, look: impl FnOnce(&TlsStream) -> T) -> Option<T> {
        match &self.net().as_ref()?.stream {
            NetStream::Tls(stream) => Some(look(stream)),
            _ => None,
        }
    }

    /// Why the server turns us away, if that is the first thing it ever said. Other errors may
    /// be harmless: servers before 7.2 answer a handshake's CLIENT SETINFO with one.
    pub fn first_error(&self) -> Option<redis::RedisError> {
        let line = self.first_error_line()?;
        let (code, detail) = line.split_once(' ').unwrap_or((&line, ""));
        turns_away(code, detail)
            .then(|| redis::make_extension_error(code.to_owned(), Some(detail.to_owned())))
    }

    /// Whether what the server said so far begins as a reply does.
    pub fn speaks_redis(&self) -> bool {
        const TYPES: &[u8] = b"+-:$*_#,(!=%~>|";
        match self.first_reply().as_deref() {
            Some([first, ..]) => TYPES.contains(first),
            _ => true,
        }
    }

    /// Whether what the server said first is an alert by TLS. Without TLS on this side, that is how a
    /// server that wants it may refuse what it doesn't understand.
    pub(crate) fn first_said_by_tls(&self) -> bool {
        self.first_reply()
            .as_ref()
            .is_some_and(|bytes| bytes.first() == Some(&TLS_ALERT))
    }

    /// The first line that the server ever sent, without its line end, if it is an error; as much of it
    /// as has arrived and is kept.
    fn first_error_line(&self) -> Option<String> {
        let first_reply = self.first_reply();
        let bytes = first_reply.as_ref()?.strip_prefix(b"-")?;
        let end = bytes.windows(2).position(|pair| pair == b"\r\n");
        let line = &bytes[..end.unwrap_or(bytes.len())];
        Some(String::from_utf8_lossy(line).into_owned())
    }

    /// How often something was read from the server: when it grows, the server answers.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Whether a reply of more than 64 KiB has begun to arrive and has not arrived whole: what was
    /// asked for after it has to wait. Costs an atomic load.
    pub fn is_receiving_large_reply(&self) -> bool {
        self.is_receiving_large_reply.load(Ordering::Relaxed)
    }

    /// The handshake is over: stops keeping what the server sends. From now on a reply that nobody
    /// asked for ends the connection; before, a server may speak first, to turn us away.
    pub fn handshake_is_over(&self) {
        self.handshaking.store(false, Ordering::Relaxed);
        *self.first_reply() = None;
    }

    /// Whether something has arrived while no reply is owed: one that would be taken for
    /// somebody's, or a message that the server pushes. Costs a system call at most.
    pub fn has_unasked(&self) -> bool {
        self.owed.load(Ordering::Relaxed) <= 0 && self.look() == Look::Unread
    }

    /// Whether a request was written, or begun, that has no reply yet.
    pub fn is_owed(&self) -> bool {
        self.owed.load(Ordering::Relaxed) > 0
    }

    /// The next read takes what is there, whether the runtime knows of it or not.
    pub fn read_now(&self) {
        self.read_now.store(true, Ordering::Relaxed);
    }

    /// How the server broke the protocol, if it did: why the connection has ended.
    pub fn violation(&self) -> Option<redis::RedisError> {
        let what = self.violation.get()?;
        Some((redis::ErrorKind::Parse, "protocol error", what.to_string()).into())
    }

    /// Keeps the beginning of what the server says while it does not serve yet, for an error message.
    pub fn keep_first_reply(&self, bytes: &[u8]) {
        if !self.handshaking.load(Ordering::Relaxed) {
            return;
        }
        if let Some(first_reply) = self.first_reply().as_mut() {
            let room = FIRST_REPLY.saturating_sub(first_reply.len());
            first_reply.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    fn net(&self) -> MutexGuard<'_, Option<Net>> {
        self.net
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn first_reply(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        self.first_reply
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl CloseNow for Socket {
    fn close_now(&self) {
        self.ended.store(true, Ordering::Release);
        if let Some(net) = self.net().as_ref() {
            let _ = net.stream.sock_ref().shutdown(std::net::Shutdown::Both);
        }
    }

    fn part(self: Arc<Self>) -> Parting {
        self.say_goodbye();
        Parting::Watched(self)
    }

    fn has_ended(&self) -> bool {
        self.look() == Look::Ended
    }
}
