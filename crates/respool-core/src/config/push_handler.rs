use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use redis::Value;

/// What is to be done with each message that a server pushes by RESP3
/// ([`PoolConfig::on_push`](crate::PoolConfig::on_push)). Cloning it is cheap and shares it.
///
/// It is called by the task that reads the connection, in the order in which messages come: it must
/// neither block nor take long. Hand over to a channel what does.
///
/// ```
/// use respool_core::{PoolConfig, PushHandler};
///
/// let (invalid, received) = std::sync::mpsc::channel();
/// let mut config = PoolConfig::from_url("redis://localhost?protocol=resp3")?;
/// config.on_push = Some(PushHandler::new(move |message| {
///     let _ = invalid.send(message);
/// }));
/// # drop(received);
/// # Ok::<(), respool_core::PoolError>(())
/// ```
#[derive(Clone)]
pub struct PushHandler {
    call: Arc<dyn Fn(Value) + Send + Sync>,
}

impl PushHandler {
    /// Calls `handler` with each message.
    pub fn new(handler: impl Fn(Value) + Send + Sync + 'static) -> Self {
        PushHandler {
            call: Arc::new(handler),
        }
    }

    /// Calls it. For authors of backends. A panic in it ends here: it belongs to nobody who is under
    /// way on the connection.
    pub fn call(&self, message: Value) {
        if catch_unwind(AssertUnwindSafe(|| (self.call)(message))).is_err() {
            tracing::error!("on_push panicked");
        }
    }
}

impl fmt::Debug for PushHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushHandler").finish_non_exhaustive()
    }
}
