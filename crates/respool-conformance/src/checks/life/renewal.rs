use std::thread;
use std::time::{Duration, Instant};

use respool_core::{CloseReason, Pool, PoolConfig};
use respool_testserver::RedisServer;
use tokio::runtime::{Builder, Runtime};

use super::ready_ahead::some_are_kept_ready;
use crate::check::ensure;
use crate::checks::client_id;
use crate::checks::full_use::{come_to_rest, hold_all};
use crate::checks::way::{Way, echo_on};
use crate::trial::eventually;
use crate::{Broken, Finding, Trial};

const LIMIT: Duration = Duration::from_millis(200);
/// The promise is a fraction of a second. The rest is for machines with other things to do.
const PATIENCE: Duration = Duration::from_secs(3);

/// LIFE-4. While time passes nobody calls the pool, not even for its status.
pub(crate) fn connections_are_renewed_in_time(trial: &Trial) -> Finding {
    let mut latest = Duration::ZERO;
    for (what, set) in LIMITS {
        let case = |broken: Broken| broken.in_case(what);
        for runtime in [one_thread()?, two_threads()?] {
            let late = runtime.block_on(end_without_traffic(trial, *set));
            latest = latest.max(late.map_err(case)?);
        }
        not_driven_for_a_while(trial, *set).map_err(case)?;
        moves_to_another_runtime(trial, *set).map_err(case)?;
    }
    trial.block_on(async {
        held_while_its_time_runs_out(trial).await?;
        for way in Way::BOTH {
            renewed_under_traffic(trial, way)
                .await
                .map_err(|broken| broken.in_case(way.as_str()))?;
        }
        let together = ends_of_a_lifetime(trial, 0.0).await?;
        let spread = ends_of_a_lifetime(trial, 1.0).await?;
        let ready = some_are_kept_ready(trial).await?;
        Ok(format!(
            "idle connections ended by themselves at most {latest:?} late; 16 opened together ended over \
             {together:?} without jitter, {spread:?} with; {ready}"
        ))
    })
}

type Set = fn(&mut PoolConfig);

/// Each limit alone, so that neither can stand in for the other.
const LIMITS: &[(&str, Set)] = &[
    ("idle_timeout", |config| config.idle_timeout = Some(LIMIT)),
    ("max_lifetime", |config| config.max_lifetime = Some(LIMIT)),
];

fn one_thread() -> Result<Runtime, Broken> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn two_threads() -> Result<Runtime, Broken> {
    let mut builder = Builder::new_multi_thread();
    Ok(builder.worker_threads(2).enable_all().build()?)
}

/// Without any limit of time; the check sets those that it means.
pub(super) fn timeless(trial: &Trial, server: &RedisServer) -> PoolConfig {
    let mut config = trial.config(&server.url());
    config.idle_timeout = None;
    config.max_lifetime = None;
    config.max_lifetime_jitter = 0.0;
    config.validate_after = None;
    config
}

fn pool_with(trial: &Trial, server: &RedisServer, set: Set) -> Result<Pool, Broken> {
    let mut config = timeless(trial, server);
    set(&mut config);
    Ok(trial.pool(config)?)
}

/// How late the last of them ended.
async fn end_without_traffic(trial: &Trial, set: Set) -> Result<Duration, Broken> {
    let server = trial.server().await?;
    let pool = pool_with(trial, &server, set)?;
    let opened_at = Instant::now();
    fill(&pool).await?;
    let filled_at = Instant::now();
    let clients = server.connected_clients().await;
    ensure!(
        clients == 4 || opened_at.elapsed() >= LIMIT,
        expected: "4 connections while their time has not run out",
        seen: "{clients}"
    );
    until_nobody_is_connected(&server).await?;
    let late = filled_at.elapsed().saturating_sub(LIMIT);
    if trial.nature().shows.reasons {
        expect_all_expired(&pool)?;
    }
    Ok(late)
}

/// Leaves the pool with all of its connections open and idle; one of them has served a `Client`.
async fn fill(pool: &Pool) -> Result<(), Broken> {
    Way::Shared.echo(pool, "word").await?;
    drop(hold_all(pool).await?);
    Ok(())
}

async fn until_nobody_is_connected(server: &RedisServer) -> Result<(), Broken> {
    let what = "every idle connection closed when its time was up, though nobody called the pool";
    eventually(PATIENCE, what, async || {
        server.connected_clients().await == 0
    })
    .await
}

