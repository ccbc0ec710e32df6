//! [`RuntimeThread`]: a thread with a runtime that no test can stop.

use std::future::Future;
use std::io;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A thread that runs a current-thread runtime until this value is dropped.
///
/// Dropping it drops every task that was spawned here, and with them their
/// sockets, before the drop returns.
pub(crate) struct RuntimeThread {
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl RuntimeThread {
    pub(crate) fn start(name: &str) -> io::Result<RuntimeThread> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // An error means that the value was dropped without a word: stop too.
                let _ = runtime.block_on(stopped);
            })?;
        Ok(RuntimeThread {
            runtime: handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Starts a task that nobody waits for.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// Runs `work` on this thread and waits for it, from any runtime or none.
    /// Dropping the returned future does not stop the work.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        match self.runtime.spawn(work).await {
            Ok(value) => value,
            Err(failure) => match failure.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(cancelled) => panic!("the server's own thread has ended: {cancelled}"),
            },
        }
    }
}

impl Drop for RuntimeThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was already printed by its own thread.
            let _ = thread.join();
        }
    }
}
