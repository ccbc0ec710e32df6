//! [`Admin`]: what a [`RedisServer`](super::RedisServer) asks its own server.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time;

use super::Reply;
use super::admin_connection::AdminConnection;

/// How long one exchange may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Talks to the server beside its clients, and knows how many connections that
/// took, so that counts can leave them out.
///
/// One connection stands for as long as the server runs: the observer. It keeps
/// its place when the server is full, so that a full server can still be asked
/// how full it is.
pub(super) struct Admin {
    address: SocketAddr,
    password: Option<String>,
    observer: Mutex<Option<AdminConnection>>,
    connections_made: AtomicU64,
}

impl Admin {
    pub(super) fn new(address: SocketAddr, password: Option<String>) -> Arc<Admin> {
        Arc::new(Admin {
            address,
            password,
            observer: Mutex::new(None),
            connections_made: AtomicU64::new(0),
        })
    }

    /// Connects the observer to a server that may just have started, sets all
    /// counts to zero and returns the process number of whoever answered.
    pub(super) async fn greet(&self) -> io::Result<u32> {
        let mut observer = self.connect().await?;
        let info = observer
            .call(&words(["INFO", "server"]))
            .await?
            .into_text()?;
        let process_id = info
            .lines()
            .find_map(|line| line.strip_prefix("process_id:"))
            .and_then(|number| number.trim().parse().ok())
            .ok_or_else(|| io::Error::other(format!("INFO server says {info:?}")))?;
        observer
            .call(&words(["CONFIG", "RESETSTAT"]))
            .await?
            .into_text()?;
        self.connections_made.store(0, Ordering::Relaxed);
        *self.observer.lock().await = Some(observer);
        Ok(process_id)
    }

    /// Drops the observer, whose server is gone.
    pub(super) async fn forget(&self) {
        *self.observer.lock().await = None;
    }

    /// Connections made since the server's own count was last zero.
    pub(super) fn connections_made(&self) -> u64 {
        self.connections_made.load(Ordering::Relaxed)
    }

    /// A question that changes nothing, asked on the observer; once more on a
    /// new one if somebody has killed that (CLIENT KILL, `timeout`).
    pub(super) async fn observe(&self, arguments: &[String]) -> io::Result<String> {
        in_time(async {
            let mut place = self.observer.lock().await;
            if let Some(mut observer) = place.take()
                && let Ok(reply) = observer.call(arguments).await
            {
                *place = Some(observer);
                return reply.into_text();
            }
            let mut observer = self.connect().await?;
            let reply = observer.call(arguments).await?;
            *place = Some(observer);
            reply.into_text()
        })
        .await
    }

    /// Any command, on a connection of its own that is gone at the server
    /// before this returns.
    pub(super) async fn command(&self, arguments: &[String]) -> io::Result<Reply> {
        in_time(async {
            let mut connection = self.connect().await?;
            let reply = connection.call(arguments).await?;
            if is_reset_of_counts(arguments) && !reply.is_error() {
                self.connections_made.store(0, Ordering::Relaxed);
            }
            connection.close().await;
            Ok(reply)
        })
        .await
    }

    async fn connect(&self) -> io::Result<AdminConnection> {
        let mut connection = AdminConnection::open(self.address).await?;
        self.connections_made.fetch_add(1, Ordering::Relaxed);
        if let Some(password) = &self.password {
            connection
                .call(&words(["AUTH", password]))
                .await?
                .into_text()?;
        }
        Ok(connection)
    }
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    time::timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn is_reset_of_counts(arguments: &[String]) -> bool {
    let lower: Vec<_> = arguments.iter().map(|word| word.to_lowercase()).collect();
    lower == ["config", "resetstat"]
}

fn words<const COUNT: usize>(words: [&str; COUNT]) -> [String; COUNT] {
    words.map(str::to_owned)
}
