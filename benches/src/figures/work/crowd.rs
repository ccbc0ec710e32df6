//! Many callers at once, each in a task.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::{fill, memory, sample};
use crate::cell::{Cell, Sample};
use crate::subjects::{Asks, Lends, VALUE};

/// What a task has had.
#[derive(Default)]
struct Had {
    turns: u64,
    longest_wait: Duration,
}

/// What all of them have had together.
struct Crowd {
    had: Vec<Had>,
    elapsed: Duration,
    /// Of this process, on all threads.
    processor: Duration,
}

/// Tasks that get, yield and drop. `CLOCKED` looks at a clock around each get, which is why it is
/// not always done.
pub(crate) async fn turns<P: Lends, const CLOCKED: bool>(pool: P, cell: &Cell) -> Sample {
    let resident_before = memory::high_water_mark();
    let crowd = crowd(cell, |stop, gate| {
        let pool = pool.clone();
        async move {
            let mut had = Had::default();
            gate.wait().await;
            loop {
                let asked = CLOCKED.then(Instant::now);
                let held = pool.get().await;
                if let Some(asked) = asked {
                    had.longest_wait = had.longest_wait.max(asked.elapsed());
                }
                // Those who still wait at the end have a wait to tell, but no turn.
                if stop.load(Ordering::Relaxed) {
                    return had;
                }
                tokio::task::yield_now().await;
                if is_held_longer(had.turns) {
                    tokio::task::yield_now().await;
                }
                drop(black_box(held));
                had.turns += 1;
            }
        }
    })
    .await;
    let longest = crowd.had.iter().map(|had| had.longest_wait).max();
    let mut figures = crowd.figures();
    figures.insert("ms".into(), longest.unwrap_or_default().as_secs_f64() * 1e3);
    figures.insert(
        "mib".into(),
        (memory::high_water_mark() - resident_before) / (1024.0 * 1024.0),
    );
    figures
}

/// One turn in eight yields twice. With turns of equal length, 64 tasks on 10 in one thread fall into
/// step with the runtime, which wakes those who yield in batches: some tasks then have six turns for
/// the others' seven from any pool whatever, be its queue ever so just.
fn is_held_longer(turn: u64) -> bool {
    const GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;
    turn.wrapping_mul(GOLDEN_RATIO) >> 61 == 0
}

/// Tasks that get, GET and drop.
pub(crate) async fn round_trips<P: Asks>(pool: P, cell: &Cell) -> Sample {
    fill(&pool, cell.connections).await;
    crowd(cell, |stop, gate| {
        let pool = pool.clone();
        async move {
            let mut had = Had::default();
            gate.wait().await;
            loop {
                let mut held = pool.get().await;
                let reply = P::ask(&mut held).await;
                drop(held);
                assert_eq!(reply.len(), VALUE);
                if stop.load(Ordering::Relaxed) {
                    return had;
                }
                had.turns += 1;
            }
        }
    })
    .await
    .figures()
}

/// Starts the tasks, opens the gate for all at once, and stops them when the time is up.
async fn crowd<F>(cell: &Cell, task: impl Fn(Arc<AtomicBool>, Arc<Barrier>) -> F) -> Crowd
where
    F: Future<Output = Had> + Send + 'static,
{
    let stop = Arc::new(AtomicBool::new(false));
    let gate = Arc::new(Barrier::new(cell.tasks + 1));
    let mut tasks = JoinSet::new();
    for _ in 0..cell.tasks {
        tasks.spawn(task(stop.clone(), gate.clone()));
    }
    gate.wait().await;
    let (started, processor_before) = (Instant::now(), processor_time());
    tokio::time::sleep(cell.time).await;
    stop.store(true, Ordering::Relaxed);
    let elapsed = started.elapsed();
    let processor = processor_time() - processor_before;
    Crowd {
        had: tasks.join_all().await,
        elapsed,
        processor,
    }
}

fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).expect("it is no negative time")
}

impl Crowd {
    fn figures(&self) -> Sample {
        let turns = self.had.iter().map(|had| had.turns);
        let all = turns.clone().sum::<u64>() as f64;
        let least = turns.clone().min().unwrap_or_default() as f64;
        let most = turns.max().unwrap_or_default().max(1) as f64;
        sample([
            ("kops", all / self.elapsed.as_secs_f64() / 1e3),
            ("evenness", least / most),
            ("cpu_us", self.processor.as_secs_f64() * 1e6 / all.max(1.0)),
        ])
    }
}
