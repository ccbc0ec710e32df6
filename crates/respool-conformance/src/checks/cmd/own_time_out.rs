use std::time::{Duration, Instant};

use redis::{RedisError, RedisResult, Value, cmd, pipe};
use respool_core::Pool;
use tokio::task::JoinHandle;

use super::server_side::{run, until_blocked};
use crate::check::ensure;
use crate::checks::way::{Way, command};
use crate::trial::within;
use crate::{Broken, Finding, Trial};

const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);
/// The own time of those that nobody serves.
const OWN_TIME: Duration = Duration::from_millis(1200);
const PATIENCE: Duration = Duration::from_secs(15);
const OTHERS: usize = 100;

/// Commands that wait for longer than `response_timeout`, and what ends their wait.
const SERVED: &[(&str, &str)] = &[
    ("BLPOP {key} 20", "RPUSH {key} element"),
    ("BLPOP {key} 0", "RPUSH {key} element"),
    (
        "BLMOVE {key} {key}:moved LEFT RIGHT 20",
        "RPUSH {key} element",
    ),
    ("BZPOPMAX {key} 20", "ZADD {key} 1 element"),
    (
        "XREAD BLOCK 20000 STREAMS {key} $",
        "XADD {key} * field element",
    ),
];
/// Commands that wait for [`OWN_TIME`] and then say that there is nothing.
const UNSERVED: &[&str] = &[
    "BLPOP {key} 1.2",
    "XREAD BLOCK 1200 STREAMS {key} $",
    "WAIT 1 1200",
];

/// CMD-3: many wait at once while others go on working, for as long as it takes.
pub(crate) fn a_blocking_commands_own_time_out_governs(trial: &Trial) -> Finding {
    trial.block_on(async {
        queued_it_has_none(trial)
            .await
            .map_err(|broken| broken.in_case("BLPOP after MULTI, at a network that stalls"))?;
        let server = trial.server().await?;
        let mut config = trial.config(&server.url());
        config.response_timeout = Some(RESPONSE_TIMEOUT);
        config.max_size = 2 * (SERVED.len() + UNSERVED.len() + 1) + 4;
        let pool = trial.pool(config)?;

        let started = Instant::now();
        let mut served = Vec::new();
        for way in Way::BOTH {
            for (number, (wait, push)) in SERVED.iter().enumerate() {
                let key = format!("{way:?}:{number}");
                served.push((Waiter::start(&pool, way, wait, &key), push, key));
            }
        }
        until_blocked(&server, served.len()).await?;
        let mut unserved = Vec::new();
        for way in Way::BOTH {
            for wait in UNSERVED {
                unserved.push(Waiter::start(&pool, way, wait, &format!("{way:?}:nothing")));
            }
            unserved.push(Waiter::start_pipeline(&pool, way));
        }

        others_go_on(&pool)
            .await
            .map_err(|broken| broken.in_case("others' commands meanwhile"))?;
        tokio::time::sleep_until((started + 2 * RESPONSE_TIMEOUT).into()).await;
        let waiting = unserved.len() + served.len();
        for (waiter, push, key) in served {
            waiter.ensure_waits()?;
            run(&server, push, &key).await?;
            waiter.ends_with_the_element().await?;
        }
        for waiter in unserved {
            waiter.ends_with_nothing().await?;
        }
        Ok(format!(
            "{waiting} waited for up to {:?} with a response_timeout of {RESPONSE_TIMEOUT:?}, \
             while others had {OTHERS} replies",
            started.elapsed()
        ))
    })
}

/// In a transaction nothing waits: the reply to what is queued comes at once, or never.
async fn queued_it_has_none(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    let mut config = trial.config(&proxy.url());
    config.response_timeout = Some(RESPONSE_TIMEOUT);
    let pool = trial.pool(config)?;
    if pool.is_bare() {
        return Ok(());
    }
    let mut connection = pool.get().await?;
    cmd("MULTI").exec_async(&mut connection).await?;
    proxy.stall();
    let pop = command("BLPOP {key} 0", "queued");
    let pop = pop.query_async::<Value>(&mut connection);
    let outcome = within(PATIENCE, "a queued BLPOP to have its time-out", pop).await?;
    ensure!(
        outcome.as_ref().is_err_and(RedisError::is_timeout),
        expected: "a time-out",
        seen: "{outcome:?}"
    );
    Ok(())
}

/// They complete while all are waiting: nobody has been given anything yet.
async fn others_go_on(pool: &Pool) -> Result<(), Broken> {
    for number in 0..OTHERS / 2 {
        for way in Way::BOTH {
            way.echo(pool, &format!("word {number}")).await?;
        }
    }
    Ok(())
}

/// A command that waits in a task of its own.
struct Waiter {
    name: String,
    started: Instant,
    task: JoinHandle<RedisResult<Value>>,
}

impl Waiter {
    fn start(pool: &Pool, way: Way, wait: &str, key: &str) -> Self {
        let (pool, command) = (pool.clone(), command(wait, key));
        Waiter {
            name: format!("{wait} {}", way.as_str()),
            started: Instant::now(),
            task: tokio::spawn(async move { way.query(&pool, &command).await }),
        }
    }

    /// The times of its commands add up.
    fn start_pipeline(pool: &Pool, way: Way) -> Self {
        let half = OWN_TIME.as_secs_f64() / 2.0;
        let mut pipeline = pipe();
        for _ in 0..2 {
            pipeline.cmd("BLPOP").arg("nothing").arg(half);
        }
        let pool = pool.clone();
        Waiter {
            name: format!("a pipeline of two BLPOP nothing {half} {}", way.as_str()),
            started: Instant::now(),
            task: tokio::spawn(async move { way.query_pipeline(&pool, &pipeline).await }),
        }
    }

    fn ensure_waits(&self) -> Result<(), Broken> {
        let name = &self.name;
        ensure!(
            !self.task.is_finished(),
            expected: "{name} to wait until it is given something",
            seen: "it ended before"
        );
        Ok(())
    }

    async fn ends_with_the_element(self) -> Result<(), Broken> {
        let name = self.name.clone();
        let reply = self.end().await?;
        ensure!(
            format!("{reply:?}").contains("element"),
            expected: "{name} to get the element",
            seen: "{reply:?}"
        );
        Ok(())
    }

    async fn ends_with_nothing(self) -> Result<(), Broken> {
        let (name, started) = (self.name.clone(), self.started);
        let reply = self.end().await?;
        let took = started.elapsed();
        ensure!(
            is_nothing(&reply) && took >= OWN_TIME.mul_f64(0.9),
            expected: "{name} to wait for all of its time and get nothing",
            seen: "{reply:?} after {took:?}"
        );
        Ok(())
    }

    async fn end(self) -> Result<Value, Broken> {
        let what = format!("{} to end", self.name);
        let outcome = within(PATIENCE, &what, self.task).await??;
        outcome.map_err(|error| {
            Broken::new(what, format!("{error} after {:?}", self.started.elapsed()))
        })
    }
}

/// Nil, no replicas, or several of these.
fn is_nothing(reply: &Value) -> bool {
    match reply {
        Value::Nil | Value::Int(0) => true,
        Value::Array(replies) => replies.iter().all(is_nothing),
        _ => false,
    }
}
