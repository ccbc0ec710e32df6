use std::collections::HashSet;
use std::time::Duration;

use fastrand::Rng;
use redis::{Pipeline, RedisError, RedisResult, Value, cmd, pipe};
use respool_core::{CommandError, Pool, PoolConfig, PoolError};
use respool_testserver::{Answer, FaultProxy, RedisServer, Script, ScriptedServer};
use tokio::task::JoinSet;

use super::server_side::run;
use crate::check::ensure;
use crate::checks::full_use::hold_all;
use crate::checks::way::{Way, echo_on};
use crate::{Broken, Finding, Trial};

const KEY: &str = "counter";

/// CMD-7: INCR counts how often it is executed.
pub(crate) fn executed_at_most_once(trial: &Trial) -> Finding {
    trial.block_on(async {
        for (case, answer) in [
            ("closed without a reply", Answer::Close),
            (
                "closed in the middle of the reply",
                Answer::BytesThenClose(b":1".to_vec()),
            ),
        ] {
            received_once(trial, answer)
                .await
                .map_err(|broken| broken.in_case(case))?;
        }
        replies_cut(trial)
            .await
            .map_err(|broken| broken.in_case("replies cut off"))?;
        requests_cut(trial)
            .await
            .map_err(|broken| broken.in_case("requests cut off"))?;
        late(trial)
            .await
            .map_err(|broken| broken.in_case("a late execution"))?;
        storm(trial)
            .await
            .map_err(|broken| broken.in_case("random cuts"))
    })
}

/// A client of somebody else's that doesn't recover may cost a time-out each time.
fn config(trial: &Trial, url: &str) -> PoolConfig {
    let mut config = trial.config(url);
    if !trial.nature().speaks_the_contract {
        config.response_timeout = Some(Duration::from_millis(300));
    }
    config
}

fn rounds(trial: &Trial) -> usize {
    match trial.nature().speaks_the_contract {
        true => 5,
        false => 2,
    }
}

/// The server counts what it receives, and ends the connection each time.
async fn received_once(trial: &Trial, answer: Answer) -> Result<(), Broken> {
    let server = ScriptedServer::start_with(Script::new().on("INCR", answer)).await?;
    let mut pool = trial.pool(config(trial, &server.url()))?;
    let mut sent = 0;
    for way in Way::BOTH {
        for _ in 0..rounds(trial) {
            let single = way.query(&pool, cmd("INCR").arg(KEY)).await;
            let piped = way.query_pipeline(&pool, &pipeline()).await;
            let atomic = way.query_pipeline(&pool, pipeline().atomic()).await;
            for outcome in [single, piped, atomic] {
                ensure_perhaps_executed(&pool, &outcome)?;
                sent += 1;
            }
            pool = ready(trial, pool).await?;
        }
        let received = server.command_calls("incr");
        // Another library may fail without having sent it.
        ensure!(
            received == sent || pool.is_bare() && received < sent,
            expected: "{sent} INCR to be received {sent} times",
            seen: "{received} times, after those {way:?}"
        );
    }
    Ok(())
}

/// The pool, or another in its place where it has not recovered: that it should is LIFE-2's to say.
async fn ready(trial: &Trial, pool: Pool) -> Result<Pool, Broken> {
    if pool.is_bare() && hold_all(&pool).await.is_err() {
        return trial.pool(pool.config().clone()).map_err(Broken::from);
    }
    Ok(pool)
}

fn pipeline() -> Pipeline {
    let mut pipeline = pipe();
    pipeline.cmd("PING").cmd("INCR").arg(KEY);
    pipeline
}

