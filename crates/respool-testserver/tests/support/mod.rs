//! A client that sends and expects plain bytes.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time;

/// Far longer than anything takes: a test that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long nothing must happen to count as silence; longer proves no more.
const SILENCE: Duration = Duration::from_millis(50);

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Client {
        let stream = in_time(TcpStream::connect(address)).await.unwrap();
        Client { stream }
    }

    /// Connected, and through to the server.
    pub(crate) async fn connect_through(address: SocketAddr) -> Client {
        let mut client = Client::connect(address).await;
        client.ask("PING", b"+PONG\r\n").await;
        client
    }

    /// Sends a command in Redis's inline form.
    pub(crate) async fn send(&mut self, command: &str) {
        let line = format!("{command}\r\n");
        self.send_bytes(line.as_bytes()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        in_time(self.stream.write_all(bytes)).await.unwrap();
    }

    pub(crate) async fn expect(&mut self, reply: &[u8]) {
        let mut received = vec![0; reply.len()];
        let outcome = in_time(self.stream.read_exact(&mut received)).await;
        assert!(outcome.is_ok(), "{outcome:?} instead of {}", text(reply));
        assert_eq!(text(&received), text(reply));
    }

    pub(crate) async fn ask(&mut self, command: &str, reply: &[u8]) {
        self.send(command).await;
        self.expect(reply).await;
    }

    /// Everything up to the end, which must be a FIN.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        in_time(self.stream.read_to_end(&mut rest)).await.unwrap();
        rest
    }

    pub(crate) async fn expect_end(&mut self) {
        assert_eq!(text(&self.rest().await), "");
    }

    /// Waits until the other side is gone, by FIN or RST.
    pub(crate) async fn expect_gone(&mut self) {
        match in_time(self.stream.read(&mut [0])).await {
            Ok(0) => {}
            Ok(_) => panic!("a byte, instead of the end"),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
    }

    pub(crate) async fn expect_reset(&mut self) {
        let error = in_time(self.stream.read(&mut [0])).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    pub(crate) async fn expect_silence(&mut self) {
        let read = time::timeout(SILENCE, self.stream.read(&mut [0])).await;
        assert!(read.is_err(), "{read:?} instead of silence");
    }
}

pub(crate) async fn expect_refused(address: SocketAddr) {
    let error = in_time(TcpStream::connect(address)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

pub(crate) async fn in_time<T>(work: impl Future<Output = T>) -> T {
    time::timeout(PATIENCE, work)
        .await
        .expect("it never happens")
}

pub(crate) fn a_runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
