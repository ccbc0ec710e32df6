use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use super::keyspace::Keyspace;
use super::workload::Workload;
use crate::interrupt::Interrupt;

/// One user's way to the server: what a task of a service holds.
///
/// An operation is all that the user waits for: taking a connection where there is one to take, the
/// command, its reply, and giving the connection back.
pub(crate) trait Caller: Clone + Send + Sync + 'static {
    /// Reads a key.
    fn read(&mut self, key: &str) -> impl Future<Output = Result<(), String>> + Send;

    /// Writes a key.
    fn write(&mut self, key: &str, value: &[u8])
    -> impl Future<Output = Result<(), String>> + Send;
}

/// The object-safe side of a [`Caller`]: subjects of all kinds stand in one list, and yet the loop
/// that is timed is compiled for each, without a boxed future an operation.
pub(crate) trait Driver: Send + Sync {
    /// Starts the tasks of `load`.
    fn start(&self, load: &Arc<Load>) -> JoinSet<TaskRecord>;
}

impl<C: Caller> Driver for C {
    fn start(&self, load: &Arc<Load>) -> JoinSet<TaskRecord> {
        (0..load.tasks)
            .map(|task| operate(self.clone(), load.clone(), task))
            .collect()
    }
}

/// What the tasks of one measurement share.
#[derive(Debug)]
pub(crate) struct Load {
    keyspace: Arc<Keyspace>,
    tasks: usize,
    read_share: f64,
    seed: u64,
    ends_at: Instant,
    ends_now: AtomicBool,
}

/// What one task did.
#[derive(Debug)]
pub(crate) struct TaskRecord {
    latencies: Histogram<u64>,
    errors: u64,
    first_error: Option<String>,
}

/// What all tasks of one measurement did.
#[derive(Debug)]
pub(crate) struct Measurement {
    pub(crate) elapsed: Duration,
    /// In microseconds, of the operations that succeeded.
    pub(crate) latencies: Histogram<u64>,
    /// The operations that succeeded, by task.
    pub(crate) served: Vec<u64>,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
}

/// How long the operations in flight at the end may take. After that their tasks count as failed.
const LAST_OPERATIONS: Duration = Duration::from_secs(5);
const LAST_OPERATIONS_AFTER_INTERRUPT: Duration = Duration::from_secs(1);

/// Beyond any turn's length.
const LONGEST_LATENCY: Duration = Duration::from_secs(3600);

/// Runs the workload through `driver` for `duration`, or until somebody interrupts.
///
/// `seed` decides which operations each task does: the same seed, the same operations.
pub(crate) async fn measure(
    driver: &dyn Driver,
    workload: &Workload,
    keyspace: &Arc<Keyspace>,
    seed: u64,
    duration: Duration,
    interrupt: &Interrupt,
) -> Measurement {
    let started = Instant::now();
    let load = Arc::new(Load {
        keyspace: keyspace.clone(),
        tasks: workload.tasks,
        read_share: workload.read_share,
        seed,
        ends_at: started + duration,
        ends_now: AtomicBool::new(false),
    });
    let mut tasks = driver.start(&load);
    let mut measurement = Measurement::empty();
    tokio::select! {
        () = measurement.gather(&mut tasks) => {}
        () = give_up(&load, interrupt) => {
            tasks.abort_all();
            measurement.gather(&mut tasks).await;
        }
    }
    measurement.elapsed = started.elapsed();
    measurement
}

/// Ends when nobody should wait for the tasks of `load` any longer.
async fn give_up(load: &Load, interrupt: &Interrupt) {
    tokio::select! {
        () = tokio::time::sleep_until((load.ends_at + LAST_OPERATIONS).into()) => {}
        _ = interrupt.raised() => {
            load.ends_now.store(true, Ordering::Relaxed);
            tokio::time::sleep(LAST_OPERATIONS_AFTER_INTERRUPT).await;
        }
    }
}

/// One task's closed loop. The end of an operation is the beginning of the next: one look at the
/// clock for each.
async fn operate<C: Caller>(mut caller: C, load: Arc<Load>, task: usize) -> TaskRecord {
    let mut chance = Rng::with_seed(load.seed.wrapping_add(task as u64));
    let mut record = TaskRecord::empty();
    let mut begun = Instant::now();
    while begun < load.ends_at && !load.ends_now.load(Ordering::Relaxed) {
        let key = &load.keyspace.keys[chance.usize(..load.keyspace.keys.len())];
        let result = if chance.f64() < load.read_share {
            caller.read(key).await
        } else {
            caller.write(key, &load.keyspace.value).await
        };
        let done = Instant::now();
        match result {
            Ok(()) => record.succeeded(done - begun),
            Err(error) => {
                record.failed(error);
                // An error that comes at once would make a storm of errors.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        begun = done;
    }
    record
}

impl TaskRecord {
    fn empty() -> Self {
        TaskRecord {
            latencies: empty_histogram(),
            errors: 0,
            first_error: None,
        }
    }

    fn succeeded(&mut self, latency: Duration) {
        let latency = latency.min(LONGEST_LATENCY);
        let microseconds = u64::try_from(latency.as_micros()).expect("an hour fits");
        self.latencies
            .record(microseconds)
            .expect("a histogram that resizes itself takes any value");
    }

    fn failed(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }
}

impl Measurement {
    fn empty() -> Self {
        Measurement {
            elapsed: Duration::ZERO,
            latencies: empty_histogram(),
            served: Vec::new(),
            errors: 0,
            first_error: None,
        }
    }

    /// The operations that succeeded.
    pub(crate) fn operations(&self) -> u64 {
        self.latencies.len()
    }

    /// Takes over what the tasks recorded. Dropping it loses nothing: the rest can be gathered
    /// later.
    async fn gather(&mut self, tasks: &mut JoinSet<TaskRecord>) {
        while let Some(ended) = tasks.join_next().await {
            let record = ended.unwrap_or_else(|failure| TaskRecord {
                errors: 1,
                first_error: Some(if failure.is_cancelled() {
                    "no answer within five seconds".to_owned()
                } else {
                    format!("a task ended: {failure}")
                }),
                ..TaskRecord::empty()
            });
            self.add(record);
        }
    }

    fn add(&mut self, record: TaskRecord) {
        self.served.push(record.latencies.len());
        self.latencies
            .add(record.latencies)
            .expect("a histogram that resizes itself takes any other");
        self.errors += record.errors;
        if self.first_error.is_none() {
            self.first_error = record.first_error;
        }
    }
}

/// Two significant digits: within one per cent, which is less than rounds differ by; and ten
/// thousand tasks hold one each.
fn empty_histogram() -> Histogram<u64> {
    Histogram::new(2).expect("two digits are within what it can do")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_of_every_size_are_kept_as_they_are() {
        let mut record = TaskRecord::empty();
        for microseconds in [3, 500, 1_000_000] {
            record.succeeded(Duration::from_micros(microseconds));
        }
        record.succeeded(Duration::MAX);
        let mut measurement = Measurement::empty();
        measurement.add(record);
        let latencies = &measurement.latencies;
        assert_eq!(measurement.operations(), 4);
        assert_eq!(latencies.value_at_quantile(0.25), 3);
        assert!(latencies.value_at_quantile(0.5).abs_diff(500) <= 5);
        assert!(latencies.value_at_quantile(0.75).abs_diff(1_000_000) <= 10_000);
    }
}