/// The server has executed it, the reply never comes: exactly one more each time.
async fn replies_cut(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    let mut pool = trial.pool(config(trial, &proxy.url()))?;
    let mut executed = 0;
    for _ in 0..rounds(trial) {
        for way in Way::BOTH {
            let before = value(&server).await?;
            // What this opens is idle when the command comes, so that nothing else is cut.
            way.echo(&pool, "warm").await?;
            let fault = || proxy.cut_after_reply_bytes(Some(0));
            let outcome = count_under(&pool, way, fault).await?;
            proxy.cut_after_reply_bytes(None);
            ensure_perhaps_executed(&pool, &outcome)?;
            executed = before + 1;
            pool = ready(trial, pool).await?;
            way.echo(&pool, "after").await?;
            let value = value(&server).await?;
            ensure!(
                value == executed || pool.is_bare() && value == before,
                expected: "{executed} INCR {way:?} to be executed once each",
                seen: "a count of {value}"
            );
        }
    }

    if pool.is_bare() {
        // What it is lent next may well be connected again.
        return Ok(());
    }
    let mut connection = pool.get().await?;
    // One that ends before its holder has used it may be replaced unseen.
    echo_on(&mut connection, "in use").await?;
    proxy.cut();
    let lost = cmd("INCR")
        .arg(KEY)
        .query_async::<Value>(&mut connection)
        .await;
    ensure!(lost.is_err(), expected: "an error on a connection that was cut", seen: "{lost:?}");
    let refused = cmd("INCR")
        .arg(KEY)
        .query_async::<Value>(&mut connection)
        .await;
    ensure!(
        refused.as_ref().is_err_and(|error| Fate::of(error) == Some(Fate::NotExecuted)),
        expected: "a command on a lost connection to be refused as not executed",
        seen: "{refused:?}"
    );
    let value = value(&server).await?;
    ensure!(value == executed, expected: "a count of {executed}", seen: "{value}");
    Ok(())
}

/// Sends INCR once `fault` is at work. A library that asks a connection for a sign of life before it
/// hands it out would lose that to the fault, and so has to hand it out before.
async fn count_under(
    pool: &Pool,
    way: Way,
    fault: impl FnOnce(),
) -> Result<RedisResult<Value>, Broken> {
    let incr = cmd("INCR").arg(KEY).to_owned();
    if pool.is_bare() {
        let mut connection = pool.get().await?;
        fault();
        return Ok(incr.query_async(&mut connection).await);
    }
    fault();
    Ok(way.query(pool, &incr).await)
}

/// Nothing of it reaches the server. The pool can't know, and must not try its luck.
async fn requests_cut(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    let mut pool = trial.pool(config(trial, &proxy.url()))?;
    for way in Way::BOTH {
        way.echo(&pool, "warm").await?;
        let fault = || proxy.cut_after_request_bytes(Some(0));
        let outcome = count_under(&pool, way, fault).await?;
        proxy.cut_after_request_bytes(None);
        ensure_perhaps_executed(&pool, &outcome)?;
        pool = ready(trial, pool).await?;
        way.echo(&pool, "after").await?;
        let value = value(&server).await?;
        ensure!(value == 0, expected: "what was lost on its way not to be sent again", seen: "a count of {value}");
    }
    Ok(())
}

/// A command that timed out arrives after all, and only once.
async fn late(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    let mut config = trial.config(&proxy.url());
    config.response_timeout = Some(Duration::from_millis(200));
    let mut pool = trial.pool(config)?;
    for way in Way::BOTH {
        way.echo(&pool, "warm").await?;
        let outcome = count_under(&pool, way, || proxy.stall()).await?;
        proxy.resume();
        ensure_perhaps_executed(&pool, &outcome)?;
        pool = ready(trial, pool).await?;
        way.echo(&pool, "after").await?;
    }
    let most = Way::BOTH.len() as i64;
    let value = value(&server).await?;
    ensure!(value <= most, expected: "a count of at most {most}", seen: "{value}");
    Ok(())
}

const TASKS: u64 = 8;
const CALLS_PER_TASK: usize = 60;
/// What fails so often in a row has not recovered from a cut, and executes nothing any more.
const MOST_FAILED_IN_A_ROW: usize = 5;

