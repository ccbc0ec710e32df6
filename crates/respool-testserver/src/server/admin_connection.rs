//! [`AdminConnection`]: one plain connection, one command at a time.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::Reply;

/// A connection that sends one command and reads its reply. After an error it
/// is out of step and must be dropped.
pub(super) struct AdminConnection {
    stream: BufReader<TcpStream>,
}

impl AdminConnection {
    pub(super) async fn open(address: SocketAddr) -> io::Result<AdminConnection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(AdminConnection {
            stream: BufReader::new(stream),
        })
    }

    pub(super) async fn call(&mut self, arguments: &[String]) -> io::Result<Reply> {
        let mut request = format!("*{}\r\n", arguments.len());
        for argument in arguments {
            request.push_str(&format!("${}\r\n{argument}\r\n", argument.len()));
        }
        self.stream.write_all(request.as_bytes()).await?;
        Reply::read(&mut self.stream).await
    }

    /// Says goodbye and waits until the server has closed its end, so that the
    /// server no longer counts this connection.
    pub(super) async fn close(mut self) {
        // An error means that it is closed already.
        if self.stream.shutdown().await.is_ok() {
            let _ = self.stream.read_to_end(&mut Vec::new()).await;
        }
    }
}
