use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::{Handle, Id};
use tokio::task::AbortHandle;

/// Tells whether the runtime that it was made on is still there, for connections whose driver is
/// a task that we can't reach.
///
/// It is a task that waits forever: when it ends, its runtime is ending.
#[derive(Debug)]
pub struct RuntimeWatch {
    home: Id,
    ended: Arc<AtomicBool>,
    task: AbortHandle,
}

impl RuntimeWatch {
    /// Watches the current runtime.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn new() -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let on_end = OnEnd(ended.clone());
        let task = tokio::spawn(async move {
            let _on_end = on_end;
            std::future::pending::<()>().await;
        })
        .abort_handle();
        RuntimeWatch {
            home: Handle::current().id(),
            ended,
            task,
        }
    }

    /// Whether the caller runs on the watched runtime, and it isn't ending.
    pub fn is_here(&self) -> bool {
        !self.ended.load(Ordering::Acquire)
            && Handle::try_current().is_ok_and(|here| here.id() == self.home)
    }
}

impl Default for RuntimeWatch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for RuntimeWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct OnEnd(Arc<AtomicBool>);

impl Drop for OnEnd {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_runtime_is_noticed() {
        let runtime = || {
            tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime can be built")
        };
        let first = runtime();
        let watch = first.block_on(async { RuntimeWatch::new() });
        assert!(first.block_on(async { watch.is_here() }));
        assert!(!runtime().block_on(async { watch.is_here() }));
        drop(first);
        assert!(watch.ended.load(Ordering::Acquire));
    }
}
