use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use redis::{Cmd, Value, pipe};
use respool_core::{Pool, PooledConnection};
use respool_testserver::RedisServer;

use super::server_side::{holds, run, until_blocked, until_nobody_is_blocked};
use crate::check::ensure;
use crate::checks::full_use::lost_nothing;
use crate::checks::way::command;
use crate::trial::{eventually, within};
use crate::{Broken, Finding, Trial};

/// A command that waits at the server, what would end its wait, and how somebody else takes what
/// it must not have taken.
struct Pop {
    wait: &'static str,
    push: &'static str,
    take: &'static str,
}

const POPS: &[Pop] = &[
    list("BLPOP {key} 0"),
    list("BLPOP {key} 30"),
    list("BRPOP {key} 0"),
    list("BLMOVE {key} elsewhere LEFT RIGHT 0"),
    list("BRPOPLPUSH {key} elsewhere 0"),
    Pop {
        wait: "BZPOPMIN {key} 0",
        push: "ZADD {key} 1 element",
        take: "ZPOPMIN {key}",
    },
    stream("XREAD BLOCK 0 STREAMS {key} $"),
    stream("XREADGROUP GROUP group gone BLOCK 0 STREAMS {key} >"),
];

const fn list(wait: &'static str) -> Pop {
    Pop {
        wait,
        push: "RPUSH {key} element",
        take: "LPOP {key}",
    }
}

/// Reading takes nothing out of a stream, but out of its group.
const fn stream(wait: &'static str) -> Pop {
    Pop {
        wait,
        push: "XADD {key} * field element",
        take: "XREADGROUP GROUP group other STREAMS {key} >",
    }
}

/// How a command is given up.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// The future is dropped, its holder keeps the connection.
    Kept,
    /// So is the connection.
    Dropped,
    /// The task of the holder is aborted.
    Aborted,
    /// The future of a client is dropped.
    Shared,
    /// The future is dropped after its first poll, perhaps before the server has read anything.
    AtOnce,
    /// The command is the second of a pipeline.
    Pipelined,
}

const MANNERS: [Manner; 6] = [
    Manner::Kept,
    Manner::Dropped,
    Manner::Aborted,
    Manner::Shared,
    Manner::AtOnce,
    Manner::Pipelined,
];

/// CMD-2: an element that arrives after the server has noticed is still there for others, and the
/// server notices without being given anything.
pub(crate) fn a_pop_given_up_takes_nothing(trial: &Trial) -> Finding {
    trial.block_on(async {
        let (cancelled, timed_out) = tokio::join!(cancelled_pops(trial), timed_out_pop(trial));
        let cancelled = cancelled?;
        timed_out.map_err(|broken| broken.in_case("after a time-out"))?;
        pop_of_a_refused_transaction(trial)
            .await
            .map_err(|broken| broken.in_case("in a transaction whose MULTI is refused"))?;
        Ok(format!(
            "{cancelled} given up and 1 timed out; none took an element afterwards"
        ))
    })
}

async fn cancelled_pops(trial: &Trial) -> Result<usize, Broken> {
    let server = trial.server().await?;
    let pool = trial.pool(trial.config(&server.url()))?;
    let mut number = 0;
    for pop in POPS {
        for manner in MANNERS {
            number += 1;
            give_up(&server, &pool, pop, manner, &format!("key:{number}"))
                .await
                .map_err(|broken| broken.in_case(&format!("{}, {manner:?}", pop.wait)))?;
        }
    }
    lost_nothing(&pool).await?;
    Ok(number)
}

/// Without its MULTI the server carries out what was meant to be queued.
async fn pop_of_a_refused_transaction(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    run(
        &server,
        "ACL SETUSER hasty on >hasty ~* &* +@all -multi",
        "",
    )
    .await?;
    let url = server.url().replace("redis://", "redis://hasty:hasty@");
    let pool = trial.pool(trial.config(&url))?;
    let pop = list("BLPOP {key} 0");
    for shared in [false, true] {
        let key = format!("refused:{shared}");
        let mut transaction = pipe();
        transaction.atomic().add_command(command(pop.wait, &key));
        let blocked = until_blocked(&server, 1);
        match shared {
            false => {
                let mut connection = pool.get().await?;
                let given_up = transaction.query_async::<Value>(&mut connection);
                drop_while(given_up, blocked).await?;
            }
            true => {
                let mut client = pool.client();
                let given_up = transaction.query_async::<Value>(&mut client);
                drop_while(given_up, blocked).await?;
            }
        }
        until_nobody_is_blocked(&server).await?;
        push_and_take(&server, &pop, &key).await?;
    }
    Ok(())
}

