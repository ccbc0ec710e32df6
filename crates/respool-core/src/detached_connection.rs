use std::fmt;
use std::sync::{Mutex, PoisonError};

use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, Value};

/// A connection that its holder kept for good, by
/// [`PooledConnection::detach`](crate::PooledConnection::detach). It is a plain connection: no
/// time-out, no slot, closed when it is dropped.
pub struct DetachedConnection {
    /// Never locked: the mutex makes this type `Sync`, which `AsyncCommands` asks for.
    connection: Mutex<Box<dyn ConnectionLike + Send>>,
    database: i64,
}

impl DetachedConnection {
    pub(crate) fn new(connection: Box<dyn ConnectionLike + Send>) -> Self {
        DetachedConnection {
            database: connection.get_db(),
            connection: Mutex::new(connection),
        }
    }

    fn connection(&mut self) -> &mut (dyn ConnectionLike + Send) {
        &mut **self
            .connection
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionLike for DetachedConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        self.connection().req_packed_command(command)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.connection()
            .req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.database
    }
}

impl fmt::Debug for DetachedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetachedConnection").finish_non_exhaustive()
    }
}
