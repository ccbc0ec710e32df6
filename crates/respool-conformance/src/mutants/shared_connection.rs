//! A healthy connection behind a lock: for mutants that lend one connection to several holders, or
//! run its requests elsewhere than in their caller's task.

use std::io;
use std::sync::Arc;

use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, Value};
use respool_core::{CloseReason, Connection, Detached, PoolError};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

#[derive(Clone)]
pub(super) struct SharedConnection {
    healthy: Arc<Mutex<Box<dyn Connection>>>,
    database: i64,
    /// Where requests run as tasks. They go on when their caller gives up.
    runtime: Option<Handle>,
}

impl SharedConnection {
    /// One request at a time, whoever holds it.
    pub(super) fn new(healthy: Box<dyn Connection>) -> Self {
        SharedConnection {
            database: healthy.get_db(),
            healthy: Arc::new(Mutex::new(healthy)),
            runtime: None,
        }
    }

    /// Its requests run as tasks of `runtime`.
    pub(super) fn with_tasks_on(healthy: Box<dyn Connection>, runtime: Handle) -> Self {
        SharedConnection {
            runtime: Some(runtime),
            ..SharedConnection::new(healthy)
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        request: impl Future<Output = RedisResult<T>> + Send + 'static,
    ) -> RedisResult<T> {
        match &self.runtime {
            None => request.await,
            Some(runtime) => {
                let outcome = runtime.spawn(request).await;
                outcome.unwrap_or_else(|error| Err(io::Error::other(error).into()))
            }
        }
    }
}

impl ConnectionLike for SharedConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let (healthy, command) = (self.healthy.clone(), command.clone());
        Box::pin(self.run(async move { healthy.lock().await.req_packed_command(&command).await }))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let (healthy, pipeline) = (self.healthy.clone(), pipeline.clone());
        Box::pin(self.run(async move {
            let mut healthy = healthy.lock().await;
            healthy.req_packed_commands(&pipeline, offset, count).await
        }))
    }

    fn get_db(&self) -> i64 {
        self.database
    }
}

/// While a request is under way nothing else gets through to the connection.
impl Connection for SharedConnection {
    fn owe_reply(&mut self) {
        if let Ok(mut healthy) = self.healthy.try_lock() {
            healthy.owe_reply();
        }
    }

    fn condemn(&mut self, reason: CloseReason) {
        if let Ok(mut healthy) = self.healthy.try_lock() {
            healthy.condemn(reason);
        }
    }

    fn detach(self: Box<Self>) -> Result<Box<dyn Detached>, PoolError> {
        Err(PoolError::unsupported("detach", "mutant", "it is shared"))
    }
}
