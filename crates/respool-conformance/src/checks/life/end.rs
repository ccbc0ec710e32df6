use std::io;
use std::time::{Duration, Instant};

use redis::{RedisResult, Value, cmd};
use respool_core::{Pool, PoolError, PooledConnection};
use respool_testserver::RedisServer;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;

use crate::check::ensure;
use crate::checks::cmd::until_blocked;
use crate::checks::full_use::hold_all;
use crate::checks::way::{Way, echo_on, ensure_echo};
use crate::trial::{eventually, within};
use crate::{Broken, Finding, Trial};

/// A grace that no case waits out: what ends much sooner did not need it.
const LONG: Duration = Duration::from_secs(30);
/// Not a measure: proof that something did not wait for [`LONG`].
const SOON: Duration = Duration::from_secs(8);

type Case = fn(&Trial) -> Result<(), Broken>;

const CLOSED: &[(&str, Case)] = &[
    (
        "close, with holders who end within their grace",
        within_grace,
    ),
    ("close, with holders who don't", beyond_grace),
    ("close with many idle", many_idle),
    ("close while an idle connection is asked", while_asking),
    ("close while connecting", while_connecting),
    (
        "close while a holder may have lost his connection",
        while_replacing,
    ),
    ("close, given up", close_given_up),
    ("close, twice, of a pool never used", closed_twice),
];

const DROPPED: &[(&str, Case)] = &[
    ("the last handle dropped", last_handle_dropped),
    ("the last handle dropped outside a runtime", dropped_outside),
    (
        "the last handle dropped after its runtime",
        dropped_after_its_runtime,
    ),
];

