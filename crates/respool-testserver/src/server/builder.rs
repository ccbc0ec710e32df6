//! [`RedisServerBuilder`]: the settings of a server.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::admin::Admin;
use super::installation::Installation;
use super::{RedisServer, StartError, find_server, launch};
use crate::port::ReservedPort;
use crate::runtime_thread::RuntimeThread;

/// How often another port is tried when somebody has just taken ours; on Linux
/// that can't happen.
const PORTS_TO_TRY: usize = 5;

/// Settings for a [`RedisServer`]; without any, what [`RedisServer::start`] gives.
#[derive(Clone, Debug, Default)]
pub struct RedisServerBuilder {
    program: Option<PathBuf>,
    pub(super) password: Option<String>,
    max_clients: Option<usize>,
    databases: Option<usize>,
    unix_socket: bool,
    pub(super) unix_socket_path: Option<PathBuf>,
    /// The certificate and its key.
    tls: Option<(PathBuf, PathBuf)>,
    tls_clients_of: Option<PathBuf>,
    arguments: Vec<(String, String)>,
}

impl RedisServerBuilder {
    /// Runs this program instead of what [`find_server`] finds.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Asks every client for this password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// Lets in this many clients at once, not counting the one connection that
    /// the [`RedisServer`] keeps for its own questions (so `maxclients` is one
    /// more). [`RedisServer::command`] takes a place like everybody.
    #[must_use]
    pub fn max_clients(mut self, count: usize) -> Self {
        self.max_clients = Some(count);
        self
    }

    /// Numbers of databases to SELECT from; 16 when not set.
    #[must_use]
    pub fn databases(mut self, count: usize) -> Self {
        self.databases = Some(count);
        self
    }

    /// Listens on a Unix socket as well, in the server's own folder.
    #[cfg(unix)]
    #[must_use]
    pub fn unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// Speaks TLS as well, on a port of its own ([`RedisServer::tls_url`]), with this certificate and
    /// its private key, which are PEM files. A server that was built without TLS does not start.
    #[must_use]
    pub fn tls(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls = Some((certificate.into(), key.into()));
        self
    }

    /// By TLS, lets in only clients with a certificate of this CA, a PEM file.
    #[must_use]
    pub fn tls_clients_of(mut self, ca: impl Into<PathBuf>) -> Self {
        self.tls_clients_of = Some(ca.into());
        self
    }

    /// Any other setting of the server, such as `("--maxmemory", "10mb")`. The
    /// dashes may be left out; a value of several words is split at the spaces.
    /// Later settings win over earlier ones and over our own.
    #[must_use]
    pub fn argument(mut self, name: &str, value: &str) -> Self {
        self.arguments.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the server and waits, at most 10 seconds, until it answers.
    /// Dropping the future kills the process.
    ///
    /// # Errors
    ///
    /// [`StartError`], with the end of the server's log where there is one.
    pub async fn start(mut self) -> Result<RedisServer, StartError> {
        let program = match self.program.clone() {
            Some(program) => program,
            None => find_server()?,
        };
        let installation = Installation::inspect(program)?;
        let folder = tempfile::Builder::new().prefix("respool-").tempdir()?;
        if self.unix_socket {
            self.unix_socket_path = Some(folder.path().join("redis.sock"));
        }
        let thread = RuntimeThread::start("redis-server-parent")?;

        let mut tries = 1..=PORTS_TO_TRY;
        loop {
            tries.next();
            let port = ReservedPort::any()?;
            let tls_port = self.tls.as_ref().map(|_| ReservedPort::any()).transpose()?;
            let admin = Admin::new(port.address(), self.password.clone());
            let launched = launch::launch(
                &thread,
                &installation,
                &self,
                Ports::of(&port, tls_port.as_ref()),
                folder.path(),
                admin.clone(),
            )
            .await;
            match launched {
                Ok(process) => {
                    return Ok(RedisServer {
                        process: Some(process),
                        admin,
                        settings: self,
                        installation,
                        folder,
                        port,
                        tls_port,
                        thread,
                    });
                }
                Err(StartError::Ended { last_words, .. })
                    if last_words.contains("Address already in use") && !tries.is_empty() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The program's arguments.
    pub(super) fn command_line(
        &self,
        ports: Ports,
        folder: &Path,
        installation: &Installation,
    ) -> Vec<OsString> {
        let mut line = CommandLine(Vec::new());
        line.add("--port", [ports.plain.to_string()]);
        line.add("--bind", ["127.0.0.1"]);
        line.add("--dir", [folder]);
        line.add("--logfile", [folder.join("log")]);
        line.add("--loglevel", ["warning"]);
        line.add("--daemonize", ["no"]);
        line.add("--save", [""]);
        line.add("--appendonly", ["no"]);
        if installation.locks_debug_command() {
            line.add("--enable-debug-command", ["yes"]);
        }
        if let Some(password) = &self.password {
            line.add("--requirepass", [password]);
        }
        if let Some(count) = self.max_clients {
            line.add("--maxclients", [(count + 1).to_string()]);
        }
        if let Some(count) = self.databases {
            line.add("--databases", [count.to_string()]);
        }
        if let Some(path) = &self.unix_socket_path {
            line.add("--unixsocket", [path]);
        }
        if let (Some((certificate, key)), Some(port)) = (&self.tls, ports.tls) {
            line.add("--tls-port", [port.to_string()]);
            line.add("--tls-cert-file", [certificate]);
            line.add("--tls-key-file", [key]);
            match &self.tls_clients_of {
                Some(ca) => line.add("--tls-ca-cert-file", [ca]),
                None => line.add("--tls-auth-clients", ["no"]),
            }
        }
        for (name, value) in &self.arguments {
            let name = format!("--{}", name.trim_start_matches('-'));
            if value.is_empty() {
                line.add(&name, [""]);
            } else {
                line.add(&name, value.split_whitespace());
            }
        }
        line.0
    }
}

/// The numbers of a server's ports.
#[derive(Clone, Copy)]
pub(super) struct Ports {
    plain: u16,
    tls: Option<u16>,
}

impl Ports {
    pub(super) fn of(plain: &ReservedPort, tls: Option<&ReservedPort>) -> Ports {
        Ports {
            plain: plain.number(),
            tls: tls.map(ReservedPort::number),
        }
    }
}

struct CommandLine(Vec<OsString>);

impl CommandLine {
    fn add<Value: Into<OsString>>(&mut self, name: &str, values: impl IntoIterator<Item = Value>) {
        self.0.push(name.into());
        self.0.extend(values.into_iter().map(Into::into));
    }
}