/// Every call is acknowledged, perhaps executed, or not executed; the count at the server tells
/// whether that was said truly.
async fn storm(trial: &Trial) -> Finding {
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    let mut config = config(trial, &proxy.url());
    config.get_timeout = Some(Duration::from_secs(20));
    let pool = trial.pool(config)?;
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (pool, way) = (pool.clone(), Way::BOTH[task as usize % 2]);
        tasks.spawn(async move { count(&pool, way).await });
    }
    let mut tally = Tally::default();
    let mut random = Rng::with_seed(7);
    while !tasks.is_empty() {
        disturb(&proxy, &mut random).await;
        while let Some(outcome) = tasks.try_join_next() {
            tally.add(outcome??)?;
        }
    }

    let value = value(&server).await?;
    let Tally {
        acknowledged,
        perhaps,
        not_executed,
    } = tally;
    let acknowledged = acknowledged.len() as i64;
    ensure!(
        (acknowledged..=acknowledged + perhaps).contains(&value),
        expected: "a count between {acknowledged} acknowledged and {perhaps} more perhaps",
        seen: "{value}"
    );
    Ok(format!(
        "{value} executed: {acknowledged} acknowledged, {perhaps} perhaps executed, \
         {not_executed} not executed"
    ))
}

async fn count(pool: &Pool, way: Way) -> Result<Tally, Broken> {
    let mut tally = Tally::default();
    let mut failed_in_a_row = 0;
    for _ in 0..CALLS_PER_TASK {
        if pool.is_bare() && failed_in_a_row == MOST_FAILED_IN_A_ROW {
            break;
        }
        failed_in_a_row += 1;
        match way.query::<i64>(pool, cmd("INCR").arg(KEY)).await {
            Ok(value) => {
                failed_in_a_row = 0;
                tally.acknowledge(value)?;
            }
            Err(error) => match fate(pool, &error)? {
                Fate::Perhaps => tally.perhaps += 1,
                Fate::NotExecuted => tally.not_executed += 1,
            },
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(tally)
}

async fn disturb(proxy: &FaultProxy, random: &mut Rng) {
    tokio::time::sleep(Duration::from_millis(random.u64(5..20))).await;
    match random.u8(0..5) {
        0 => proxy.cut(),
        1 => proxy.reset(),
        2 => proxy.half_close(),
        kind => {
            let bytes = Some(random.u64(0..4));
            match kind {
                3 => proxy.cut_after_reply_bytes(bytes),
                _ => proxy.cut_after_request_bytes(bytes),
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
            proxy.cut_after_reply_bytes(None);
            proxy.cut_after_request_bytes(None);
        }
    }
}

#[derive(Default)]
struct Tally {
    acknowledged: HashSet<i64>,
    perhaps: i64,
    not_executed: i64,
}

impl Tally {
    fn acknowledge(&mut self, value: i64) -> Result<(), Broken> {
        let is_new = self.acknowledged.insert(value);
        ensure!(is_new, expected: "each value of the counter once", seen: "{value} twice");
        Ok(())
    }

    fn add(&mut self, other: Tally) -> Result<(), Broken> {
        for value in other.acknowledged {
            self.acknowledge(value)?;
        }
        self.perhaps += other.perhaps;
        self.not_executed += other.not_executed;
        Ok(())
    }
}

/// What an error says became of its command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Perhaps,
    NotExecuted,
}

impl Fate {
    fn of(error: &RedisError) -> Option<Fate> {
        // The command wasn't sent where there was no connection for it.
        match (CommandError::find_in(error), PoolError::find_in(error)) {
            (Some(error), _) if error.may_have_been_executed() => Some(Fate::Perhaps),
            (Some(_), _) | (None, Some(_)) => Some(Fate::NotExecuted),
            (None, None) => None,
        }
    }
}

/// An error in another library's words says nothing: it may have been executed.
fn fate(pool: &Pool, error: &RedisError) -> Result<Fate, Broken> {
    let silent = pool.is_bare().then_some(Fate::Perhaps);
    Fate::of(error).or(silent).ok_or_else(|| {
        let expected = "an error that says whether the command may have been executed";
        Broken::new(expected, format!("{error:?}"))
    })
}

fn ensure_perhaps_executed(pool: &Pool, outcome: &RedisResult<Value>) -> Result<(), Broken> {
    let says_so = match outcome {
        Ok(_) => false,
        Err(error) => fate(pool, error)? == Fate::Perhaps,
    };
    ensure!(
        says_so,
        expected: "an error that says that the command may have been executed",
        seen: "{outcome:?}"
    );
    Ok(())
}

async fn value(server: &RedisServer) -> Result<i64, Broken> {
    let text = run(server, "GET {key}", KEY)
        .await?
        .text()
        .unwrap_or("0".to_owned());
    text.parse().map_err(|_| Broken::new("a number", text))
}
