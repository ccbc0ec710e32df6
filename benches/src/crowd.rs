//! Many callers at once, each in a task, and what they cost this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// What all tasks of a crowd have had together.
#[derive(Debug)]
pub struct Crowd<T> {
    /// What each of them says it had.
    pub had: Vec<T>,
    /// From the gate to the stop.
    pub elapsed: Duration,
    /// Of this process in that time, on all threads.
    pub processor: Duration,
}

/// Starts the tasks, opens the gate for all at once, and stops them when the time is up. `task` is
/// told each one's number.
pub async fn crowd<T, F>(
    tasks: usize,
    time: Duration,
    task: impl Fn(usize, Arc<AtomicBool>, Arc<Barrier>) -> F,
) -> Crowd<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let stop = Arc::new(AtomicBool::new(false));
    let gate = Arc::new(Barrier::new(tasks + 1));
    let mut running = JoinSet::new();
    for number in 0..tasks {
        running.spawn(task(number, stop.clone(), gate.clone()));
    }
    gate.wait().await;
    let (started, processor_before) = (Instant::now(), processor_time());
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let elapsed = started.elapsed();
    let processor = processor_time() - processor_before;
    Crowd {
        had: running.join_all().await,
        elapsed,
        processor,
    }
}

fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).expect("it is no negative time")
}
