//! [`RedisServer`]: a real `redis-server` or `valkey-server` process.

mod admin;
mod admin_connection;
mod builder;
mod find;
mod installation;
mod kind;
mod launch;
mod process;
mod reply;
mod start_error;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use crate::port::ReservedPort;
use crate::runtime_thread::RuntimeThread;
use admin::Admin;
use builder::Ports;
use installation::Installation;
use process::ServerProcess;

pub use builder::RedisServerBuilder;
pub use find::{find_server, find_server_in, server_version};
pub use kind::ServerKind;
pub use reply::Reply;
pub use start_error::StartError;

/// A running server with an empty data set and no persistence, on a loopback
/// port of its own.
///
/// Dropping it kills the process (SIGKILL, also when it is paused), waits for
/// its end and removes its folder. On Linux with util-linux's `setpriv` the
/// kernel kills it too when this process ends without dropping it: after a
/// SIGKILL, or when it was kept in a `static`.
pub struct RedisServer {
    // Fields are dropped in this order: the process before its folder and port.
    process: Option<ServerProcess>,
    admin: Arc<Admin>,
    settings: RedisServerBuilder,
    installation: Installation,
    folder: TempDir,
    port: ReservedPort,
    tls_port: Option<ReservedPort>,
    // The process's parent thread: its end would end the process, so it lives as long.
    thread: RuntimeThread,
}

impl RedisServer {
    /// Starts a server with no password and the server's own limits; the same
    /// as `RedisServer::builder().start()`.
    ///
    /// # Errors
    ///
    /// [`StartError`], when no server program is installed or it doesn't come up.
    pub async fn start() -> Result<RedisServer, StartError> {
        RedisServer::builder().start().await
    }

    /// Settings for a server that is yet to start.
    pub fn builder() -> RedisServerBuilder {
        RedisServerBuilder::default()
    }

    /// The TCP port, on 127.0.0.1; the same after [`restart`](Self::restart).
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The TCP address.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// `redis://[:password@]127.0.0.1:PORT/0`, the password percent-encoded.
    pub fn url(&self) -> String {
        self.url_of("redis", self.address())
    }

