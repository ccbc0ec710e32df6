use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{cmd, pipe};
use respool_core::{Client, Pool, PooledConnection};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{self, JoinSet};

use crate::check::ensure;
use crate::checks::full_use::{hold_all, lost_nothing};
use crate::checks::way::{Way, echo_on, ensure_echo};
use crate::trial::{eventually, within};
use crate::{Broken, Finding, Trial};

const PATIENCE: Duration = Duration::from_secs(10);

type Case = fn(&Trial) -> Result<(), Broken>;

const CASES: &[(&str, Case)] = &[
    ("runtimes one after another", one_after_another),
    ("two runtimes at once", two_at_once),
    ("a connection moved from runtime to runtime", moved),
    (
        "the runtime that opened the connections ends meanwhile",
        opener_ends,
    ),
    (
        "a runtime ends while it is connecting",
        ends_while_connecting,
    ),
    (
        "a runtime of many threads ends while it is connecting",
        shut_down_while_connecting,
    ),
    (
        "a runtime ends in the middle of commands",
        ends_in_mid_command,
    ),
    (
        "the runtime that opened the connections is not driven",
        not_driven,
    ),
    (
        "a runtime is not driven while it is connecting",
        not_driven_while_connecting,
    ),
    (
        "runtimes that a blocking task blocks on in turn",
        inside_a_blocking_task,
    ),
    (
        "a task that blocks on another runtime in between",
        blocks_in_place,
    ),
];

/// LIFE-5: each case on connections of one's own and through clients.
pub(crate) fn belongs_to_no_runtime(trial: &Trial) -> Finding {
    for (case, run) in CASES {
        run(trial).map_err(|broken| broken.in_case(case))?;
    }
    Ok(format!("all {} cases, pool and client", CASES.len()))
}

/// As `#[tokio::test]` makes one for each test.
fn one_thread() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn two_threads() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
}

/// Many commands at once, both ways, on the runtime that this is called on.
async fn use_pool(pool: &Pool) -> Result<(), Broken> {
    let mut tasks = JoinSet::new();
    for number in 0..3 * pool.config().max_size {
        for way in Way::BOTH {
            let pool = pool.clone();
            tasks.spawn(async move { way.echo(&pool, &format!("word {number}")).await });
        }
    }
    let all = async {
        while let Some(outcome) = tasks.join_next().await {
            outcome??;
        }
        Ok(())
    };
    within(PATIENCE, "commands to be answered", all).await?
}

fn one_after_another(trial: &Trial) -> Result<(), Broken> {
    let server = trial.block_on(trial.server())?;
    let builder = one_thread()?;
    let pool = builder.block_on(async {
        let pool = trial.pool(trial.config(&server.url()))?;
        use_pool(&pool).await.map(|()| pool)
    })?;
    drop(builder);
    for number in 0..8 {
        let runtime = if number % 4 == 3 {
            two_threads()
        } else {
            one_thread()
        }?;
        runtime.block_on(use_pool(&pool))?;
    }
    one_thread()?.block_on(lost_nothing(&pool))
}

/// Fewer connections than callers, so that they go to and fro between the two.
fn two_at_once(trial: &Trial) -> Result<(), Broken> {
    let server = trial.block_on(trial.server())?;
    let mut config = trial.config(&server.url());
    config.max_size = 2;
    let pool = trial.pool(config)?;
    let work = || -> Result<(), Broken> {
        let runtime = one_thread()?;
        runtime.block_on(async {
            for _ in 0..30 {
                use_pool(&pool).await?;
            }
            Ok(())
        })
    };
    thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        for thread in threads {
            thread
                .join()
                .map_err(|_| Broken::new("no panic", "one"))??;
        }
        trial.block_on(lost_nothing(&pool))
    })
}

/// Also in the middle of a reply that was given up, whose rest arrives on the next runtime.
fn moved(trial: &Trial) -> Result<(), Broken> {
    let server = trial.block_on(trial.server())?;
    let pool = trial.pool(trial.config(&server.url()))?;
    let runtimes = [one_thread()?, one_thread()?, two_threads()?];
    let value = "x".repeat(1_000_000);
    let mut set = cmd("SET");
    set.arg("large").arg(&value);
    runtimes[0].block_on(Way::Own.query::<()>(&pool, &set))?;

    let mut connection = runtimes[0].block_on(pool.get())?;
    for turn in 0..30 {
        let runtime = &runtimes[turn % runtimes.len()];
        let word = format!("word {turn}");
        runtime.block_on(async {
            if pool.capabilities().keeps_connection_on_cancel {
                let large = cmd("GET")
                    .arg("large")
                    .query_async::<String>(&mut connection)
                    .await?;
                ensure!(large == value, expected: "the large value", seen: "another");
            }
            echo_on(&mut connection, &word).await?;
            if pool.capabilities().keeps_connection_on_cancel {
                let limit = Duration::from_micros(200);
                let mut command = cmd("GET");
                let large = command.arg("large").query_async::<String>(&mut connection);
                drop(tokio::time::timeout(limit, large).await);
            }
            Ok::<_, Broken>(())
        })?;
    }
    drop(connection);
    for runtime in &runtimes {
        runtime.block_on(lost_nothing(&pool))?;
    }
    Ok(())
}

