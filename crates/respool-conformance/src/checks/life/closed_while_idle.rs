use std::thread;
use std::time::Duration;

use respool_core::{Pool, PoolConfig};
use respool_testserver::{FaultProxy, RedisServer};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::check::ensure;
use crate::checks::cmd::run;
use crate::checks::full_use::{come_to_rest, hold_all};
use crate::checks::way::{Way, echo_on, ensure_echo};
use crate::trial::eventually;
use crate::{Broken, Finding, Trial};

const PATIENCE: Duration = Duration::from_secs(10);

/// How idle connections come to their end.
#[derive(Clone, Copy, Debug)]
enum End {
    Killed,
    Finished,
    HalfClosed,
    Reset,
    ServerRestarted,
}

const ENDS: [End; 5] = [
    End::Killed,
    End::Finished,
    End::HalfClosed,
    End::Reset,
    End::ServerRestarted,
];

/// LIFE-1. The runtime is not driven while the connections end, so that no task of the pool can
/// have noticed when the next caller comes; then again after it had a while.
pub(crate) fn closed_connections_are_not_handed_out(trial: &Trial) -> Finding {
    for end in ENDS {
        for threads in [1, 2] {
            ended_while_idle(trial, end, threads)
                .map_err(|broken| broken.in_case(&format!("{end:?}, {threads} threads")))?;
        }
    }
    Ok(format!(
        "4 idle connections, ended 6 times in each of {} ways: no error",
        ENDS.len()
    ))
}

fn ended_while_idle(trial: &Trial, end: End, threads: usize) -> Result<(), Broken> {
    let mut server = trial.block_on(trial.server())?;
    let proxy = trial.block_on(trial.proxy(&server))?;
    let pool = trial.pool(config(trial, end, &server, &proxy))?;
    let runtime = runtime(threads)?;

    for pause in [Duration::ZERO, Duration::from_millis(50)] {
        for way in [Some(Way::Own), Some(Way::Shared), None] {
            runtime.block_on(fill(&pool))?;
            trial.block_on(end.come(trial, &mut server, &proxy))?;
            runtime.block_on(async {
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                match way {
                    Some(Way::Own) => every_connection_works(&pool).await,
                    Some(Way::Shared) => clients_work(&pool).await,
                    None => pipelines_work(&pool).await,
                }
            })?;
        }
    }
    Ok(())
}

fn config(trial: &Trial, end: End, server: &RedisServer, proxy: &FaultProxy) -> PoolConfig {
    match end {
        End::Killed | End::ServerRestarted => trial.config(&server.url()),
        End::Finished | End::HalfClosed | End::Reset => trial.config(&proxy.url()),
    }
}

fn runtime(threads: usize) -> Result<Runtime, Broken> {
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    Ok(builder.worker_threads(threads).enable_all().build()?)
}

impl End {
    async fn come(
        self,
        trial: &Trial,
        server: &mut RedisServer,
        proxy: &FaultProxy,
    ) -> Result<(), Broken> {
        // Others share fewer, or keep fewer of them idle.
        let least = if trial.nature().speaks_the_contract {
            4
        } else {
            1
        };
        match self {
            End::Killed => {
                let killed = run(server, "CLIENT KILL TYPE normal", "").await?.integer();
                ensure!(killed >= Some(least), expected: "{least} idle connections", seen: "{killed:?}");
                let what = "the server to have closed them";
                eventually(PATIENCE, what, async || {
                    server.connected_clients().await == 0
                })
                .await?;
            }
            End::Finished => proxy.cut(),
            End::HalfClosed => proxy.half_close(),
            End::Reset => proxy.reset(),
            End::ServerRestarted => server.restart().await?,
        }
        // What was sent before this is not announced when it arrives. It has but to cross the
        // loopback.
        thread::sleep(Duration::from_millis(5));
        Ok(())
    }
}

/// Leaves the pool with all of its connections open and idle.
async fn fill(pool: &Pool) -> Result<(), Broken> {
    Way::Shared.echo(pool, "word").await?;
    drop(hold_all(pool).await?);
    Way::Shared.echo(pool, "word").await?;
    come_to_rest(pool).await
}

async fn every_connection_works(pool: &Pool) -> Result<(), Broken> {
    let mut held = Vec::new();
    for number in 0..pool.config().max_size {
        let mut connection = pool.get().await?;
        echo_on(&mut connection, &format!("word {number}")).await?;
        held.push(connection);
    }
    Ok(())
}

/// More at once than there are connections.
async fn clients_work(pool: &Pool) -> Result<(), Broken> {
    let mut tasks = JoinSet::new();
    for number in 0..3 * pool.config().max_size {
        let pool = pool.clone();
        tasks.spawn(async move { Way::Shared.echo(&pool, &format!("word {number}")).await });
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome??;
    }
    Ok(())
}

async fn pipelines_work(pool: &Pool) -> Result<(), Broken> {
    let mut pipeline = redis::pipe();
    pipeline
        .atomic()
        .cmd("ECHO")
        .arg("one")
        .cmd("ECHO")
        .arg("two");
    for way in Way::BOTH {
        let (one, two): (String, String) = way.query_pipeline(pool, &pipeline).await?;
        ensure_echo("one", &one)?;
        ensure_echo("two", &two)?;
    }
    Ok(())
}
