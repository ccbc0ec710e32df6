use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use redis::{RedisResult, cmd};
use respool_core::{CommandError, Pool, PoolError};
use tokio::task::{JoinHandle, JoinSet};

use crate::check::ensure;
use crate::checks::way::Way;
use crate::trial::{eventually, within};
use crate::{Broken, Finding, Trial};

const CALLERS: usize = 12;
const PATIENCE: Duration = Duration::from_secs(10);
const OUTAGE: Duration = Duration::from_secs(1);
/// The promise is one second. What is more than that is for machines with other things to do.
const RECOVERY: Duration = Duration::from_secs(4);
/// Commands that a caller may lose: the one under way, and one on a connection whose end had not
/// been seen yet.
const MOST_LOST: usize = 2;

/// LIFE-2: callers who never stop calling, on connections of their own and through clients, and
/// some who come while the server is down.
pub(crate) fn recovers_by_itself(trial: &Trial) -> Finding {
    trial.block_on(async {
        let evidence = killed_and_restarted(trial).await?;
        connects_that_break_off(trial)
            .await
            .map_err(|broken| broken.in_case("connections cut in their handshake"))?;
        outlasts_all_patience(trial)
            .await
            .map_err(|broken| broken.in_case("away for longer than anybody waits"))?;
        Ok(evidence)
    })
}

/// Many give up at the moment at which an attempt of theirs fails.
async fn outlasts_all_patience(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    proxy.refuse(true);
    let mut config = trial.config(&proxy.url());
    config.get_timeout = Some(Duration::from_millis(20));
    let pool = trial.pool(config)?;
    let mut tasks = JoinSet::new();
    for number in 0..64 {
        let (pool, until) = (pool.clone(), Instant::now() + OUTAGE);
        tasks.spawn(async move {
            while Instant::now() < until {
                // Not all in step.
                tokio::time::sleep(Duration::from_micros(number * 97)).await;
                // A client of others may wait for as long as it takes.
                let _ = tokio::time::timeout(OUTAGE, Way::Shared.echo(&pool, "word")).await;
            }
        });
    }
    tasks.join_all().await;
    proxy.refuse(false);
    for way in Way::BOTH {
        let succeeds = eventually(RECOVERY, "commands to succeed after that", async || {
            way.echo(&pool, "word").await.is_ok()
        });
        within(RECOVERY, "a command to end after that", succeeds).await??;
    }
    Ok(())
}

async fn killed_and_restarted(trial: &Trial) -> Finding {
    let mut server = trial.server().await?;
    let mut config = trial.config(&server.url());
    config.get_timeout = Some(Duration::from_secs(20));
    let pool = trial.pool(config)?;
    let mut callers: Vec<_> = (0..CALLERS)
        .map(|number| Caller::start(&pool, Way::BOTH[number % 2], number))
        .collect();
    until_all_succeed(&mut callers, PATIENCE, "every caller to succeed before").await?;

    // It stops before it dies, so that it has commands under way.
    for caller in &callers {
        caller.shared.is_down.store(true, Ordering::Relaxed);
    }
    server.pause();
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.kill().await;
    let latecomers = latecomers(&pool);
    tokio::time::sleep(OUTAGE).await;
    server.restart().await?;
    let returned = Instant::now();
    let what = "every caller to succeed soon after the server's return";
    until_all_succeed(&mut callers, RECOVERY, what).await?;
    let recovery = returned.elapsed();
    for caller in &callers {
        caller.shared.is_down.store(false, Ordering::Relaxed);
    }

    for outcome in latecomers.join_all().await {
        // Many pools of others say at once that they can't connect, and are none the worse for it.
        if !pool.is_bare() {
            outcome.map_err(|broken| broken.in_case("a get while the server was down"))?;
        }
    }
    if pool.is_bare() {
        let what = "every caller to go on succeeding after the server's return";
        for _ in 0..10 {
            until_all_succeed(&mut callers, RECOVERY, what).await?;
        }
    }
    let clients = server.connected_clients().await;
    ensure!(clients <= 4, expected: "at most 4 connections afterwards", seen: "{clients}");
    let mut lost = 0;
    for caller in callers {
        lost += caller.stop().await?;
    }
    ensure!(lost > 0 || pool.is_bare(), expected: "commands under way when the server died", seen: "none");
    Ok(format!(
        "all {CALLERS} callers succeeded {recovery:?} after the server's return; \
         {lost} commands under way were lost"
    ))
}