fn expect_all_expired(pool: &Pool) -> Result<(), Broken> {
    let status = pool.status();
    let (opened, expired) = (status.opened, status.closed.of(CloseReason::Expired));
    let made_room = status.closed.of(CloseReason::MadeRoom);
    ensure!(
        opened >= 4 && expired + made_room == opened && status.size() == 0,
        expected: "all connections counted as expired",
        seen: "{expired} of {opened}, and {status}"
    );
    Ok(())
}

/// Whoever comes first when the runtime goes on may come before any task of the pool.
fn not_driven_for_a_while(trial: &Trial, set: Set) -> Result<(), Broken> {
    let server = trial.block_on(trial.server())?;
    let pool = pool_with(trial, &server, set)?;
    let runtime = one_thread()?;
    let before = runtime.block_on(async {
        let mut ids = Vec::new();
        for connection in &mut hold_all(&pool).await? {
            ids.push(client_id(connection).await?);
        }
        Ok::<_, Broken>(ids)
    })?;
    thread::sleep(LIMIT);
    runtime.block_on(async {
        for _ in 0..2 {
            let id = client_id(&mut pool.get().await?).await?;
            ensure!(
                !before.contains(&id),
                expected: "no connection handed out whose time is up",
                seen: "number {id}, which was opened before"
            );
        }
        Ok(())
    })
}

/// Time is kept on whatever runtime has used the pool last.
fn moves_to_another_runtime(trial: &Trial, set: Set) -> Result<(), Broken> {
    let server = trial.block_on(trial.server())?;
    let pool = pool_with(trial, &server, set)?;
    one_thread()?.block_on(fill(&pool))?;
    let second = one_thread()?;
    second.block_on(async {
        drop(pool.get().await?);
        until_nobody_is_connected(&server).await
    })
}

async fn held_while_its_time_runs_out(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    let mut config = timeless(trial, &server);
    config.max_lifetime = Some(LIMIT);
    config.idle_timeout = Some(LIMIT);
    let pool = trial.pool(config)?;
    let mut held = pool.get().await?;
    let number = client_id(&mut held).await?;
    tokio::time::sleep(2 * LIMIT).await;
    echo_on(&mut held, "word")
        .await
        .map_err(|broken| broken.in_case("held for longer than max_lifetime"))?;
    drop(held);
    let next = client_id(&mut pool.get().await?).await?;
    ensure!(
        next != number,
        expected: "a connection older than max_lifetime replaced when it came back",
        seen: "it was lent again"
    );
    until_nobody_is_connected(&server).await
}

/// One that is never idle for long is renewed all the same.
async fn renewed_under_traffic(trial: &Trial, way: Way) -> Result<(), Broken> {
    let server = trial.server().await?;
    let mut config = timeless(trial, &server);
    config.max_size = 1;
    config.max_lifetime = Some(LIMIT);
    let pool = trial.pool(config)?;
    let what = "a connection in steady use renewed three times";
    let mut broken = None;
    eventually(PATIENCE, what, async || {
        if let Err(error) = way.echo(&pool, "word").await {
            broken = Some(error);
        }
        broken.is_some() || server.total_connections_received().await > 3
    })
    .await?;
    match broken {
        Some(broken) => Err(broken),
        None => come_to_rest(&pool).await,
    }
}

/// From the end of the first to that of the last of 16 connections opened together.
async fn ends_of_a_lifetime(trial: &Trial, jitter: f64) -> Result<Duration, Broken> {
    const CONNECTIONS: usize = 16;
    const LIFETIME: Duration = Duration::from_millis(1000);
    let server = trial.server().await?;
    let mut config = timeless(trial, &server);
    config.max_size = CONNECTIONS;
    config.max_lifetime = Some(LIFETIME);
    config.max_lifetime_jitter = jitter;
    let pool = trial.pool(config)?;
    let opened_at = Instant::now();
    let held = hold_all(&pool).await?;
    let opening = opened_at.elapsed();
    drop(held);

    let mut first_end = None;
    eventually(PATIENCE, "all to end", async || {
        let clients = server.connected_clients().await;
        if clients < CONNECTIONS {
            first_end.get_or_insert_with(Instant::now);
        }
        clients == 0
    })
    .await?;
    let first_end = first_end.unwrap_or(opened_at);
    let over = first_end.elapsed();
    if jitter > 0.0 {
        ensure!(
            over >= LIFETIME / 4,
            expected: "connections opened together to end spread over their lifetime of {LIFETIME:?}",
            seen: "all ended within {over:?}"
        );
    } else {
        let lived = first_end - opened_at;
        ensure!(
            lived >= LIFETIME && over <= opening + LIFETIME / 2,
            expected: "without jitter a lifetime of {LIFETIME:?} each",
            seen: "the first ended after {lived:?}, the last {over:?} later"
        );
    }
    Ok(over)
}
