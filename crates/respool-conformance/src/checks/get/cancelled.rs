use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use redis::cmd;
use respool_core::Pool;
use respool_testserver::FaultProxy;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::checks::full_use::{hold_all_slots, lost_nothing};
use crate::checks::impatience::get_and_give_up;
use crate::trial::within;
use crate::{Broken, Finding, Trial};

const TASKS: u64 = 8;
const GETS_PER_TASK: usize = 400;
const EMPTY_POOLS: usize = 10;
const GETS_PER_EMPTY_POOL: usize = 20;
const CROWD: usize = 64;
const PATIENCE: Duration = Duration::from_secs(5);

/// GET-5: gets are cancelled while connecting is slow, while all connections are held, and, which
/// is the sharpest, while they are being handed over.
pub(crate) fn cancelled_gets_lose_no_slot(trial: &Trial) -> Finding {
    // On one thread, so that nobody is polled between the end of a connection and his own.
    let one_thread = Builder::new_current_thread().enable_all().build()?;
    one_thread
        .block_on(when_there_is_room(trial))
        .map_err(|broken| broken.in_case("a crowd cancelled as a connection has ended"))?;
    trial.block_on(async {
        let server = trial.server().await?;
        let proxy = trial.proxy(&server).await?;

        for round in 0..EMPTY_POOLS {
            let pool = trial.pool(trial.config(&proxy.url()))?;
            while_connecting(&pool, &proxy, round as u64)
                .await
                .map_err(|broken| broken.in_case("cancelled while connecting"))?;
        }
        let mut config = trial.config(&proxy.url());
        config.validate_after = Some(Duration::from_nanos(1));
        while_being_checked(&trial.pool(config)?, &proxy)
            .await
            .map_err(|broken| broken.in_case("cancelled while being checked"))?;

        let pool = trial.pool(trial.config(&server.url()))?;
        while_waiting(&pool)
            .await
            .map_err(|broken| broken.in_case("cancelled while waiting"))?;
        while_being_served(&pool)
            .await
            .map_err(|broken| broken.in_case("cancelled while being served"))?;

        let storms = TASKS as usize * (EMPTY_POOLS * GETS_PER_EMPTY_POOL + 3 * GETS_PER_TASK);
        Ok(format!(
            "{} gets given up; all 4 could be held at once after each storm",
            storms + CROWD
        ))
    })
}

/// Whoever hears of the room that a connection has left may not live to make use of it.
async fn when_there_is_room(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    let mut config = trial.config(&server.url());
    config.max_size = 1;
    let pool = trial.pool(config)?;
    let mut holder = pool.get().await?;
    // It is not kept for the next holder (RET-3).
    cmd("SELECT").arg(1).query_async::<()>(&mut holder).await?;
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        let pool = pool.clone();
        crowd.spawn(async move { pool.get().await.map(drop) });
    }
    let last = pool.clone();
    let last = tokio::spawn(async move { last.get().await.map(drop) });
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    drop(holder);
    crowd.abort_all();
    within(PATIENCE, "whoever came after the crowd to be served", last).await???;
    lost_nothing(&pool).await
}

async fn while_connecting(pool: &Pool, proxy: &FaultProxy, seed: u64) -> Result<(), Broken> {
    proxy.slow_accept(Some(Duration::from_millis(20)));
    give_up(pool, GETS_PER_EMPTY_POOL, seed, Duration::from_millis(5)).await?;
    proxy.slow_accept(None);
    lost_nothing(pool).await
}

/// Each get finds idle connections that are to be probed first, which takes a while.
async fn while_being_checked(pool: &Pool, proxy: &FaultProxy) -> Result<(), Broken> {
    lost_nothing(pool).await?;
    proxy.delay(Some(Duration::from_millis(2)));
    give_up(pool, GETS_PER_TASK, 300, Duration::from_millis(10)).await?;
    proxy.delay(None);
    lost_nothing(pool).await
}

async fn while_waiting(pool: &Pool) -> Result<(), Broken> {
    let held = hold_all_slots(pool).await?;
    give_up(pool, GETS_PER_TASK, 100, Duration::from_millis(2)).await?;
    drop(held);
    lost_nothing(pool).await
}

async fn while_being_served(pool: &Pool) -> Result<(), Broken> {
    let holders = Holders::start(pool);
    give_up(pool, GETS_PER_TASK, 200, Duration::from_millis(2)).await?;
    holders.stop().await?;
    lost_nothing(pool).await
}

async fn give_up(pool: &Pool, gets: usize, seed: u64, patience: Duration) -> Result<(), Broken> {
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let pool = pool.clone();
        tasks.spawn(async move {
            let mut random = Rng::with_seed(seed + task);
            for _ in 0..gets {
                drop(get_and_give_up(&pool, &mut random, patience).await);
            }
        });
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome?;
    }
    Ok(())
}

/// Tasks that take connections and give them back all the time, more of them than connections.
struct Holders {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Result<(), Broken>>,
}

impl Holders {
    fn start(pool: &Pool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..pool.config().max_size + 2 {
            let (pool, stop) = (pool.clone(), stop.clone());
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let _connection = pool.get().await?;
                    tokio::task::yield_now().await;
                }
                Ok(())
            });
        }
        Holders { stop, tasks }
    }

    async fn stop(mut self) -> Result<(), Broken> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(outcome) = self.tasks.join_next().await {
            outcome??;
        }
        Ok(())
    }
}
