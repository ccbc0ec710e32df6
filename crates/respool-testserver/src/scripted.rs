//! [`ScriptedServer`]: a tiny Redis inside this process, with a script.

mod answer;
mod commands;
mod connection;
mod encode;
mod keyspace;
mod request;
mod script;
mod session;
mod state;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time;

use crate::connection_count::ConnectionCount;
use crate::port::ReservedPort;
use crate::runtime_thread::RuntimeThread;
use connection::Connection;
use state::{Saying, State};

pub use answer::Answer;
pub use script::Script;

/// A server in this process: what its [`Script`] doesn't answer, it answers as
/// a small Redis would (RESP2, strings, lists, MULTI without WATCH, sixteen
/// databases in memory, any password is right).
///
/// Dropping it closes the listener and every connection, and forgets the data.
pub struct ScriptedServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    connections: Arc<ConnectionCount>,
    thread: RuntimeThread,
}

impl ScriptedServer {
    /// Starts one without a script.
    ///
    /// # Errors
    ///
    /// When no port or thread can be had.
    pub async fn start() -> io::Result<ScriptedServer> {
        ScriptedServer::start_with(Script::new()).await
    }

    /// Starts one that follows `script`.
    ///
    /// # Errors
    ///
    /// When no port or thread can be had.
    pub async fn start_with(script: Script) -> io::Result<ScriptedServer> {
        let thread = RuntimeThread::start("scripted-server")?;
        let port = ReservedPort::any()?;
        let address = port.address();
        let listener = port.listen()?;
        let connections = ConnectionCount::new();
        let state = Arc::new(Mutex::new(State::new(script, connections.clone())));
        let listener = thread
            .run(async move { TcpListener::from_std(listener) })
            .await?;
        thread.spawn(serve(listener, port, state.clone(), connections.clone()));
        Ok(ScriptedServer {
            address,
            state,
            connections,
            thread,
        })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `redis://127.0.0.1:PORT/0`
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// How many connections are open now.
    pub fn open(&self) -> usize {
        self.connections.open()
    }

    /// How many were ever open at once.
    pub fn most_open(&self) -> usize {
        self.connections.most_open()
    }

    /// How many were ever accepted.
    pub fn accepted(&self) -> u64 {
        self.connections.accepted()
    }

    /// Waits until exactly `count` connections are open.
    ///
    /// # Panics
    ///
    /// When that hasn't happened within 10 seconds.
    pub async fn wait_until_open(&self, count: usize) {
        self.connections.wait_until_open(count, &self.thread).await;
    }

    /// Sends `bytes` on every connection that is open, although no command asked
    /// for them, and waits until they are sent.
    pub async fn say(&self, bytes: &[u8]) {
        let (sent, mut all_sent) = mpsc::channel(1);
        let saying = Saying {
            bytes: bytes.to_vec(),
            sent,
        };
        // Without a connection there is nobody to tell.
        let _ = state::lock(&self.state).sayings.send(saying);
        while all_sent.recv().await.is_some() {}
    }

    /// How many bytes of [`Answer::Endless`] the clients have let it send.
    pub fn endless_bytes(&self) -> u64 {
        state::lock(&self.state).endless_bytes
    }

    /// How many commands were received, scripted ones too, since the start or
    /// the last CONFIG RESETSTAT.
    pub fn commands(&self) -> u64 {
        state::lock(&self.state).commands()
    }

    /// How often one command was received; counted like
    /// [`commands`](Self::commands). `name` is lower case, with the subcommands
    /// of CLIENT and CONFIG as "client|setname".
    pub fn command_calls(&self, name: &str) -> u64 {
        state::lock(&self.state).command_calls(name)
    }
}

impl fmt::Debug for ScriptedServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ScriptedServer")
            .field("address", &self.address)
            .field("open", &self.open())
            .finish_non_exhaustive()
    }
}

async fn serve(
    listener: TcpListener,
    _reserved: ReservedPort,
    state: Arc<Mutex<State>>,
    connections: Arc<ConnectionCount>,
) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                let open = connections.accept();
                tokio::spawn(Connection::new(client, state.clone()).serve(open));
            }
            // Out of file descriptors, or the client is gone: it passes.
            Err(_) => time::sleep(Duration::from_millis(10)).await,
        }
    }
}
