//! [`ConnectionCount`]: how many clients are connected, and were.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time;

use crate::runtime_thread::RuntimeThread;

/// How long [`ConnectionCount::wait_until_open`] waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts the client connections of one server; shared with its tasks.
pub(crate) struct ConnectionCount {
    open: watch::Sender<usize>,
    most_open: AtomicUsize,
    accepted: AtomicU64,
}

impl ConnectionCount {
    pub(crate) fn new() -> Arc<ConnectionCount> {
        Arc::new(ConnectionCount {
            open: watch::Sender::new(0),
            most_open: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
        })
    }

    /// Counts a connection as accepted, and as open until the guard is dropped.
    pub(crate) fn accept(self: &Arc<Self>) -> OpenConnection {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.open.send_modify(|open| {
            *open += 1;
            self.most_open.fetch_max(*open, Ordering::Relaxed);
        });
        OpenConnection(self.clone())
    }

    pub(crate) fn open(&self) -> usize {
        *self.open.borrow()
    }

    pub(crate) fn most_open(&self) -> usize {
        self.most_open.load(Ordering::Relaxed)
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Waits until exactly `count` are open, by `thread`'s clock: the caller's
    /// may be paused.
    ///
    /// # Panics
    ///
    /// When that has not happened within 10 seconds.
    pub(crate) async fn wait_until_open(&self, count: usize, thread: &RuntimeThread) {
        let mut open = self.open.subscribe();
        let reached = thread
            .run(async move {
                time::timeout(PATIENCE, open.wait_for(|open| *open == count))
                    .await
                    .is_ok_and(|waited| waited.is_ok())
            })
            .await;
        assert!(
            reached,
            "waited {PATIENCE:?} for {count} open connections; there are {}, at most there were {}",
            self.open(),
            self.most_open(),
        );
    }
}

/// One open connection; dropping it counts it as closed.
pub(crate) struct OpenConnection(Arc<ConnectionCount>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}
