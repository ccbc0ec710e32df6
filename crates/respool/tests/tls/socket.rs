//! What a look at a socket shows, where the other side is TLS in the hands of the test.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use respool::PoolConfig;
use respool_connect::{Look, Route, Socket};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio::io::AsyncReadExt;

use crate::authority::Authority;

type Server = StreamOwned<ServerConnection, TcpStream>;

/// Both ends of a connection whose handshake is over. What the server has written since, two session
/// tickets among it, has arrived: on this machine that takes no time.
async fn both_ends() -> (Arc<Socket>, Server) {
    let authority = Authority::new();
    let identity = authority.issue("127.0.0.1");
    let server =
        ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_file(identity.certificate).unwrap()],
                PrivateKeyDer::from_pem_file(identity.key).unwrap(),
            )
            .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rediss://{}", listener.local_addr().unwrap());
    let accepted = tokio::task::spawn_blocking(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        // What is written arrives at once, whatever of before was not acknowledged yet.
        tcp.set_nodelay(true).unwrap();
        let mut session = ServerConnection::new(Arc::new(server)).unwrap();
        while session.is_handshaking() || session.wants_write() {
            session.complete_io(&mut tcp).unwrap();
        }
        StreamOwned::new(session, tcp)
    });

    let mut config = PoolConfig::from_url(&url).unwrap();
    config.tls_ca = Some(authority.ca());
    let route = Route::new(&config).unwrap();
    let socket = route.connect().await.unwrap();
    route.secure(&socket).await.unwrap();
    (socket, accepted.await.unwrap())
}

#[tokio::test]
async fn session_tickets_are_nothing_unread() {
    let (socket, _server) = both_ends().await;
    assert_eq!(socket.look(), Look::Quiet);
}

#[tokio::test]
async fn what_a_look_finds_is_there_for_the_reader() {
    let (socket, mut server) = both_ends().await;
    server.write_all(b"+unasked\r\n").unwrap();
    assert_eq!(socket.look(), Look::Unread);
    assert_eq!(socket.look(), Look::Unread);
    let mut bytes = [0; 10];
    socket.stream().read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"+unasked\r\n");
}

#[tokio::test]
async fn a_look_wakes_the_reader_whose_bytes_it_took() {
    let (socket, mut server) = both_ends().await;
    let mut stream = socket.stream();
    let mut bytes = [0; 7];
    let mut read = std::pin::pin!(stream.read_exact(&mut bytes));
    let waiting = std::future::poll_fn(|context| {
        std::task::Poll::Ready(read.as_mut().poll(context).is_pending())
    });
    assert!(waiting.await);
    server.write_all(b"+hello\r\n").unwrap();
    // The reactor has had no turn since: it will find nothing there.
    assert_eq!(socket.look(), Look::Unread);
    read.await.unwrap();
    assert_eq!(&bytes, b"+hello\r");
}

#[tokio::test]
async fn a_goodbye_is_seen_and_so_is_an_end_without_one() {
    let (socket, mut server) = both_ends().await;
    server.conn.send_close_notify();
    server.flush().unwrap();
    assert_eq!(socket.look(), Look::Ended);

    let (socket, server) = both_ends().await;
    drop(server);
    assert_eq!(socket.look(), Look::Ended);
}

#[tokio::test]
async fn the_server_hears_our_goodbye() {
    let (socket, mut server) = both_ends().await;
    socket.say_goodbye();
    let read = tokio::task::spawn_blocking(move || server.read(&mut [0; 16]).unwrap());
    // An end without a goodbye would be an error here.
    assert_eq!(read.await.unwrap(), 0);
}
