use std::collections::BTreeMap;
use std::time::Duration;

use redis::cmd;
use respool_core::Pool;
use respool_testserver::RedisServer;
use tokio::task::JoinSet;

use crate::check::ensure;
use crate::checks::full_use::hold_all;
use crate::checks::way::Way;
use crate::{Broken, Finding, Trial};

const TASKS: usize = 4;
const CYCLES_PER_TASK: usize = 500;

/// RET-4, counted at the server: a steady workload of GETs is nothing but GETs there.
pub(crate) fn a_clean_return_costs_no_round_trip(trial: &Trial) -> Finding {
    trial.block_on(async {
        let server = trial.server().await?;
        let pool = trial.pool(trial.config(&server.url()))?;
        drop(hold_all(&pool).await?);

        let connections = server.total_connections_received().await;
        let mut calls = calls_by_command(&server).await?;
        get_and_drop(&pool).await?;
        *calls.entry("get".to_owned()).or_default() += (TASKS * CYCLES_PER_TASK) as u64;
        let connections_after = server.total_connections_received().await;
        let calls_after = calls_by_command(&server).await?;

        ensure!(
            calls_after == calls,
            expected: "{TASKS} x {CYCLES_PER_TASK} GET to be all that the server executes: {calls:?}",
            seen: "{calls_after:?}"
        );
        ensure!(
            connections_after == connections,
            expected: "no new connection",
            seen: "{}",
            connections_after - connections
        );
        one_ping_after_a_long_rest(trial)
            .await
            .map_err(|broken| broken.in_case("idle for longer than validate_after"))?;
        let cycles = TASKS * CYCLES_PER_TASK;
        Ok(format!("{cycles} times taken and given back: {cycles} GET, nothing else"))
    })
}

/// Also through a client, whose connection rests meanwhile.
async fn one_ping_after_a_long_rest(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    let mut config = trial.config(&server.url());
    config.max_size = 1;
    config.validate_after = Some(Duration::from_millis(50));
    for way in Way::BOTH {
        let pool = trial.pool(config.clone())?;
        if pool.is_bare() {
            return Ok(());
        }
        way.echo(&pool, "first").await?;
        let before = server.command_calls("ping").await;
        for rests in 1..=2 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            way.echo(&pool, "after a rest").await?;
            let pings = server.command_calls("ping").await - before;
            ensure!(
                pings == rests,
                expected: "one PING after each of {rests} rests",
                seen: "{pings}, {}", way.as_str()
            );
        }
    }
    Ok(())
}

async fn get_and_drop(pool: &Pool) -> Result<(), Broken> {
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let pool = pool.clone();
        tasks.spawn(async move {
            for _ in 0..CYCLES_PER_TASK {
                let mut connection = pool.get().await?;
                cmd("GET")
                    .arg("key")
                    .query_async::<Option<String>>(&mut connection)
                    .await?;
            }
            Ok::<_, Broken>(())
        });
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome??;
    }
    Ok(())
}

/// `calls` of INFO commandstats, without the questions that this check itself asks.
async fn calls_by_command(server: &RedisServer) -> Result<BTreeMap<String, u64>, Broken> {
    let info = server.command(&["INFO", "commandstats"]).await?;
    let text = info.text().unwrap_or_default();
    let mut calls = BTreeMap::new();
    for line in text.lines() {
        let count = line
            .strip_prefix("cmdstat_")
            .and_then(|line| line.split_once(":calls="))
            .and_then(|(name, rest)| Some((name, rest.split(',').next()?.parse().ok()?)));
        if let Some((name, count)) = count
            && name != "info"
        {
            calls.insert(name.to_owned(), count);
        }
    }
    Ok(calls)
}