async fn give_up(
    server: &RedisServer,
    pool: &Pool,
    pop: &Pop,
    manner: Manner,
    key: &str,
) -> Result<(), Broken> {
    prepare(server, pop, key).await?;
    let wait = command(pop.wait, key);
    let blocked = until_blocked(server, 1);
    let mut kept = None;
    match manner {
        Manner::Kept => {
            let mut connection = pool.get().await?;
            drop_while(wait.query_async::<Value>(&mut connection), blocked).await?;
            kept = Some(connection);
        }
        Manner::Dropped => {
            let mut connection = pool.get().await?;
            drop_while(wait.query_async::<Value>(&mut connection), blocked).await?;
        }
        Manner::Aborted => {
            let pool = pool.clone();
            let task = tokio::spawn(async move {
                let mut connection = pool.get().await?;
                wait.query_async::<Value>(&mut connection).await
            });
            blocked.await?;
            task.abort();
            let outcome = task.await;
            ensure!(outcome.is_err(), expected: "the task to wait", seen: "{outcome:?}");
        }
        Manner::Shared => {
            let mut client = pool.client();
            drop_while(wait.query_async::<Value>(&mut client), blocked).await?;
        }
        Manner::AtOnce => {
            let mut connection = pool.get().await?;
            drop_after_first_poll(&wait, &mut connection).await;
        }
        Manner::Pipelined => {
            let mut pipeline = pipe();
            pipeline.cmd("PING").add_command(wait);
            let mut connection = pool.get().await?;
            drop_while(pipeline.query_async::<Value>(&mut connection), blocked).await?;
        }
    }
    until_nobody_is_blocked(server).await?;
    let taken = push_and_take(server, pop, key).await;
    drop(kept);
    taken
}

/// Drops `request` as soon as `event` has come.
async fn drop_while<T: std::fmt::Debug>(
    request: impl Future<Output = T>,
    event: impl Future<Output = Result<(), Broken>>,
) -> Result<(), Broken> {
    tokio::select! {
        outcome = request => {
            Err(Broken::new("the command to wait", format!("it ended with {outcome:?}")))
        }
        event = event => event,
    }
}

async fn drop_after_first_poll(wait: &Cmd, connection: &mut PooledConnection) {
    let mut request = pin!(wait.query_async::<Value>(connection));
    poll_fn(|context| {
        let _ = request.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
}

/// Only the commands of groups need it; for others it is one key more.
async fn prepare(server: &RedisServer, pop: &Pop, key: &str) -> Result<(), Broken> {
    if pop.push.starts_with("XADD") {
        run(server, "XGROUP CREATE {key} group $ MKSTREAM", key).await?;
    }
    Ok(())
}

async fn push_and_take(server: &RedisServer, pop: &Pop, key: &str) -> Result<(), Broken> {
    run(server, pop.push, key).await?;
    let reply = run(server, pop.take, key).await?;
    ensure!(
        holds(&reply, "element"),
        expected: "the element to be there for others",
        seen: "{reply:?}"
    );
    Ok(())
}

/// The command is on its way for longer than its holder waits. When it arrives after all, the end
/// of its connection arrives with it: the server must not wait out the command's own time.
async fn timed_out_pop(trial: &Trial) -> Result<(), Broken> {
    const OWN_TIME: Duration = Duration::from_secs(2);
    const POP: Pop = list("BLPOP {key} 2");
    let patience = Duration::from_secs(10);

    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    let mut config = trial.config(&proxy.url());
    config.response_timeout = Some(Duration::from_millis(100));
    let pool = trial.pool(config)?;
    let mut connection = pool.get().await?;
    proxy.stall();
    let sent_before = proxy.request_bytes();
    let wait = command(POP.wait, "key");
    let request = wait.query_async::<Value>(&mut connection);
    match within(patience, "the pop to time out", request).await? {
        Err(error) if error.is_timeout() => {}
        other => return Err(Broken::new("a time-out", format!("{other:?}"))),
    }

    proxy.resume();
    let arrived = Instant::now();
    let what = "the pop to arrive at the server";
    eventually(patience, what, async || proxy.request_bytes() > sent_before).await?;
    until_nobody_is_blocked(&server).await?;
    let forgotten = arrived.elapsed();
    ensure!(
        forgotten < OWN_TIME.mul_f64(0.9),
        expected: "the server to forget the pop when its connection ends",
        seen: "a wait of {forgotten:?}, all of its own time"
    );
    push_and_take(&server, &POP, "key").await
}
