//! Many callers at once, each in a task.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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

/// Tasks that get, yield and drop. `CLOCKED` looks at a clock around each get, which is why it is
/// not always done.
pub(crate) async fn turns<P: Lends, const CLOCKED: bool>(pool: P, cell: &Cell) -> Sample {
    let resident_before = memory::high_water_mark();
    let (had, elapsed) = crowd(cell, |stop, gate| {
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
                drop(black_box(held));
                had.turns += 1;
            }
        }
    })
    .await;
    let longest = had.iter().map(|had| had.longest_wait).max();
    let mut figures = served(&had, elapsed);
    figures.insert("ms".into(), longest.unwrap_or_default().as_secs_f64() * 1e3);
    figures.insert(
        "mib".into(),
        (memory::high_water_mark() - resident_before) / (1024.0 * 1024.0),
    );
    figures
}

/// Tasks that get, GET and drop.
pub(crate) async fn round_trips<P: Asks>(pool: P, cell: &Cell) -> Sample {
    fill(&pool, cell.connections).await;
    let (had, elapsed) = crowd(cell, |stop, gate| {
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
    .await;
    served(&had, elapsed)
}

/// Starts the tasks, opens the gate for all at once, and stops them when the time is up.
async fn crowd<F>(
    cell: &Cell,
    task: impl Fn(Arc<AtomicBool>, Arc<Barrier>) -> F,
) -> (Vec<Had>, Duration)
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
    let started = Instant::now();
    tokio::time::sleep(cell.time).await;
    stop.store(true, Ordering::Relaxed);
    let elapsed = started.elapsed();
    (tasks.join_all().await, elapsed)
}

fn served(had: &[Had], elapsed: Duration) -> Sample {
    let turns = had.iter().map(|had| had.turns);
    let least = turns.clone().min().unwrap_or_default() as f64;
    let most = turns.clone().max().unwrap_or_default().max(1) as f64;
    sample([
        (
            "kops",
            turns.sum::<u64>() as f64 / elapsed.as_secs_f64() / 1e3,
        ),
        ("evenness", least / most),
    ])
}
