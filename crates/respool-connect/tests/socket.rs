//! What a watched socket shows, and where it can go.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use redis::ConnectionAddr;
use respool_connect::{CloseNow, Look, Socket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

fn pair(runtime: &Runtime) -> (Arc<Socket>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = ConnectionAddr::Tcp("127.0.0.1".to_owned(), port);
    let socket = runtime.block_on(Socket::connect(&address)).unwrap();
    (socket, listener.accept().unwrap().0)
}

fn current_thread() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Loopback delivers in moments, but not before it delivers.
fn look_until(socket: &Socket, expected: Look) {
    let begun = std::time::Instant::now();
    while socket.look() != expected {
        assert!(begun.elapsed().as_secs() < 10, "still {:?}", socket.look());
        std::thread::yield_now();
    }
}

#[test]
fn a_look_sees_that_the_server_closed_although_no_reactor_runs() {
    let runtime = current_thread();
    let (socket, server) = pair(&runtime);
    assert_eq!(socket.look(), Look::Quiet);
    drop(server);
    look_until(&socket, Look::Ended);
}

#[test]
fn a_look_sees_bytes_and_leaves_them_there() {
    let runtime = current_thread();
    let (socket, mut server) = pair(&runtime);
    server.write_all(b"+OK").unwrap();
    look_until(&socket, Look::Unread);
    let mut bytes = [0; 3];
    runtime
        .block_on(socket.stream().read_exact(&mut bytes))
        .unwrap();
    assert_eq!(&bytes, b"+OK");
}

#[test]
fn a_socket_goes_on_after_its_runtime_has_ended() {
    let first = current_thread();
    let (socket, mut server) = pair(&first);
    drop(first);
    let mut bytes = [0; 4];
    current_thread().block_on(async {
        socket.move_to_this_runtime().unwrap();
        let mut stream = socket.stream();
        stream.write_all(b":1\r\n").await.unwrap();
        server.read_exact(&mut bytes).unwrap();
        server.write_all(&bytes).unwrap();
        stream.read_exact(&mut bytes).await.unwrap();
    });
    assert_eq!(&bytes, b":1\r\n");
}

#[test]
fn a_socket_can_be_closed_outside_any_runtime() {
    let runtime = current_thread();
    let (socket, mut server) = pair(&runtime);
    drop(runtime);
    socket.close_now();
    assert_eq!(server.read(&mut [0; 1]).unwrap(), 0);
    assert!(socket.has_ended());
}

#[test]
fn dropping_the_stream_shows_at_once() {
    let runtime = current_thread();
    let (socket, _server) = pair(&runtime);
    drop(socket.stream());
    assert_eq!(socket.look(), Look::Ended);
}

#[test]
fn what_is_no_reply_ends_the_stream_and_says_why() {
    let runtime = current_thread();
    let (socket, mut server) = pair(&runtime);
    server.write_all(b"+OK\r\n$-5\r\n").unwrap();
    let mut stream = socket.stream();
    let mut read = || runtime.block_on(stream.read(&mut [0; 16]));
    assert_eq!(read().unwrap(), 5, "what was good before is read");
    let error = read().unwrap_err().to_string();
    assert!(
        error.contains("protocol error") && error.contains("-5"),
        "{error}"
    );
    assert!(socket.violation().unwrap().to_string().contains("-5"));
    assert_eq!(server.read(&mut [0; 1]).unwrap(), 0, "the server was told");
    assert_eq!(socket.look(), Look::Ended);
}

#[test]
fn a_reply_that_is_cut_short_is_a_loss_and_the_end_between_two_replies_is_none() {
    for (said, is_loss) in [("+OK\r\n", false), ("+OK\r\n$5\r\nab", true)] {
        let runtime = current_thread();
        let (socket, mut server) = pair(&runtime);
        server.write_all(said.as_bytes()).unwrap();
        drop(server);
        let mut stream = socket.stream();
        let mut read = || runtime.block_on(stream.read(&mut [0; 64]));
        assert_eq!(read().unwrap(), said.len());
        let end = read().map_err(|error| error.kind());
        let loss = Err(std::io::ErrorKind::UnexpectedEof);
        assert_eq!(end, if is_loss { loss } else { Ok(0) });
        assert!(socket.violation().is_none());
    }
}

#[test]
fn why_the_server_turns_us_away_is_told_however_long_it_is() {
    let denied = format!("-DENIED protected mode {}", "because ".repeat(150));
    let endless = denied.repeat(3);
    for said in [format!("{denied}\r\n"), denied, endless] {
        let runtime = current_thread();
        let (socket, mut server) = pair(&runtime);
        server.write_all(said.as_bytes()).unwrap();
        drop(server);
        // What is cut short ends in an error.
        let _ = runtime.block_on(socket.stream().read_to_end(&mut Vec::new()));
        let error = socket.first_error().unwrap();
        assert_eq!(error.code(), Some("DENIED"));
        let detail = error.detail().unwrap();
        assert!(detail.starts_with("protected mode because"), "{detail}");
        assert!((1_000..2_048).contains(&detail.len()), "{detail}");
    }
}

#[test]
fn a_large_reply_shows_from_its_first_line_to_its_last_byte() {
    let runtime = current_thread();
    let (socket, mut server) = pair(&runtime);
    let mut stream = socket.stream();
    let mut read = |bytes: &[u8]| {
        server.write_all(bytes).unwrap();
        runtime
            .block_on(stream.read_exact(&mut vec![0; bytes.len()]))
            .unwrap();
        socket.is_receiving_large_reply()
    };
    assert!(!read(b"$100\r\n"));
    assert!(!read(&[&[b'x'; 100][..], b"\r\n"].concat()));
    assert!(read(b"$100000\r\n"));
    assert!(read(&[b'x'; 100_000]));
    assert!(!read(b"\r\n"));
}
