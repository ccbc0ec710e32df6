use std::time::Duration;

use fastrand::Rng;
use respool_core::{Pool, Status};
use respool_testserver::FaultProxy;
use tokio::task::JoinSet;

use crate::check::ensure;
use crate::checks::full_use::{come_to_rest, hold_all};
use crate::checks::impatience::get_and_give_up;
use crate::trial::eventually;
use crate::{Broken, Finding, Trial};

const PATIENCE: Duration = Duration::from_secs(10);
const TASKS: u64 = 8;
const CANCELLED_PER_TASK: usize = 1250;
const WAITERS: usize = 7;

/// SEE-2: exact figures while connections are held and waited for, none of them left afterwards.
pub(crate) fn at_rest_it_is_at_rest(trial: &Trial) -> Finding {
    trial.block_on(async {
        let server = trial.server().await?;
        let proxy = trial.proxy(&server).await?;
        let pool = trial.pool_showing_itself(trial.config(&proxy.url()))?;
        if trial.nature().shows.connecting {
            connecting(trial, &proxy)
                .await
                .map_err(|broken| broken.in_case("connecting"))?;
        }
        held_and_waited_for(&pool)
            .await
            .map_err(|broken| broken.in_case("held and waited for"))?;
        gets_cancelled(&pool)
            .await
            .map_err(|broken| broken.in_case("after cancelled gets"))?;
        gets_timed_out(&pool)
            .await
            .map_err(|broken| broken.in_case("after time-outs"))?;
        connects_failed(trial, &proxy)
            .await
            .map_err(|broken| broken.in_case("after failed connects"))?;
        let cancelled = TASKS as usize * CANCELLED_PER_TASK;
        Ok(format!(
            "exact with 1 to 4 held and {WAITERS} waiting; at rest after {cancelled} cancelled \
             gets, time-outs and failed connects"
        ))
    })
}

/// One for whom a connection is being opened is counted there, and not as waiting.
async fn connecting(trial: &Trial, proxy: &FaultProxy) -> Result<(), Broken> {
    let pool = trial.pool_showing_itself(trial.config(&proxy.url()))?;
    proxy.stall();
    let asker = pool.clone();
    let get = tokio::spawn(async move { asker.get().await });
    shows(&pool, "1 connecting, 0 waiting", |status| {
        (
            status.connecting,
            status.waiting,
            status.in_use,
            status.idle,
        ) == (1, 0, 0, 0)
    })
    .await?;
    proxy.resume();
    let held = get.await??;
    shows(&pool, "1 in use, 0 connecting", |status| {
        (
            status.connecting,
            status.waiting,
            status.in_use,
            status.idle,
        ) == (0, 0, 1, 0)
    })
    .await?;
    drop(held);
    come_to_rest(&pool).await
}

async fn held_and_waited_for(pool: &Pool) -> Result<(), Broken> {
    let mut held = Vec::new();
    for count in 1..=pool.config().max_size {
        held.push(pool.get().await?);
        let status = pool.status();
        ensure!(
            status.in_use == count && status.waiting == 0,
            expected: "{count} in use, 0 waiting",
            seen: "{status}"
        );
    }
    let mut waiters = JoinSet::new();
    for count in 1..=WAITERS {
        let asker = pool.clone();
        waiters.spawn(async move { asker.get().await.map(drop) });
        shows_waiting(pool, count).await?;
    }
    waiters.abort_all();
    shows_waiting(pool, 0).await?;
    while held.pop().is_some() {
        let left = held.len();
        shows(pool, &format!("{left} in use"), |status| {
            status.in_use == left
        })
        .await?;
    }
    come_to_rest(pool).await
}

async fn gets_cancelled(pool: &Pool) -> Result<(), Broken> {
    let held = hold_all(pool).await?;
    let mut tasks = JoinSet::new();
    for seed in 0..TASKS {
        let pool = pool.clone();
        tasks.spawn(async move {
            let mut random = Rng::with_seed(seed);
            for _ in 0..CANCELLED_PER_TASK {
                drop(get_and_give_up(&pool, &mut random, Duration::from_micros(500)).await);
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    shows_waiting(pool, 0).await?;
    drop(held);
    come_to_rest(pool).await
}

async fn gets_timed_out(pool: &Pool) -> Result<(), Broken> {
    let held = hold_all(pool).await?;
    for _ in 0..3 {
        let outcome = pool.get_within(Some(Duration::from_millis(5))).await;
        ensure!(outcome.is_err(), expected: "a time-out", seen: "a connection");
    }
    shows_waiting(pool, 0).await?;
    drop(held);
    come_to_rest(pool).await
}

/// A pool of its own, so that there is nothing idle to be had.
async fn connects_failed(trial: &Trial, proxy: &FaultProxy) -> Result<(), Broken> {
    let pool = trial.pool_showing_itself(trial.config(&proxy.url()))?;
    proxy.refuse(true);
    let mut crowd = JoinSet::new();
    for _ in 0..WAITERS {
        let pool = pool.clone();
        crowd.spawn(async move { pool.get_within(Some(Duration::from_millis(100))).await });
    }
    while let Some(outcome) = crowd.join_next().await {
        ensure!(outcome?.is_err(), expected: "failed connects", seen: "a connection");
    }
    shows_waiting(&pool, 0).await?;
    proxy.refuse(false);
    come_to_rest(&pool).await
}

async fn shows_waiting(pool: &Pool, count: usize) -> Result<(), Broken> {
    let what = format!("{count} waiting");
    shows(pool, &what, |status| status.waiting == count).await
}

async fn shows(pool: &Pool, what: &str, holds: impl Fn(&Status) -> bool) -> Result<(), Broken> {
    eventually(PATIENCE, what, async || holds(&pool.status()))
        .await
        .map_err(|broken| Broken::new(broken.expected, pool.status().to_string()))
}
