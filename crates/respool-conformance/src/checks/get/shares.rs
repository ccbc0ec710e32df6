//! How equal tasks share a pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use respool_core::{Pool, PoolError};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::Broken;

pub(super) const TASKS: usize = 16;
/// Enough for the scheduler's whims, which cost single turns, to even out.
const TURNS_PER_TASK: usize = 4000;
/// The same where each turn costs a round trip to the server or more.
const SLOW_TURNS_PER_TASK: usize = 1000;
/// However fast a pool is, its turns are taken for so long, and twice as long each time that the shares
/// are found unequal: a thread that is taken off its core costs some milliseconds of turns, which in
/// the end are few of all. An unfair pool is unfair however long one looks.
const FOR_AT_LEAST: Duration = Duration::from_millis(150);
/// How often the shares are measured before an unequal one counts.
const MEASUREMENTS: u32 = 5;

pub(super) async fn ensure_equal_shares(pool: &Pool) -> Result<f64, Broken> {
    let mut shares = Vec::new();
    for number in 0..MEASUREMENTS {
        let share = smallest_share(pool, FOR_AT_LEAST * 2_u32.pow(number)).await?;
        if share >= 0.9 {
            return Ok(share);
        }
        shares.push(share);
    }
    Err(Broken::new(
        "the least served to have nine tenths of the most served's turns",
        format!("{shares:.2?} of them in {MEASUREMENTS} measurements"),
    ))
}

/// Equal tasks take turns until they have had so many together, and `for_at_least` so long; then the
/// least served is measured by the most served.
async fn smallest_share(pool: &Pool, for_at_least: Duration) -> Result<f64, Broken> {
    let turns = Arc::new(AtomicUsize::new(0));
    let turns_per_task = match pool.is_bare() {
        false => TURNS_PER_TASK,
        true => SLOW_TURNS_PER_TASK,
    };
    let start = Arc::new(Barrier::new(TASKS));
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (pool, turns, start) = (pool.clone(), turns.clone(), start.clone());
        tasks.spawn(async move {
            start.wait().await;
            let started = Instant::now();
            let is_enough = |turns| turns >= TASKS * turns_per_task;
            let mut own = 0;
            while !is_enough(turns.fetch_add(1, Ordering::Relaxed))
                || started.elapsed() < for_at_least
            {
                let _connection = pool.get().await?;
                own += 1;
                tokio::task::yield_now().await;
            }
            Ok::<usize, PoolError>(own)
        });
    }
    let (mut least, mut most) = (usize::MAX, 0);
    while let Some(outcome) = tasks.join_next().await {
        let own = outcome??;
        least = least.min(own);
        most = most.max(own);
    }
    Ok(least as f64 / most as f64)
}