    /// The TCP address where it speaks TLS, if [`RedisServerBuilder::tls`] asked for one.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls_port.as_ref().map(ReservedPort::address)
    }

    /// `rediss://[:password@]127.0.0.1:PORT/0`, if [`RedisServerBuilder::tls`] asked for it.
    pub fn tls_url(&self) -> Option<String> {
        Some(self.url_of("rediss", self.tls_address()?))
    }

    fn url_of(&self, scheme: &str, address: SocketAddr) -> String {
        match &self.settings.password {
            Some(password) => format!("{scheme}://:{}@{address}/0", percent_encode(password)),
            None => format!("{scheme}://{address}/0"),
        }
    }

    /// The Unix socket's path, if [`RedisServerBuilder::unix_socket`] asked for one.
    pub fn unix_socket(&self) -> Option<&Path> {
        self.settings.unix_socket_path.as_deref()
    }

    /// The program's version, such as "7.0.15".
    pub fn version(&self) -> &str {
        &self.installation.version
    }

    /// Whether it is Redis or Valkey.
    pub fn kind(&self) -> ServerKind {
        self.installation.kind
    }

    /// The operating system's number for the process; `None` between
    /// [`kill`](Self::kill) and [`restart`](Self::restart).
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(ServerProcess::id)
    }

    /// Freezes the process (SIGSTOP) and returns once it stands still: its
    /// sockets stay open and nothing is answered. Does nothing after
    /// [`kill`](Self::kill).
    #[cfg(unix)]
    pub fn pause(&self) {
        if let Some(process) = &self.process {
            process.pause();
        }
    }

    /// Lets a paused process go on (SIGCONT); it then answers what has piled up.
    #[cfg(unix)]
    pub fn resume(&self) {
        if let Some(process) = &self.process {
            process.resume();
        }
    }

    /// Kills the process (SIGKILL) and waits for its end. The port stays
    /// reserved: connecting to it is refused until [`restart`](Self::restart).
    pub async fn kill(&mut self) {
        self.process = None;
        self.admin.forget().await;
    }

    /// Starts the server again on the same port with the same settings, after
    /// killing it if need be. The data set is empty again and all counts start
    /// from zero.
    ///
    /// # Errors
    ///
    /// [`StartError`]; the server is then as after [`kill`](Self::kill).
    pub async fn restart(&mut self) -> Result<(), StartError> {
        self.kill().await;
        let process = launch::launch(
            &self.thread,
            &self.installation,
            &self.settings,
            Ports::of(&self.port, self.tls_port.as_ref()),
            self.folder.path(),
            self.admin.clone(),
        )
        .await?;
        self.process = Some(process);
        Ok(())
    }

    /// Sends one command on a fresh connection (after AUTH, when there is a
    /// password) and returns once the server has closed that connection again.
    /// An error reply is an `Ok(Reply::Error(..))`.
    ///
    /// Dropping the future does not take the command back.
    ///
    /// # Errors
    ///
    /// When the connection fails, or the reply isn't there within 30 seconds.
    pub async fn command(&self, arguments: &[&str]) -> io::Result<Reply> {
        let admin = self.admin.clone();
        let arguments = owned(arguments);
        self.thread
            .run(async move { admin.command(&arguments).await })
            .await
    }

    /// How many clients are connected now, in CLIENT LIST: neither this
    /// struct's own connection nor replicas are counted.
    ///
    /// # Panics
    ///
    /// When the server doesn't answer within 30 seconds.
    pub async fn connected_clients(&self) -> usize {
        let list = self.observe(&["CLIENT", "LIST"]).await;
        list.lines().filter(|line| !is_replication(line)).count() - 1
    }

    /// How many connections the server has accepted since its start or its last
    /// CONFIG RESETSTAT through [`command`](Self::command), without those that
    /// this struct made for itself.
    ///
    /// # Panics
    ///
    /// When the server doesn't answer within 30 seconds.
    pub async fn total_connections_received(&self) -> u64 {
        let info = self.observe(&["INFO", "stats"]).await;
        let received = info
            .lines()
            .find_map(|line| line.strip_prefix("total_connections_received:"))
            .and_then(|number| number.trim().parse::<u64>().ok())
            .unwrap_or_else(|| panic!("INFO stats without total_connections_received: {info}"));
        received.saturating_sub(self.admin.connections_made())
    }

    /// How often the server has executed a command since its start or its last
    /// CONFIG RESETSTAT: `calls` in INFO commandstats, 0 when it is not listed.
    ///
    /// `name` is lower case, with subcommands as "client|setname" (Redis 7 and
    /// later; earlier ones only count "client"). This struct's own AUTH is left
    /// out, its INFO and CLIENT LIST are not.
    ///
    /// # Panics
    ///
    /// When the server doesn't answer within 30 seconds.
    pub async fn command_calls(&self, name: &str) -> u64 {
        let info = self.observe(&["INFO", "commandstats"]).await;
        let prefix = format!("cmdstat_{name}:calls=");
        let calls = info
            .lines()
            .find_map(|line| line.strip_prefix(&prefix))
            .and_then(|rest| rest.split(',').next())
            .and_then(|calls| calls.parse::<u64>().ok())
            .unwrap_or(0);
        match (name, &self.settings.password) {
            ("auth", Some(_)) => calls.saturating_sub(self.admin.connections_made()),
            _ => calls,
        }
    }

    async fn observe(&self, arguments: &'static [&'static str]) -> String {
        let admin = self.admin.clone();
        self.thread
            .run(async move { admin.observe(&owned(arguments)).await })
            .await
            .unwrap_or_else(|error| {
                panic!(
                    "{} on {} doesn't answer {}: {error}",
                    self.kind(),
                    self.address(),
                    arguments.join(" ")
                )
            })
    }
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RedisServer")
            .field("kind", &self.kind())
            .field("version", &self.version())
            .field("address", &self.address())
            .field("process_id", &self.process_id())
            .finish_non_exhaustive()
    }
}

/// Whether a line of CLIENT LIST is a replica (S) or a primary (M).
fn is_replication(line: &str) -> bool {
    line.split(' ')
        .find_map(|field| field.strip_prefix("flags="))
        .is_some_and(|flags| flags.contains(['S', 'M']))
}

fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn owned(arguments: &[&str]) -> Vec<String> {
    arguments
        .iter()
        .map(|&argument| argument.to_owned())
        .collect()
}