fn opener_ends(trial: &Trial) -> Result<(), Broken> {
    let server = trial.block_on(trial.server())?;
    let pool = trial.pool(trial.config(&server.url()))?;
    let opener = two_threads()?;
    opener.block_on(async {
        lost_nothing(&pool).await?;
        use_pool(&pool).await
    })?;
    let ended = AtomicBool::new(false);
    let (turns, first_turns) = mpsc::channel();
    thread::scope(|scope| {
        let user = scope.spawn(|| {
            one_thread()?.block_on(async {
                let mut turns_after = 0;
                while turns_after < 10 {
                    use_pool(&pool).await?;
                    turns_after += usize::from(ended.load(Ordering::Acquire));
                    let _ = turns.send(());
                }
                lost_nothing(&pool).await
            })
        });
        // It is well on its way, or has failed.
        let _ = first_turns.iter().take(3).count();
        drop(opener);
        ended.store(true, Ordering::Release);
        user.join().map_err(|_| Broken::new("no panic", "one"))?
    })
}

fn ends_while_connecting(trial: &Trial) -> Result<(), Broken> {
    connecting_runtime_goes(trial, one_thread()?, drop)
}

fn shut_down_while_connecting(trial: &Trial) -> Result<(), Broken> {
    connecting_runtime_goes(trial, two_threads()?, Runtime::shutdown_background)
}

fn connecting_runtime_goes(
    trial: &Trial,
    runtime: Runtime,
    end: fn(Runtime),
) -> Result<(), Broken> {
    let server = trial.block_on(trial.server())?;
    let proxy = trial.block_on(trial.proxy(&server))?;
    let pool = trial.pool(trial.config(&proxy.url()))?;
    proxy.slow_accept(Some(Duration::from_secs(60)));
    runtime.block_on(async {
        for way in [
            Way::Own,
            Way::Own,
            Way::Own,
            Way::Own,
            Way::Own,
            Way::Shared,
        ] {
            let pool = pool.clone();
            tokio::spawn(async move { way.echo(&pool, "word").await });
        }
        let what = "the pool to connect";
        eventually(PATIENCE, what, async || proxy.accepted() >= 1).await
    })?;
    end(runtime);
    proxy.slow_accept(None);
    let next = one_thread()?;
    next.block_on(lost_nothing(&pool))?;
    next.block_on(use_pool(&pool))
}

/// The commands end with it. Their connections, and those of holders who did nothing, do not stay
/// taken, and nobody gets their replies.
fn ends_in_mid_command(trial: &Trial) -> Result<(), Broken> {
    let server = trial.block_on(trial.server())?;
    let proxy = trial.block_on(trial.proxy(&server))?;
    let pool = trial.pool(trial.config(&proxy.url()))?;
    let next = two_threads()?;
    for runtime in [one_thread()?, two_threads()?] {
        runtime.block_on(async {
            lost_nothing(&pool).await?;
            Way::Shared.echo(&pool, "warm").await
        })?;
        proxy.stall();
        runtime.block_on(async {
            for way in Way::BOTH {
                let pool = pool.clone();
                tokio::spawn(async move { way.echo(&pool, "late").await });
            }
            let holder = pool.clone();
            tokio::spawn(async move {
                let _held = holder.get().await;
                std::future::pending::<()>().await;
            });
            let what = "all three to have a connection";
            eventually(PATIENCE, what, async || pool.status().in_use >= 3).await
        })?;
        drop(runtime);
        proxy.resume();
        next.block_on(async {
            use_pool(&pool).await?;
            lost_nothing(&pool).await
        })?;
    }
    Ok(())
}

fn not_driven(trial: &Trial) -> Result<(), Broken> {
    let server = trial.block_on(trial.server())?;
    let pool = trial.pool(trial.config(&server.url()))?;
    let (parked, other) = (one_thread()?, one_thread()?);
    parked.block_on(async {
        use_pool(&pool).await?;
        lost_nothing(&pool).await
    })?;
    other.block_on(async {
        use_pool(&pool).await?;
        lost_nothing(&pool).await
    })?;
    parked.block_on(use_pool(&pool))?;
    // Taken there, used and given back here.
    let held = parked.block_on(hold_all(&pool))?;
    other.block_on(async {
        for mut connection in held {
            within(PATIENCE, "a reply", echo_on(&mut connection, "word")).await??;
        }
        use_pool(&pool).await
    })
}

/// Whoever began to connect there has gone; nobody else may have to wait for the rest, be it for the
/// only connection that there may be, or that clients share.
fn not_driven_while_connecting(trial: &Trial) -> Result<(), Broken> {
    for (way, lanes, max_size) in [
        (Way::Own, None, None),
        (Way::Own, None, Some(1)),
        (Way::Own, None, Some(3)),
        (Way::Shared, None, None),
        (Way::Shared, Some(1), None),
        (Way::Shared, Some(1), Some(2)),
        (Way::Shared, None, Some(1)),
    ] {
        let name = format!("{way:?}, lanes {lanes:?}, max_size {max_size:?}");
        let left = left_while_connecting(trial, way, lanes, max_size);
        left.map_err(|broken| broken.in_case(&name))?;
    }
    Ok(())
}

