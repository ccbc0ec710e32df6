use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use rustls::ClientConnection;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::{TlsFailure, TlsSettings};
use crate::Look;

/// TLS on a TCP stream. Reading and writing shake hands first; what comes out is never a record that
/// carries no plaintext, such as the session tickets that a server sends unasked.
///
/// It is rustls on the bare socket rather than a stream of tokio-rustls, because others than the
/// reader look into it, outside any runtime too, and because it moves between runtimes.
pub(crate) struct TlsStream {
    tcp: TcpStream,
    session: ClientConnection,
    settings: Arc<TlsSettings>,
    /// Who waits for something to read. A look takes it from the socket before the runtime hears of
    /// it, which then has nothing left to wake anybody for.
    reader: Option<Waker>,
    has_heard: bool,
    failure: Option<TlsFailure>,
}

impl TlsStream {
    pub(crate) fn new(tcp: TcpStream, settings: Arc<TlsSettings>) -> io::Result<Self> {
        let session = ClientConnection::new(settings.client.clone(), settings.server_name.clone())
            .map_err(io::Error::other)?;
        Ok(TlsStream {
            tcp,
            session,
            settings,
            reader: None,
            has_heard: false,
            failure: None,
        })
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// What the server sends, not decrypted.
    pub(crate) fn tcp_mut(&mut self) -> &mut TcpStream {
        &mut self.tcp
    }

    /// Why it failed, if it did.
    pub(crate) fn failure(&self) -> Option<&TlsFailure> {
        self.failure.as_ref()
    }

    /// Whether the server ever said anything.
    pub(crate) fn has_heard(&self) -> bool {
        self.has_heard
    }

    pub(crate) fn registered_here(self) -> io::Result<Self> {
        Ok(TlsStream {
            tcp: TcpStream::from_std(self.tcp.into_std()?)?,
            ..self
        })
    }

    pub(crate) fn poll_handshake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.is_handshaking() {
            ready!(self.poll_flush(context))?;
            if self.session.is_handshaking() && ready!(self.poll_fill(context))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        self.poll_flush(context)
    }

    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            // Whoever waits for a reply waits for its request to go out, too.
            if let Poll::Ready(Err(error)) = self.poll_flush(context) {
                return Poll::Ready(Err(error));
            }
            if let Some(read) = self.read_plaintext(buffer) {
                return Poll::Ready(read);
            }
            ready!(self.poll_fill(context))?;
        }
    }

    pub(crate) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_handshake(context))?;
        loop {
            let taken = self.session.writer().write(bytes)?;
            let flushed = self.poll_flush(context)?;
            if taken > 0 || bytes.is_empty() {
                return Poll::Ready(Ok(taken));
            }
            ready!(flushed);
        }
    }

    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            let mut waiting = Waiting {
                tcp: &mut self.tcp,
                context,
            };
            match self.session.write_tls(&mut waiting) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                // A server that hung up may have said why: a better reason than a broken pipe.
                Err(error) => return Poll::Ready(Err(self.look().err().unwrap_or(error))),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// What is there to be read, without waiting, whether the runtime knows of it or not. Takes
    /// records from the socket until one has plaintext.
    pub(crate) fn look(&mut self) -> io::Result<Look> {
        loop {
            let state = self.process()?;
            if state.plaintext_bytes_to_read() > 0 {
                return Ok(Look::Unread);
            }
            if state.peer_has_closed() {
                return Ok(Look::Ended);
            }
            let read = self.session.read_tls(&mut &*SockRef::from(&self.tcp));
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Look::Quiet),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                _ => {}
            }
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
            match read? {
                0 => return Ok(Look::Ended),
                _ => self.has_heard = true,
            }
        }
    }

    /// Reads without waiting.
    pub(crate) fn read(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        loop {
            if let Some(read) = self.read_plaintext(buffer) {
                return read;
            }
            match self.look()? {
                Look::Unread => {}
                Look::Ended => return Ok(()),
                Look::Quiet => return Err(io::ErrorKind::WouldBlock.into()),
            }
        }
    }

    /// Tells the server that nothing more will come, as far as it goes without waiting.
    pub(crate) fn say_goodbye(&mut self) {
        self.session.send_close_notify();
        self.send_now();
    }

    /// `None`: nothing has been decrypted that wasn't read.
    fn read_plaintext(&mut self, buffer: &mut ReadBuf<'_>) -> Option<io::Result<()>> {
        match self.session.reader().read(buffer.initialize_unfilled()) {
            Ok(read) => buffer.advance(read),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            // An end without a goodbye. Replies say themselves how long they are: none that was cut
            // short is taken for a whole one.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Some(Err(error)),
        }
        Some(Ok(()))
    }

    /// Takes from the socket what there is, waiting for some; 0 at its end.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut waiting = Waiting {
            tcp: &mut self.tcp,
            context,
        };
        match self.session.read_tls(&mut waiting) {
            Ok(read) => {
                self.has_heard |= read > 0;
                self.process()?;
                Poll::Ready(Ok(read))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.reader = Some(context.waker().clone());
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn process(&mut self) -> Result<rustls::IoState, TlsFailure> {
        let has_greeted = self.session.protocol_version().is_some();
        self.session.process_new_packets().map_err(|cause| {
            // The server is told why, which is for its log.
            self.send_now();
            let failure = TlsFailure::new(cause, &self.settings, has_greeted);
            self.failure.get_or_insert(failure).clone()
        })
    }

    fn send_now(&mut self) {
        let socket = SockRef::from(&self.tcp);
        while self.session.wants_write() {
            match self.session.write_tls(&mut &*socket) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }
}

/// The socket as rustls wants it; where it would have to wait, the task is woken later.
struct Waiting<'a, 'context> {
    tcp: &'a mut TcpStream,
    context: &'a mut Context<'context>,
}

impl Read for Waiting<'_, '_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(bytes);
        match Pin::new(&mut *self.tcp).poll_read(self.context, &mut buffer) {
            Poll::Ready(read) => read.map(|()| buffer.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Waiting<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        or_would_block(Pin::new(&mut *self.tcp).poll_write(self.context, bytes))
    }

    fn write_vectored(&mut self, records: &[IoSlice<'_>]) -> io::Result<usize> {
        or_would_block(Pin::new(&mut *self.tcp).poll_write_vectored(self.context, records))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn or_would_block(written: Poll<io::Result<usize>>) -> io::Result<usize> {
    match written {
        Poll::Ready(written) => written,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
