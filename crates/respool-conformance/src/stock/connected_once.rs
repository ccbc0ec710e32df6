use tokio::sync::{Mutex, OnceCell};
use tokio::task::JoinHandle;

/// A client that is connected once and then shared, as services do when they start. The task that
/// connects is nobody's: a caller who gives up ends nothing, and the next one waits for the same.
pub(super) struct ConnectedOnce<C, E> {
    client: OnceCell<C>,
    connecting: Mutex<Option<JoinHandle<Result<C, E>>>>,
}

impl<C, E> ConnectedOnce<C, E>
where
    C: Clone + Send + 'static,
    E: Send + 'static,
{
    pub(super) fn new() -> Self {
        ConnectedOnce {
            client: OnceCell::new(),
            connecting: Mutex::new(None),
        }
    }

    /// The client, connected by `connect` if nobody has done so yet. After a failure, or the end of
    /// the runtime on which it was being connected, the next caller tries again.
    pub(super) async fn get<F>(&self, connect: impl Fn() -> F) -> Result<C, E>
    where
        F: Future<Output = Result<C, E>> + Send + 'static,
    {
        let client = self.client.get_or_try_init(async || {
            let mut connecting = self.connecting.lock().await;
            loop {
                let task = connecting.get_or_insert_with(|| tokio::spawn(connect()));
                // Dropped here: the task goes on, and whoever comes next finds it.
                let ended = task.await;
                *connecting = None;
                if let Ok(outcome) = ended {
                    return outcome;
                }
            }
        });
        client.await.cloned()
    }
}
