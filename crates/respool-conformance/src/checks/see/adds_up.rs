use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fastrand::Rng;
use redis::cmd;
use respool_core::{Pool, Status};
use tokio::task::JoinSet;

use crate::check::ensure;
use crate::checks::impatience::get_and_give_up;
use crate::trial::eventually;
use crate::{Broken, Finding, Trial};

const TASKS: u64 = 12;
/// How many different snapshots are enough, and for how long to look all the same. A loaded machine
/// may need longer for so many; a fast one finds wrong ones only in many more.
const SNAPSHOTS: usize = 1000;
const LOOKING: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(30);

/// SEE-1: somebody looks all the time while everything happens at once.
pub(crate) fn every_snapshot_adds_up(trial: &Trial) -> Finding {
    trial.block_on(async {
        let server = trial.server().await?;
        let proxy = trial.proxy(&server).await?;
        let pool = trial.pool_showing_itself(trial.config(&proxy.url()))?;
        let sampler = Sampler::start(&pool);
        let churn = churn(&pool);

        let mut turn = 0;
        eventually(PATIENCE, "snapshots of a busy pool", async || {
            turn += 1;
            match turn % 5 {
                0 => proxy.slow_accept(Some(Duration::from_millis(3))),
                1 => proxy.cut(),
                2 => proxy.refuse(true),
                3 => proxy.refuse(false),
                _ => proxy.slow_accept(None),
            }
            sampler.has_ended()
        })
        .await?;
        drop(churn);
        let different = sampler.verdict()?;
        Ok(format!("{different} different snapshots, each adds up"))
    })
}

/// Gets, drops, cancelled gets and changed sessions, until it is dropped.
fn churn(pool: &Pool) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for seed in 0..TASKS {
        let pool = pool.clone();
        tasks.spawn(async move {
            let mut random = Rng::with_seed(seed);
            loop {
                let taken = get_and_give_up(&pool, &mut random, Duration::from_millis(5)).await;
                if let Some(mut connection) = taken {
                    let database = i32::from(random.u8(0..8) == 0);
                    // It may well be cut, which is nobody's fault.
                    let _ = cmd("SELECT")
                        .arg(database)
                        .query_async::<String>(&mut connection)
                        .await;
                }
                tokio::task::yield_now().await;
            }
        });
    }
    tasks
}

/// A thread that takes snapshots all the time, until it has seen enough or one that is wrong.
struct Sampler {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<usize, Broken>>>,
}

impl Sampler {
    fn start(pool: &Pool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (pool, stopped) = (pool.clone(), stop.clone());
        let thread = thread::spawn(move || {
            let mut earlier = pool.status();
            let (started, mut different) = (Instant::now(), 0);
            while (different < SNAPSHOTS || started.elapsed() < LOOKING)
                && !stopped.load(Ordering::Relaxed)
            {
                let status = pool.status();
                ensure_adds_up(&status, &earlier, pool.config().max_size)?;
                different += usize::from(status != earlier);
                earlier = status;
                thread::yield_now();
            }
            Ok(different)
        });
        Sampler {
            stop,
            thread: Some(thread),
        }
    }

    fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn verdict(mut self) -> Result<usize, Broken> {
        match self.thread.take() {
            Some(thread) => thread.join().expect("taking a snapshot doesn't panic"),
            None => Ok(0),
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn ensure_adds_up(status: &Status, earlier: &Status, max_size: usize) -> Result<(), Broken> {
    ensure!(
        status.max_size == max_size && status.size() <= max_size,
        expected: "idle + in_use + connecting to be at most max_size, {max_size}, at any moment",
        seen: "{status}"
    );
    let open = (status.idle + status.in_use) as u64;
    let (opened, closed) = (status.opened, status.closed.total());
    ensure!(
        opened == closed + open,
        expected: "opened to be closed + idle + in_use at any moment",
        seen: "{opened} opened, {closed} closed; {status}"
    );
    ensure!(
        opened >= earlier.opened && closed >= earlier.closed.total(),
        expected: "counters never to go down",
        seen: "{opened} opened and {closed} closed after {} and {}",
        earlier.opened,
        earlier.closed.total()
    );
    Ok(())
}
