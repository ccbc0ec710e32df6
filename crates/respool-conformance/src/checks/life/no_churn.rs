use std::time::Duration;

use fastrand::Rng;
use redis::{RedisResult, cmd};
use respool_core::{CloseReason, CommandError, Pool};
use tokio::task::JoinSet;

use crate::check::ensure;
use crate::checks::client_id;
use crate::checks::cmd::Patience;
use crate::checks::full_use::lost_nothing;
use crate::checks::way::{Way, ensure_echo};
use crate::{Broken, Finding, Trial};

/// As many as there are connections: what is given up is seldom a `get` then.
const TASKS: u64 = 4;
const COMMANDS_PER_TASK: usize = 120;
/// Of 480 commands half are given up. Fewer that reached the server would be no storm.
const LEAST_GIVEN_UP: u64 = 30;

/// LIFE-8: a storm of cancelled commands, on connections taken for one command or for several, and
/// through a `Client`; counted by what the other side accepts.
pub(crate) fn cancelled_commands_do_not_churn(trial: &Trial) -> Finding {
    trial.block_on(async {
        debts_are_not_added_up(trial)
            .await
            .map_err(|broken| broken.in_case("a reply that is owed after others were settled"))?;
        quiet_spells_cost_nothing(trial)
            .await
            .map_err(|broken| broken.in_case("a reply that came while nobody looked"))?;
        let mut evidence = Vec::new();
        let mut claimed = true;
        for caller in [Caller::TakesOne, Caller::Holds, Caller::Shares] {
            let storm = storm(trial, caller)
                .await
                .map_err(|broken| broken.in_case(&format!("a caller that {caller:?}")))?;
            claimed &= storm.claimed;
            evidence.push(format!("{} opened for {}", storm.opened, storm.given_up));
        }
        let evidence = format!(
            "connections opened for given up commands: {}",
            evidence.join(", ")
        );
        match claimed {
            true => Ok(evidence),
            false => trial.declared_unsupported(evidence),
        }
    })
}

#[derive(Clone, Copy, Debug)]
enum Caller {
    /// Takes a connection for each command.
    TakesOne,
    /// Goes on with its connection after it has given up a command.
    Holds,
    /// Has a `Client`.
    Shares,
}

struct Storm {
    /// Commands that reached the server, and whose caller had left when the reply came.
    given_up: u64,
    opened: u64,
    claimed: bool,
}

async fn storm(trial: &Trial, caller: Caller) -> Result<Storm, Broken> {
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    proxy.delay(Some(Duration::from_millis(2)));
    let mut config = trial.config(&proxy.url());
    // Whoever has to wait here is given up by the check, not by the pool.
    config.get_timeout = Some(Duration::from_secs(20));
    config.response_timeout = Some(Duration::from_secs(10));
    let pool = trial.pool(config)?;
    let mut tasks = JoinSet::new();
    for seed in 0..TASKS {
        let pool = pool.clone();
        tasks.spawn(async move { call(&pool, caller, Rng::with_seed(seed)).await });
    }
    let mut answered = 0;
    while let Some(outcome) = tasks.join_next().await {
        answered += outcome??;
    }
    let given_up = server.command_calls("echo").await - answered;
    let storm = Storm {
        given_up,
        opened: proxy.accepted(),
        claimed: keeps_connections(trial, &pool),
    };
    expect_what_is_claimed(&pool, &storm)?;
    // Where each get has a PING of its own, that is what most callers give up.
    let least = match pool.is_bare() {
        false => LEAST_GIVEN_UP,
        true => LEAST_GIVEN_UP / 10,
    };
    ensure!(
        given_up >= least,
        expected: "at least {least} commands given up that had reached the server",
        seen: "{given_up}"
    );
    lost_nothing(&pool).await?;
    Ok(storm)
}

/// A holder who gives up a command, has a reply to his next one, and later gives up another: only the
/// last reply is owed, and for a moment, when he leaves.
async fn debts_are_not_added_up(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    let mut config = trial.config(&server.url());
    config.response_timeout = Some(Duration::from_secs(1));
    config.max_size = 1;
    let pool = trial.pool(config)?;
    if pool.is_bare() || !keeps_connections(trial, &pool) {
        return Ok(());
    }
    let mut held = pool.get().await?;
    let before = client_id(&mut held).await?;
    for settles in [true, false] {
        let mut echo = cmd("ECHO");
        echo.arg("given up");
        let given_up = echo.query_async::<String>(&mut held);
        Patience::Polls(1).wait_for(given_up).await;
        if settles {
            client_id(&mut held).await?;
            tokio::time::sleep(Duration::from_millis(1200)).await;
        }
    }
    drop(held);
    let after = client_id(&mut pool.get().await?).await?;
    ensure!(
        after == before,
        expected: "the connection of client {before}, which owed a reply for a moment",
        seen: "client {after}; closed: {:?}", pool.status().closed
    );
    Ok(())
}

