//! What a look at a socket shows, where the other side is TLS in the hands of the test.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use respool::PoolConfig;
use respool_connect::{Look, Route, Socket};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::authority::Authority;

type Server = StreamOwned<ServerConnection, TcpStream>;

/// Both ends of a connection whose handshake is over. What the server has written since, two session
/// tickets among it, has arrived: on this machine that takes no time.
async fn both_ends() -> (Arc<Socket>, Server) {
    let authority = Authority::new();
    let (route, accepted) = listen(&authority, None);
    let socket = route.connect().await.unwrap();
    route.secure(&socket).await.unwrap();
    let (session, tcp) = accepted.await.unwrap();
    (socket, StreamOwned::new(session, tcp))
}

/// The route to a server that accepts one connection and performs its handshake, well or badly.
fn listen(
    authority: &Authority,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
) -> (Route, JoinHandle<(ServerConnection, TcpStream)>) {
    let identity = authority.issue("127.0.0.1");
    let server = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.unwrap_or_else(WebPkiClientVerifier::no_client_auth))
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
            if session.complete_io(&mut tcp).is_err() {
                break;
            }
        }
        (session, tcp)
    });

    let mut config = PoolConfig::from_url(&url).unwrap();
    config.tls_ca = Some(authority.ca());
    (Route::new(&config).unwrap(), accepted)
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
    let (waits, until_it_waits) = oneshot::channel();
    let reader = tokio::spawn(async move {
        let mut bytes = [0; 8];
        let mut read = pin!(stream.read_exact(&mut bytes));
        let begun = poll_fn(|context| Poll::Ready(read.as_mut().poll(context).is_pending()));
        waits.send(begun.await).unwrap();
        read.await.unwrap();
        bytes
    });
    assert!(until_it_waits.await.unwrap());
    server.write_all(b"+hello\r\n").unwrap();
    // The runtime has had no turn since: when it has one, the socket is empty.
    assert_eq!(socket.look(), Look::Unread);
    assert_eq!(&reader.await.unwrap(), b"+hello\r\n");
}

// Elsewhere, what has arrived may go with the connection.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_that_hung_up_is_asked_why_before_a_broken_pipe_is_reported() {
    let authority = Authority::new();
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(authority.ca()).unwrap())
        .unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots.into(), ring::default_provider().into())
            .build()
            .unwrap();
    let (route, accepted) = listen(&authority, Some(verifier));
    let socket = route.connect().await.unwrap();
    // By TLS 1.3, the client is done before the server has seen that its certificate is missing.
    route.secure(&socket).await.unwrap();
    let (_, tcp) = accepted.await.unwrap();
    let mut stream = socket.stream();
    stream.write_all(b"never read").await.unwrap();
    drop(tcp);
    let error = stream.write_all(b"too late").await.unwrap_err();
    assert!(error.to_string().contains("tls_cert"), "{error}");
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
