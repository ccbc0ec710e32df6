use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};

/// After how long the next address of a name is tried beside one that is silent, as RFC 8305 has it
/// (<https://www.rfc-editor.org/rfc/rfc8305#section-5>).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// How long a silent connection lives before the operating system asks the other side.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Connects to whichever address of `host` answers. Dropping the future gives up.
pub(super) async fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = connect_one_of(lookup_host((host, port)).await?).await?;
    // Commands are written whole, so waiting to fill a packet only costs time.
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE))?;
    Ok(stream)
}

/// The first of `addresses` that answers. Each that is silent has the next one tried beside it, so that
/// it costs no more than a moment of `connect_timeout`.
async fn connect_one_of(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut addresses = addresses.peekable();
    let mut attempts = FuturesUnordered::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        match addresses.next() {
            Some(address) => attempts.push(TcpStream::connect(address)),
            None if attempts.is_empty() => return Err(failure),
            None => {}
        }
        let outcome = match addresses.peek() {
            None => attempts.next().await,
            Some(_) => match tokio::time::timeout(NEXT_ADDRESS_AFTER, attempts.next()).await {
                Ok(outcome) => outcome,
                Err(_) => continue,
            },
        };
        match outcome {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => failure = error,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket as Plain, Type};
    use tokio::net::TcpListener;

    use super::*;

    /// Nobody accepts, and there is room for no more, so that the next to come hears nothing.
    fn silent() -> (SocketAddr, Plain, Vec<Plain>) {
        let listener = Plain::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        listener.bind(&any.into()).unwrap();
        listener.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let waiting = (0..8).map(|_| {
            let waits = Plain::new(Domain::IPV4, Type::STREAM, None).unwrap();
            waits.set_nonblocking(true).unwrap();
            let _ = waits.connect(&address);
            waits
        });
        let waiting = waiting.collect();
        (address.as_socket().unwrap(), listener, waiting)
    }

    #[tokio::test]
    async fn a_silent_address_does_not_keep_the_next_from_being_tried() {
        let (silent, _listener, _waiting) = silent();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let alone = connect_one_of([silent].into_iter());
        let alone = tokio::time::timeout(2 * NEXT_ADDRESS_AFTER, alone).await;
        assert!(alone.is_err(), "that address is not silent");
        let both = connect_one_of([silent, good].into_iter()).await;
        assert_eq!(both.unwrap().peer_addr().unwrap(), good);
    }

    #[tokio::test]
    async fn the_last_failure_is_told_where_no_address_answers() {
        let gone = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let error = connect_one_of([gone, gone].into_iter()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = connect_one_of([].into_iter()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