/// LIFE-6. Each case has a runtime of its own, so that any task left there is the pool's.
pub(crate) fn the_end_is_an_end(trial: &Trial) -> Finding {
    let closed = match trial.nature().closes {
        true => CLOSED,
        false => &[],
    };
    for (case, run) in closed.iter().chain(DROPPED) {
        run(trial).map_err(|broken| broken.in_case(case))?;
    }
    Ok(format!(
        "{} cases: no socket at the server, no task in the runtime",
        closed.len() + DROPPED.len()
    ))
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn tasks_alive() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

async fn ensure_no_task_is_left() -> Result<(), Broken> {
    // An aborted task ends when its runtime comes round to it.
    eventually(SOON, "no task of the pool to be left", async || {
        tasks_alive() == 0
    })
    .await
    .map_err(|broken| Broken::new(broken.expected, format!("{} tasks", tasks_alive())))
}

async fn ensure_no_socket_is_left(server: &RedisServer) -> Result<(), Broken> {
    let clients = server.connected_clients().await;
    ensure!(clients == 0, expected: "no connection at the server", seen: "{clients}");
    Ok(())
}

async fn until_no_socket_is_left(server: &RedisServer) -> Result<(), Broken> {
    let what = "no connection to be left at the server";
    eventually(SOON, what, async || server.connected_clients().await == 0).await
}

fn within_grace(trial: &Trial) -> Result<(), Broken> {
    runtime()?.block_on(async {
        let server = trial.server().await?;
        let mut config = trial.config(&server.url());
        config.get_timeout = Some(LONG);
        let pool = trial.pool(config)?;
        Way::Shared.echo(&pool, "word").await?;
        let mut held = hold_all(&pool).await?;
        let waiters = Waiters::start(&pool).await?;

        let mut closing = Box::pin(pool.close(LONG));
        let meanwhile = async {
            waiters.all_hear_that_it_is_closed().await?;
            ensure_closed(&pool).await?;
            while let Some(mut connection) = held.pop() {
                echo_on(&mut connection, "word")
                    .await
                    .map_err(|broken| broken.in_case("in its grace"))?;
            }
            Ok::<_, Broken>(())
        };
        tokio::select! {
            biased;
            outcome = meanwhile => outcome?,
            () = &mut closing => {
                return Err(Broken::new("close to wait for the holders", "it returned before"));
            }
        }
        within(
            SOON,
            "close to return when the last holder is done",
            closing,
        )
        .await?;
        ensure_no_socket_is_left(&server).await?;
        ensure_no_task_is_left().await
    })
}

/// Callers that have to wait as long as all connections are held.
struct Waiters {
    tasks: JoinSet<RedisResult<()>>,
}

impl Waiters {
    async fn start(pool: &Pool) -> Result<Self, Broken> {
        let mut tasks = JoinSet::new();
        for way in [Way::Own, Way::Own, Way::Own, Way::Shared] {
            let pool = pool.clone();
            tasks.spawn(async move { way.query(&pool, &cmd("PING")).await });
        }
        let what = "three callers to wait";
        eventually(SOON, what, async || pool.status().waiting >= 3).await?;
        Ok(Waiters { tasks })
    }

    async fn all_hear_that_it_is_closed(mut self) -> Result<(), Broken> {
        let what = "everybody who waits to hear at once";
        while let Some(outcome) = within(SOON, what, self.tasks.join_next()).await? {
            ensure_is_closed(outcome?)?;
        }
        Ok(())
    }
}

fn ensure_is_closed<T: std::fmt::Debug>(outcome: RedisResult<T>) -> Result<(), Broken> {
    let is_closed = outcome
        .as_ref()
        .is_err_and(|error| matches!(PoolError::find_in(error), Some(PoolError::Closed)));
    ensure!(is_closed, expected: "PoolError::Closed", seen: "{outcome:?}");
    Ok(())
}

/// Newcomers are refused, and told why.
async fn ensure_closed(pool: &Pool) -> Result<(), Broken> {
    for way in Way::BOTH {
        let ping = cmd("PING");
        let newcomer = way.query::<Value>(pool, &ping);
        ensure_is_closed(within(SOON, "a newcomer to be refused at once", newcomer).await?)?;
    }
    ensure!(
        pool.try_get().is_none() && pool.status().is_closed,
        expected: "no connection of a pool that is closed, and a status that says so",
        seen: "another"
    );
    Ok(())
}

async fn ensure_cut_off(connection: &mut PooledConnection) -> Result<(), Broken> {
    let what = "a command on a connection of a pool that has ended to fail";
    let command = cmd("PING");
    let outcome = within(SOON, what, command.query_async::<Value>(connection)).await?;
    ensure!(outcome.is_err(), expected: "{what}", seen: "{outcome:?}");
    Ok(())
}

/// One holder does nothing, two are in the middle of a command without end.
fn beyond_grace(trial: &Trial) -> Result<(), Broken> {
    const GRACE: Duration = Duration::from_millis(200);
    runtime()?.block_on(async {
        let server = trial.server().await?;
        let pool = trial.pool(trial.config(&server.url()))?;
        drop(hold_all(&pool).await?);
        let mut held = pool.get().await?;
        let mut endless = JoinSet::new();
        for way in Way::BOTH {
            let pool = pool.clone();
            let command = cmd("BLPOP").arg("list").arg(0).to_owned();
            endless.spawn(async move { way.query::<Value>(&pool, &command).await });
        }
        until_blocked(&server, 2).await?;

        let started = Instant::now();
        within(SOON, "close to return after the grace", pool.close(GRACE)).await?;
        let took = started.elapsed();
        ensure!(took >= GRACE.mul_f64(0.9), expected: "a grace of {GRACE:?}", seen: "{took:?}");
        ensure_no_socket_is_left(&server).await?;
        while let Some(outcome) = within(
            SOON,
            "commands under way to be cut off",
            endless.join_next(),
        )
        .await?
        {
            let outcome = outcome?;
            ensure!(outcome.is_err(), expected: "a command that is cut off", seen: "{outcome:?}");
        }
        ensure_cut_off(&mut held).await?;
        drop(held);
        ensure_closed(&pool).await?;
        ensure_no_task_is_left().await
    })
}

/// More than tokio lets a task do in one poll.
fn many_idle(trial: &Trial) -> Result<(), Broken> {
    runtime()?.block_on(async {
        let server = trial.server().await?;
        let mut config = trial.config(&server.url());
        config.max_size = 150;
        let pool = trial.pool(config)?;
        drop(hold_all(&pool).await?);
        pool.close(Duration::ZERO).await;
        let left = pool.status().size();
        ensure!(left == 0, expected: "no connection left in the pool", seen: "{left}");
        ensure_no_socket_is_left(&server).await
    })
}

/// Whoever is about to be given that one hears of the end at once, however the server takes it.
fn while_asking(trial: &Trial) -> Result<(), Broken> {
    runtime()?.block_on(async {
        let server = trial.server().await?;
        let proxy = trial.proxy(&server).await?;
        let mut config = trial.config(&proxy.url());
        config.max_size = 1;
        config.validate_after = Some(Duration::from_millis(50));
        config.response_timeout = Some(LONG);
        config.get_timeout = Some(LONG);
        let pool = trial.pool(config)?;
        drop(hold_all(&pool).await?);
        tokio::time::sleep(Duration::from_millis(150)).await;
        proxy.stall();
        let asker = pool.clone();
        let asking = tokio::spawn(async move { asker.get().await.map(drop) });
        tokio::time::sleep(Duration::from_millis(50)).await;
        within(SOON, "close to return", pool.close(Duration::ZERO)).await?;
        let outcome = within(SOON, "the caller to hear of it", asking).await??;
        ensure!(
            matches!(outcome, Err(PoolError::Closed)),
            expected: "Closed",
            seen: "{outcome:?}"
        );
        Ok(())
    })
}

fn while_connecting(trial: &Trial) -> Result<(), Broken> {
    runtime()?.block_on(async {
        let server = trial.server().await?;
        let proxy = trial.proxy(&server).await?;
        let mut config = trial.config(&proxy.url());
        config.get_timeout = Some(LONG);
        config.connect_timeout = Some(LONG);
        let pool = trial.pool(config)?;
        proxy.slow_accept(Some(LONG));
        let mut callers = JoinSet::new();
        for way in [Way::Own, Way::Own, Way::Shared] {
            let pool = pool.clone();
            callers.spawn(async move { way.query::<Value>(&pool, &cmd("PING")).await });
        }
        let what = "the pool to connect";
        eventually(SOON, what, async || proxy.accepted() >= 1).await?;

        within(
            SOON,
            "close to return at once, with nobody holding",
            pool.close(LONG),
        )
        .await?;
        let what = "everybody who waits to hear at once";
        while let Some(outcome) = within(SOON, what, callers.join_next()).await? {
            ensure_is_closed(outcome?)?;
        }
        let what = "no connection to be left at the proxy";
        eventually(SOON, what, async || proxy.open() == 0).await?;
        ensure_no_task_is_left().await
    })
}

/// A connection that ended before its holder had used it may be replaced under him, until the end.
fn while_replacing(trial: &Trial) -> Result<(), Broken> {
    const GREETS_AFTER: Duration = Duration::from_millis(500);
    runtime()?.block_on(async {
        let server = trial.server().await?;
        let proxy = trial.proxy(&server).await?;
        let pool = trial.pool(trial.config(&proxy.url()))?;
        let mut held = pool.get().await?;
        proxy.cut();
        proxy.slow_accept(Some(GREETS_AFTER));
        let before = proxy.accepted();
        let first = tokio::spawn(async move {
            let outcome = echo_on(&mut held, "word").await;
            (held, outcome)
        });
        let what = "a first command to fail, or a connection to be opened for it";
        eventually(SOON, what, async || {
            first.is_finished() || proxy.accepted() > before
        })
        .await?;

        within(SOON, "close to return", pool.close(Duration::ZERO)).await?;
        let (open, connecting) = (proxy.open(), pool.status().connecting);
        ensure!(
            open == 0 && connecting == 0,
            expected: "no connection of a pool that was closed, nor one that is being opened",
            seen: "{open} at the proxy, {connecting} connecting"
        );
        let (mut held, outcome) = within(SOON, "the first command to end", first).await??;
        ensure!(outcome.is_err(), expected: "the first command to fail", seen: "a reply");
        ensure_cut_off(&mut held).await?;
        drop(held);
        ensure_no_socket_is_left(&server).await?;
        ensure_no_task_is_left().await
    })
}

fn close_given_up(trial: &Trial) -> Result<(), Broken> {
    runtime()?.block_on(async {
        let server = trial.server().await?;
        let pool = trial.pool(trial.config(&server.url()))?;
        let mut held = pool.get().await?;
        let closing = pool.close(LONG);
        let given_up = tokio::time::timeout(Duration::from_millis(20), closing).await;
        ensure!(given_up.is_err(), expected: "close to wait for the holder", seen: "its end");
        ensure_closed(&pool).await?;
        echo_on(&mut held, "word")
            .await
            .map_err(|broken| broken.in_case("a holder without a limit"))?;
        drop(held);
        until_no_socket_is_left(&server).await?;
        ensure_no_task_is_left().await
    })
}

fn closed_twice(trial: &Trial) -> Result<(), Broken> {
    runtime()?.block_on(async {
        let server = trial.server().await?;
        let pool = trial.pool(trial.config(&server.url()))?;
        for _ in 0..2 {
            within(SOON, "close to return at once", pool.close(LONG)).await?;
            ensure_closed(&pool).await?;
        }
        let received = server.total_connections_received().await;
        ensure!(received == 0, expected: "no connection ever", seen: "{received}");
        ensure_no_task_is_left().await
    })
}

/// Takes and uses what there is, and keeps one connection: where it is lent and no clone, which
/// would be a handle.
async fn use_and_hold(trial: &Trial, pool: &Pool) -> Result<Option<PooledConnection>, Broken> {
    Way::Shared.echo(pool, "word").await?;
    drop(hold_all(pool).await?);
    Way::Shared.echo(pool, "word").await?;
    Ok(match trial.nature().lends {
        true => Some(pool.get().await?),
        false => None,
    })
}

fn last_handle_dropped(trial: &Trial) -> Result<(), Broken> {
    runtime()?.block_on(async {
        let server = trial.server().await?;
        let pool = trial.pool(trial.config(&server.url()))?;
        let mut held = use_and_hold(trial, &pool).await?;
        let mut client = pool.client();
        let other = client.clone();
        drop((pool, other));
        let echo: String = cmd("ECHO").arg("word").query_async(&mut client).await?;
        ensure_echo("word", &echo).map_err(|broken| broken.in_case("a client is a handle"))?;

        drop(client);
        until_no_socket_is_left(&server).await?;
        if let Some(held) = &mut held {
            ensure_cut_off(held).await?;
        }
        drop(held);
        ensure_no_task_is_left().await
    })
}

fn dropped_outside(trial: &Trial) -> Result<(), Broken> {
    let server = trial.block_on(trial.server())?;
    let pool = trial.pool(trial.config(&server.url()))?;
    let runtime = runtime()?;
    let held = runtime.block_on(use_and_hold(trial, &pool))?;
    drop(pool);
    trial.block_on(until_no_socket_is_left(&server))?;
    drop(held);
    runtime.block_on(ensure_no_task_is_left())
}

fn dropped_after_its_runtime(trial: &Trial) -> Result<(), Broken> {
    let server = trial.block_on(trial.server())?;
    let pool = trial.pool(trial.config(&server.url()))?;
    let runtime = runtime()?;
    let held = runtime.block_on(use_and_hold(trial, &pool))?;
    drop(runtime);
    drop(pool);
    trial.block_on(until_no_socket_is_left(&server))?;
    drop(held);
    Ok(())
}
