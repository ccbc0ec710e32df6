//! [`ReservedPort`]: a free loopback port that stays ours.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};

use socket2::{Domain, Socket, Type};

const BACKLOG: i32 = 1024;

/// A loopback port that nobody else gets while this value lives, though nobody
/// listens on it until [`listen`](ReservedPort::listen), or another process of
/// ours, does.
///
/// On Linux a socket that is bound but never listens holds the port: whoever
/// sets SO_REUSEADDR may bind it too (redis-server and we do), while the kernel
/// gives it neither to `bind(0)` nor to an outgoing connection. Connecting to
/// it meanwhile is refused. Elsewhere two sockets can't share a port like this,
/// so there the port is merely known to have been free a moment ago.
pub(crate) struct ReservedPort {
    port: u16,
    _placeholder: Option<Socket>,
}

impl ReservedPort {
    pub(crate) fn any() -> io::Result<ReservedPort> {
        let socket = bind(0)?;
        let port = socket
            .local_addr()?
            .as_socket()
            .map(|address| address.port())
            .ok_or_else(|| io::Error::other("a TCP socket without a port"))?;
        Ok(ReservedPort {
            port,
            _placeholder: cfg!(target_os = "linux").then_some(socket),
        })
    }

    pub(crate) fn number(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> SocketAddr {
        loopback(self.port).into()
    }

    /// A non-blocking listener on this port.
    pub(crate) fn listen(&self) -> io::Result<TcpListener> {
        let socket = bind(self.port)?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    }
}

fn bind(port: u16) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // On Windows this option lets strangers steal the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&loopback(port).into())?;
    Ok(socket)
}

fn loopback(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)
}