/// A server that dies while connections are being opened: after none, a part, or some of the
/// replies to the handshake. It has said nothing that would be true for good.
async fn connects_that_break_off(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    for reply_bytes in [0, 1, 10, 60, 100] {
        let mut config = trial.config(&proxy.url());
        config.get_timeout = Some(Duration::from_secs(20));
        let pool = trial.pool(config)?;
        let dials_before = proxy.accepted();
        proxy.cut_after_reply_bytes(Some(reply_bytes));
        let mut callers = JoinSet::new();
        for way in Way::BOTH {
            let pool = pool.clone();
            callers.spawn(async move { way.echo(&pool, "word").await });
        }
        let what = "the pool to have tried twice";
        let tried = async || proxy.accepted() >= dials_before + 2;
        eventually(PATIENCE, what, tried).await?;
        proxy.cut_after_reply_bytes(None);
        for outcome in callers.join_all().await {
            if !pool.is_bare() {
                outcome.map_err(|broken| broken.in_case(&format!("after {reply_bytes} bytes")))?;
            }
        }
        for way in Way::BOTH {
            let what =
                format!("it to connect again, after handshakes cut after {reply_bytes} bytes");
            let works = async || way.echo(&pool, "word").await.is_ok();
            eventually(PATIENCE, &what, works).await?;
        }
    }
    Ok(())
}

/// Those that have to wait all the time until the server is back.
fn latecomers(pool: &Pool) -> JoinSet<Result<(), Broken>> {
    let mut latecomers = JoinSet::new();
    for way in Way::BOTH {
        let pool = pool.clone();
        latecomers.spawn(async move {
            // By then nothing is left of the connections that could be lost.
            tokio::time::sleep(OUTAGE / 2).await;
            way.echo(&pool, "late").await
        });
    }
    latecomers
}

/// Waits until each has succeeded with a command that it began after now.
async fn until_all_succeed(
    callers: &mut Vec<Caller>,
    limit: Duration,
    what: &str,
) -> Result<(), Broken> {
    // The first success may belong to a command from before.
    let goals: Vec<_> = callers
        .iter()
        .map(|caller| caller.successes() + 2)
        .collect();
    let done = async || {
        let mut pairs = callers.iter().zip(&goals);
        pairs.all(|(caller, goal)| caller.successes() >= *goal)
            || callers.iter().any(|caller| caller.task.is_finished())
    };
    eventually(limit, what, done).await?;
    // None of them ends by itself but with what went wrong.
    match callers.iter().position(|caller| caller.task.is_finished()) {
        Some(ended) => callers.swap_remove(ended).stop().await.map(drop),
        None => Ok(()),
    }
}

/// A task that sends one command after the other.
struct Caller {
    shared: Arc<Shared>,
    task: JoinHandle<Result<usize, Broken>>,
}

#[derive(Default)]
struct Shared {
    successes: AtomicUsize,
    stop: AtomicBool,
    is_down: AtomicBool,
}

impl Caller {
    fn start(pool: &Pool, way: Way, number: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let (pool, own) = (pool.clone(), shared.clone());
        Caller {
            task: tokio::spawn(async move { call(&pool, way, number, &own).await }),
            shared,
        }
    }

    fn successes(&self) -> usize {
        self.shared.successes.load(Ordering::Relaxed)
    }

    /// How many commands it has lost.
    async fn stop(self) -> Result<usize, Broken> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.task.await?
    }
}

async fn call(pool: &Pool, way: Way, number: usize, shared: &Shared) -> Result<usize, Broken> {
    let mut lost = 0;
    let mut turn = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        turn += 1;
        let word = format!("{number}:{turn}");
        let echo: RedisResult<String> = way.query(pool, cmd("ECHO").arg(&word)).await;
        match echo {
            Ok(echo) => {
                ensure!(echo == word, expected: "the reply {word}", seen: "{echo}");
                shared.successes.fetch_add(1, Ordering::Relaxed);
            }
            // Judged by what it does when the server is back.
            Err(_) if pool.is_bare() && shared.is_down.load(Ordering::Relaxed) => {}
            Err(error) => {
                lost += 1;
                let was_under_way = match pool.is_bare() {
                    false => CommandError::find_in(&error).is_some(),
                    true => PoolError::find_in(&error).is_none(),
                };
                ensure!(
                    was_under_way && lost <= MOST_LOST,
                    expected: "no errors but those of commands under way, of which a caller has \
                               at most {MOST_LOST}",
                    seen: "error {lost}, {way:?}: {error}"
                );
            }
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    Ok(lost)
}