/// The server has answered at once, and long after that somebody takes the connection: from whoever gave
/// up the command and left, or stayed.
async fn quiet_spells_cost_nothing(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    let mut config = trial.config(&server.url());
    config.response_timeout = Some(Duration::from_millis(200));
    config.max_size = 1;
    let pool = trial.pool(config)?;
    if pool.is_bare() || !keeps_connections(trial, &pool) {
        return Ok(());
    }
    for stays in [false, true] {
        let mut held = pool.get().await?;
        let before = client_id(&mut held).await?;
        let mut echo = cmd("ECHO");
        echo.arg("given up");
        let given_up = echo.query_async::<String>(&mut held);
        Patience::Polls(1).wait_for(given_up).await;
        if stays {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        drop(held);
        if !stays {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let after = client_id(&mut pool.get().await?).await?;
        ensure!(
            after == before,
            expected: "the connection of client {before}, whose reply had come long before",
            seen: "client {after}; closed: {:?}", pool.status().closed
        );
    }
    let mut client = pool.client();
    Way::Shared.echo(&pool, "first").await?;
    let before = pool.status().opened;
    for _ in 0..3 {
        let mut echo = cmd("ECHO");
        echo.arg("given up");
        let given_up = echo.query_async::<String>(&mut client);
        Patience::Polls(1).wait_for(given_up).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        Way::Shared.echo(&pool, "another").await?;
    }
    let opened = pool.status().opened - before;
    ensure!(
        opened == 0,
        expected: "no connection opened for what a client gave up before it was sent",
        seen: "{opened}; closed: {:?}", pool.status().closed
    );
    Ok(())
}

/// What makes no claims is judged by what it does.
fn keeps_connections(trial: &Trial, pool: &Pool) -> bool {
    pool.capabilities().keeps_connection_on_cancel || !trial.nature().speaks_the_contract
}

fn expect_what_is_claimed(pool: &Pool, storm: &Storm) -> Result<(), Broken> {
    let max_size = pool.config().max_size as u64;
    let opened = storm.opened;
    if pool.is_bare() {
        let most = max_size + storm.given_up / 10;
        ensure!(
            opened <= most,
            expected: "a connection opened for one in ten commands that are given up, at most",
            seen: "{opened} for {} of them", storm.given_up
        );
        return Ok(());
    }
    if storm.claimed {
        ensure!(
            opened <= max_size,
            expected: "no more than {max_size} connections opened, because \
                       keeps_connection_on_cancel is claimed",
            seen: "{opened} for {} commands that were given up", storm.given_up
        );
        return Ok(());
    }
    let replaced = pool.status().closed.of(CloseReason::Cancelled);
    let most = max_size + replaced;
    ensure!(
        opened > max_size && opened <= most,
        expected: "connections replaced for commands that were given up, because \
                   keeps_connection_on_cancel is not claimed, and each counted as cancelled: \
                   more than {max_size} opened and at most {most}",
        seen: "{opened}"
    );
    Ok(())
}

/// How many commands it got a reply to.
async fn call(pool: &Pool, caller: Caller, mut random: Rng) -> Result<u64, Broken> {
    let mut answered = 0;
    let mut sent = 0;
    while sent < COMMANDS_PER_TASK {
        let mut held = match caller {
            Caller::Holds => Some(pool.get().await?),
            Caller::TakesOne | Caller::Shares => None,
        };
        for _ in 0..random.usize(1..5) {
            sent += 1;
            let word = format!("word {}", random.u32(..));
            let mut echo = cmd("ECHO");
            echo.arg(&word);
            let patience = Patience::draw(&mut random);
            let outcome: Option<RedisResult<String>> = match (&mut held, caller) {
                (Some(held), _) => patience.wait_for(echo.query_async(held)).await,
                (None, Caller::Shares) => patience.wait_for(Way::Shared.query(pool, &echo)).await,
                (None, _) => patience.wait_for(Way::Own.query(pool, &echo)).await,
            };
            match outcome {
                None => {}
                Some(Ok(answer)) => {
                    ensure_echo(&word, &answer)?;
                    answered += 1;
                }
                // Where connections are replaced, its holder has to take another.
                Some(Err(error))
                    if pool.is_bare()
                        || CommandError::find_in(&error).is_some()
                            && !pool.capabilities().keeps_connection_on_cancel =>
                {
                    held = None;
                }
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }
    Ok(answered)
}