fn left_while_connecting(
    trial: &Trial,
    way: Way,
    lanes: Option<usize>,
    max_size: Option<usize>,
) -> Result<(), Broken> {
    let server = trial.block_on(trial.server())?;
    let proxy = trial.block_on(trial.proxy(&server))?;
    let mut config = trial.config(&proxy.url());
    config.lanes = lanes;
    config.max_size = max_size.unwrap_or(config.max_size);
    let most = config.max_size;
    let pool = trial.pool(config)?;
    proxy.slow_accept(Some(Duration::from_secs(60)));
    let parked = one_thread()?;
    parked.block_on(async {
        let many = futures_util::future::join_all((0..most).map(|_| way.echo(&pool, "word")));
        tokio::select! {
            outcomes = many => outcomes.into_iter().collect(),
            begun = eventually(PATIENCE, "the pool to connect", async || {
                proxy.accepted() >= 1
            }) => begun,
        }
    })?;
    proxy.slow_accept(None);
    one_thread()?.block_on(async {
        for way in Way::BOTH {
            let what = format!("a command {} on another runtime", way.as_str());
            within(PATIENCE, &what, way.echo(&pool, "word")).await??;
        }
        lost_nothing(&pool).await
    })?;
    parked.block_on(lost_nothing(&pool))
}

/// To tokio, all that a closure of `spawn_blocking` blocks on is one task, with one number.
fn inside_a_blocking_task(trial: &Trial) -> Result<(), Broken> {
    let server = trial.block_on(trial.server())?;
    let pool = trial.pool(trial.config(&server.url()))?;
    let user = pool.clone();
    let blocking = async move { task::spawn_blocking(move || block_in_turn(&user)).await };
    trial.block_on(blocking)??;
    trial.block_on(lost_nothing(&pool))
}

/// On runtimes that end before the next one, and then on some that stay and are not driven meanwhile.
fn block_in_turn(pool: &Pool) -> Result<(), Broken> {
    let mut held = one_thread()?.block_on(pool.get())?;
    let mut client = pool.client();
    for runtime in [one_thread()?, two_threads()?, one_thread()?] {
        runtime.block_on(ask_all_ways(pool, &mut held, &mut client))?;
    }
    let living = [one_thread()?, one_thread()?, two_threads()?];
    for runtime in living.iter().chain(&living) {
        runtime.block_on(ask_all_ways(pool, &mut held, &mut client))?;
    }
    drop(held);
    let all = living[0].block_on(hold_all(pool))?;
    for runtime in living.iter().chain(&living) {
        let get = pool.get_within(Some(Duration::from_millis(50)));
        let outcome = runtime.block_on(within(PATIENCE, "get to end in time", get))?;
        ensure!(outcome.is_err(), expected: "no connection while all are held", seen: "one");
    }
    drop(all);
    Ok(())
}

/// What it keeps goes there and back with it.
fn blocks_in_place(trial: &Trial) -> Result<(), Broken> {
    let server = trial.block_on(trial.server())?;
    let pool = trial.pool(trial.config(&server.url()))?;
    let user = pool.clone();
    // It must not be dropped inside the task.
    let other = Arc::new(one_thread()?);
    let elsewhere = other.clone();
    let blocks = async move {
        let mut held = user.get().await?;
        let mut client = user.client();
        for _ in 0..3 {
            task::block_in_place(|| {
                elsewhere.block_on(ask_all_ways(&user, &mut held, &mut client))
            })?;
            ask_all_ways(&user, &mut held, &mut client).await?;
        }
        Ok::<_, Broken>(())
    };
    trial.block_on(async { tokio::spawn(blocks).await })??;
    drop(other);
    trial.block_on(lost_nothing(&pool))
}

/// On a connection that is held, through a client that is kept, and both ways anew.
async fn ask_all_ways(
    pool: &Pool,
    held: &mut PooledConnection,
    client: &mut Client,
) -> Result<(), Broken> {
    within(PATIENCE, "replies on a held connection", ask_on(held)).await??;
    within(PATIENCE, "replies through a kept client", ask_on(client)).await??;
    for way in Way::BOTH {
        let what = format!("a reply {}", way.as_str());
        within(PATIENCE, &what, way.echo(pool, "word")).await??;
    }
    Ok(())
}

/// A command, and a pipeline.
async fn ask_on(connection: &mut impl ConnectionLike) -> Result<(), Broken> {
    let echo: String = cmd("ECHO").arg("one").query_async(connection).await?;
    ensure_echo("one", &echo)?;
    let mut pipeline = pipe();
    pipeline.cmd("ECHO").arg("two").cmd("ECHO").arg("three");
    let echoes: (String, String) = pipeline.query_async(connection).await?;
    ensure_echo("two", &echoes.0)?;
    ensure_echo("three", &echoes.1)
}
