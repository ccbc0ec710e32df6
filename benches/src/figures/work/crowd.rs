//! Many callers at once, each in a task.

use std::hint::black_box;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use respool_benches::table::{Sample, sample};
use respool_benches::{Crowd, crowd, high_water_mark};

use super::fill;
use crate::cell::Cell;
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
    let resident_before = high_water_mark();
    let crowd = crowd(cell.tasks, cell.time, |_, stop, gate| {
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
    let mut figures = figures(&crowd);
    figures.insert("ms".into(), longest.unwrap_or_default().as_secs_f64() * 1e3);
    figures.insert(
        "mib".into(),
        (high_water_mark() - resident_before) / (1024.0 * 1024.0),
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
    let crowd = crowd(cell.tasks, cell.time, |_, stop, gate| {
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
    figures(&crowd)
}

fn figures(crowd: &Crowd<Had>) -> Sample {
    let turns = crowd.had.iter().map(|had| had.turns);
    let all = turns.clone().sum::<u64>() as f64;
    let least = turns.clone().min().unwrap_or_default() as f64;
    let most = turns.max().unwrap_or_default().max(1) as f64;
    sample([
        ("kops", all / crowd.elapsed.as_secs_f64() / 1e3),
        ("evenness", least / most),
        ("cpu_us", crowd.processor.as_secs_f64() * 1e6 / all.max(1.0)),
    ])
}
