use std::fmt;
use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};

use futures_util::stream::{self, Stream};
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, Value};

use crate::Detached;
use crate::pooled_connection::{in_a_runtime, not_empty};

/// A connection that its holder kept for good, by
/// [`PooledConnection::detach`](crate::PooledConnection::detach). It is a plain connection: no
/// time-out, no slot, closed when it is dropped.
///
/// Dropping a command's future doesn't take the command back: the server may execute it, and its reply is
/// discarded before the next one is given out. That goes for a blocking command, too: nothing closes the
/// connection, so that the server may still take an element for it, and what is asked next waits until it
/// has ended.
///
/// One that had failed or was given up before
/// ([`is_condemned`](crate::PooledConnection::is_condemned)) is detached without an error, and every command
/// on it fails.
pub struct DetachedConnection {
    /// Never locked: the mutex makes this type `Sync`, which `AsyncCommands` asks for.
    connection: Mutex<Box<dyn Detached>>,
    database: i64,
}

impl DetachedConnection {
    pub(crate) fn new(connection: Box<dyn Detached>) -> Self {
        DetachedConnection {
            database: connection.get_db(),
            connection: Mutex::new(connection),
        }
    }

    /// The next message that the server pushed, as
    /// [`PooledConnection::next_message`](crate::PooledConnection::next_message) gives it. Waits for as
    /// long as it takes; dropping the future loses none.
    ///
    /// # Errors
    ///
    /// [`PoolError::Unsupported`](crate::PoolError::Unsupported) where the backend has no messages
    /// ([`crate::Capabilities::messages`]); that the connection was lost.
    pub async fn next_message(&mut self) -> RedisResult<Value> {
        in_a_runtime()?;
        poll_fn(|context| self.connection().poll_message(context)).await
    }

    /// [`next_message`](DetachedConnection::next_message) as a stream, which ends after an error.
    pub fn messages(&mut self) -> impl Stream<Item = RedisResult<Value>> + Send + '_ {
        stream::unfold(Some(self), |connection| async move {
            let connection = connection?;
            match connection.next_message().await {
                Ok(message) => Some((Ok(message), Some(connection))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    fn connection(&mut self) -> &mut dyn Detached {
        &mut **self
            .connection
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionLike for DetachedConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match not_empty(command) {
            Ok(()) => self.connection().req_packed_command(command),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match pipeline.cmd_iter().try_for_each(not_empty) {
            Ok(()) => (self.connection()).req_packed_commands(pipeline, offset, count),
            Err(error) => Box::pin(async { Err(error) }),
        }
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
