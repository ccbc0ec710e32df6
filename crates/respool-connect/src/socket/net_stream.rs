use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use super::Look;
#[cfg(feature = "tls")]
use crate::tls::TlsStream;

/// What a socket is made of.
pub(super) enum NetStream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream>),
}

impl NetStream {
    pub(super) fn sock_ref(&self) -> SockRef<'_> {
        match self {
            NetStream::Tcp(stream) => SockRef::from(stream),
            #[cfg(unix)]
            NetStream::Unix(stream) => SockRef::from(stream),
            #[cfg(feature = "tls")]
            NetStream::Tls(stream) => SockRef::from(stream.tcp()),
        }
    }

    /// Whether what is written goes no further until it is flushed.
    pub(super) fn keeps_back(&self) -> bool {
        match self {
            NetStream::Tcp(_) => false,
            #[cfg(unix)]
            NetStream::Unix(_) => false,
            #[cfg(feature = "tls")]
            NetStream::Tls(_) => true,
        }
    }

    /// Moving works even when the runtime it came from has ended.
    pub(super) fn registered_here(self) -> io::Result<Self> {
        Ok(match self {
            NetStream::Tcp(stream) => NetStream::Tcp(TcpStream::from_std(stream.into_std()?)?),
            #[cfg(unix)]
            NetStream::Unix(stream) => NetStream::Unix(UnixStream::from_std(stream.into_std()?)?),
            #[cfg(feature = "tls")]
            NetStream::Tls(stream) => NetStream::Tls(Box::new(stream.registered_here()?)),
        })
    }

    /// Whether the runtime knows of something to be read.
    pub(super) fn has_news(&self) -> bool {
        let nothing = || Err(io::ErrorKind::Interrupted.into());
        let asked: io::Result<()> = match self {
            NetStream::Tcp(stream) => stream.try_io(Interest::READABLE, nothing),
            #[cfg(unix)]
            NetStream::Unix(stream) => stream.try_io(Interest::READABLE, nothing),
            #[cfg(feature = "tls")]
            NetStream::Tls(stream) => stream.tcp().try_io(Interest::READABLE, nothing),
        };
        asked.is_err_and(|error| error.kind() == io::ErrorKind::Interrupted)
    }

    pub(super) fn look(&mut self) -> Look {
        #[cfg(feature = "tls")]
        if let NetStream::Tls(stream) = self {
            return stream.look().unwrap_or(Look::Ended);
        }
        let mut byte = [MaybeUninit::uninit()];
        match self.sock_ref().peek(&mut byte) {
            Ok(0) => Look::Ended,
            Ok(_) => Look::Unread,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Look::Quiet,
            Err(_) => Look::Ended,
        }
    }

    /// Reads without waiting, and without asking the runtime.
    pub(super) fn read(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let NetStream::Tls(stream) = self {
            return stream.read(buffer);
        }
        let read = (&*self.sock_ref()).read(buffer.initialize_unfilled())?;
        buffer.advance(read);
        Ok(())
    }

    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            NetStream::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            #[cfg(unix)]
            NetStream::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
            #[cfg(feature = "tls")]
            NetStream::Tls(stream) => stream.poll_read(context, buffer),
        }
    }

    pub(super) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            NetStream::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            #[cfg(unix)]
            NetStream::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            #[cfg(feature = "tls")]
            NetStream::Tls(stream) => stream.poll_write(context, bytes),
        }
    }

    /// Only TLS keeps anything back.
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            #[cfg(feature = "tls")]
            NetStream::Tls(stream) => stream.poll_flush(context),
            _ => {
                let _ = context;
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Tells the server that nothing more will come. Already gone is as good.
    pub(super) fn say_goodbye(&mut self) {
        #[cfg(feature = "tls")]
        if let NetStream::Tls(stream) = self {
            stream.say_goodbye();
        }
        let _ = self.sock_ref().shutdown(std::net::Shutdown::Write);
    }

    /// Reads what nobody wants any more, without waiting; 0 at the end.
    pub(super) fn discard(&self) -> io::Result<usize> {
        let mut buffer = [MaybeUninit::uninit(); 1024];
        self.sock_ref().recv(&mut buffer)
    }

    /// The same, waiting for some.
    pub(super) fn poll_discard(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            // What it says is of no use: it needs no decrypting.
            #[cfg(feature = "tls")]
            NetStream::Tls(stream) => Pin::new(stream.tcp_mut()).poll_read(context, buffer),
            _ => self.poll_read(context, buffer),
        }
    }
}
