use std::time::Duration;

use fastrand::Rng;
use redis::cmd;
use respool_core::Pool;
use respool_testserver::{FaultProxy, RedisServer};
use tokio::task::JoinSet;

use crate::check::ensure;
use crate::checks::full_use::{come_to_rest, hold_all_slots};
use crate::checks::impatience::get_and_give_up;
use crate::{Broken, Finding, Trial};

const TASKS: u64 = 24;
const ROUNDS: usize = 60;

/// GET-2. The proxy counts exactly: it closes before the pool can know of it, so that a pool that
/// dials anew is never seen with one too many.
pub(crate) fn never_more_than_max_size(trial: &Trial) -> Finding {
    trial.block_on(async {
        let slowly = slow_connects(trial)
            .await
            .map_err(|broken| broken.in_case("slow connects, cancelled gets"))?;
        let failing = failing_connects(trial)
            .await
            .map_err(|broken| broken.in_case("failing connects, cancelled gets"))?;
        // About the slots of those who are turned away there.
        if trial.nature().lends {
            server_at_its_limit(trial)
                .await
                .map_err(|broken| broken.in_case("a server at its client limit"))?;
        }
        Ok(format!(
            "at most {slowly} of 4 while connecting was slow, {failing} while it failed"
        ))
    })
}

async fn slow_connects(trial: &Trial) -> Result<usize, Broken> {
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    let pool = trial.pool(trial.config(&proxy.url()))?;
    proxy.slow_accept(Some(Duration::from_millis(30)));
    storm(&pool, &server, async || {}).await?;
    ensure_bounded(&pool, &proxy)?;
    ensure_all_and_no_more(trial, &pool).await?;
    ensure_bounded(&pool, &proxy)
}

async fn failing_connects(trial: &Trial) -> Result<usize, Broken> {
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    let pool = trial.pool(trial.config(&proxy.url()))?;
    proxy.slow_accept(Some(Duration::from_millis(1)));
    let mut turn = 0;
    storm(&pool, &server, async || {
        // The proxy's faults take turns: nobody listens, cut, cut in the middle of the handshake.
        turn += 1;
        match turn % 6 {
            1 => proxy.refuse(true),
            2 => proxy.refuse(false),
            3 => proxy.cut(),
            4 => proxy.cut_after_reply_bytes(Some(0)),
            5 => proxy.cut_after_reply_bytes(None),
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(4)).await;
    })
    .await?;
    proxy.refuse(false);
    proxy.cut_after_reply_bytes(None);
    ensure_bounded(&pool, &proxy)?;
    ensure_all_and_no_more(trial, &pool).await?;
    ensure_bounded(&pool, &proxy)
}

/// Connects that the server itself turns away must be counted as gone, else a slot is lost, and not
/// twice, else there is one too many once the server lets everybody in.
async fn server_at_its_limit(trial: &Trial) -> Result<(), Broken> {
    let server = RedisServer::builder().max_clients(2).start().await?;
    let mut config = trial.config(&server.url());
    config.get_timeout = Some(Duration::from_millis(300));
    let pool = trial.pool(config)?;
    let mut gets = JoinSet::new();
    for _ in 0..8 {
        let pool = pool.clone();
        gets.spawn(async move { pool.get().await.map(drop) });
    }
    gets.join_all().await;

    // Nobody but those who are in can ask the server for more room.
    let mut connection = pool.get().await?;
    let _: String = cmd("CONFIG")
        .arg(&["SET", "maxclients", "100"])
        .query_async(&mut connection)
        .await?;
    drop(connection);
    ensure_all_and_no_more(trial, &pool).await?;
    ensure_bounded_at(&server, pool.config().max_size).await
}

/// A crowd that takes, uses and gives up connections, while `fault` goes on beside it.
async fn storm(
    pool: &Pool,
    server: &RedisServer,
    mut fault: impl AsyncFnMut(),
) -> Result<(), Broken> {
    let mut crowd = JoinSet::new();
    for seed in 0..TASKS {
        let pool = pool.clone();
        crowd.spawn(async move {
            let mut random = Rng::with_seed(seed);
            for _ in 0..ROUNDS {
                let patience = Duration::from_millis(15);
                if let Some(mut connection) = get_and_give_up(&pool, &mut random, patience).await {
                    // It may well be cut, which is nobody's fault.
                    let command = cmd("PING");
                    let ping = command.query_async::<String>(&mut connection);
                    match pool.is_bare() {
                        false => drop(ping.await),
                        // Nor is it about how long somebody else's client waits on what is dead.
                        true => drop(tokio::time::timeout(patience, ping).await),
                    }
                }
            }
        });
    }
    while !crowd.is_empty() {
        fault().await;
        ensure_bounded_at(server, pool.config().max_size).await?;
        while crowd.try_join_next().is_some() {}
    }
    Ok(())
}

/// After all that, `max_size` can still be held at once, and not one more.
async fn ensure_all_and_no_more(trial: &Trial, pool: &Pool) -> Result<(), Broken> {
    if !trial.nature().lends {
        return Ok(());
    }
    let held = hold_all_slots(pool).await?;
    let one_more = pool.get_within(Some(Duration::from_millis(50))).await;
    ensure!(
        one_more.is_err(),
        expected: "nobody to be served while all are held",
        seen: "a connection, with {}",
        pool.status()
    );
    drop(held);
    come_to_rest(pool).await
}

fn ensure_bounded(pool: &Pool, proxy: &FaultProxy) -> Result<usize, Broken> {
    let (most, max_size) = (proxy.most_open(), pool.config().max_size);
    ensure!(
        most <= max_size,
        expected: "at most {max_size} connections at once",
        seen: "{most}"
    );
    Ok(most)
}

/// The server's own view. It may accept a newcomer before it notices that another has left: only
/// what it says three times in a row counts.
async fn ensure_bounded_at(server: &RedisServer, max_size: usize) -> Result<(), Broken> {
    let mut clients = 0;
    for _ in 0..3 {
        clients = server.connected_clients().await;
        if clients <= max_size {
            return Ok(());
        }
    }
    Err(Broken::new(
        format!("at most {max_size} clients at the server"),
        clients.to_string(),
    ))
}
