//! [`State`]: what all connections of a scripted server share.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{broadcast, mpsc};

use super::Script;
use super::keyspace::Keyspace;
use super::session::Session;
use crate::connection_count::ConnectionCount;

/// Bytes that no command asked for. Whoever has sent them drops the sender.
#[derive(Clone)]
pub(super) struct Saying {
    pub(super) bytes: Vec<u8>,
    pub(super) sent: mpsc::Sender<()>,
}

/// The script, the data and the counts.
pub(super) struct State {
    pub(super) script: Script,
    /// What is to be said on every connection that is open.
    pub(super) sayings: broadcast::Sender<Saying>,
    /// What went out of endless answers.
    pub(super) endless_bytes: u64,
    pub(super) keyspace: Keyspace,
    /// The lines of CLIENT LIST, by connection id.
    pub(super) clients: BTreeMap<u64, String>,
    connections: Arc<ConnectionCount>,
    connections_before_reset: u64,
    last_id: u64,
    commands: u64,
    calls: HashMap<String, u64>,
}

/// Locks the state. It is held while a batch of commands is executed, never
/// across an await. A panic of ours in a command leaves nothing half done that
/// a test could mind.
pub(super) fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    pub(super) fn new(script: Script, connections: Arc<ConnectionCount>) -> State {
        State {
            script,
            sayings: broadcast::channel(16).0,
            endless_bytes: 0,
            keyspace: Keyspace::default(),
            clients: BTreeMap::new(),
            connections,
            connections_before_reset: 0,
            last_id: 0,
            commands: 0,
            calls: HashMap::new(),
        }
    }

    pub(super) fn new_session(&mut self, address: SocketAddr) -> Session {
        self.last_id += 1;
        let session = Session::new(self.last_id, address);
        self.list(&session);
        session
    }

    /// Brings CLIENT LIST up to date with a session.
    pub(super) fn list(&mut self, session: &Session) {
        let line = format!(
            "id={} addr={} name={} db={} flags=N",
            session.id,
            session.address,
            String::from_utf8_lossy(&session.name),
            session.database,
        );
        self.clients.insert(session.id, line);
    }

    pub(super) fn count_call(&mut self, name: &str) {
        self.commands += 1;
        match self.calls.get_mut(name) {
            Some(calls) => *calls += 1,
            None => {
                self.calls.insert(name.to_owned(), 1);
            }
        }
    }

    pub(super) fn commands(&self) -> u64 {
        self.commands
    }

    pub(super) fn command_calls(&self, name: &str) -> u64 {
        self.calls.get(name).copied().unwrap_or(0)
    }

    /// CONFIG RESETSTAT.
    pub(super) fn reset_counts(&mut self) {
        self.commands = 0;
        self.calls.clear();
        self.connections_before_reset = self.connections.accepted();
    }

    /// INFO, all of it whatever section was asked for.
    pub(super) fn info(&self) -> String {
        let mut info = format!(
            "# Server\r\nredis_version:0.0.0-scripted\r\nserver_name:respool-scripted\r\n\
             process_id:{}\r\n\r\n\
             # Clients\r\nconnected_clients:{}\r\n\r\n\
             # Stats\r\ntotal_connections_received:{}\r\ntotal_commands_processed:{}\r\n\r\n\
             # Commandstats\r\n",
            std::process::id(),
            self.connections.open(),
            self.connections.accepted() - self.connections_before_reset,
            self.commands,
        );
        for (name, calls) in &self.calls {
            info.push_str(&format!(
                "cmdstat_{name}:calls={calls},usec=0,usec_per_call=0.00,\
                 rejected_calls=0,failed_calls=0\r\n"
            ));
        }
        info
    }
}
