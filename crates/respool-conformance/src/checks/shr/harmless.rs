use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use redis::{RedisResult, Value, cmd, pipe};
use respool_core::{Client, Pool, PoolConfig, PoolError};
use respool_testserver::RedisServer;
use tokio::task::JoinSet;

use super::small_commands::{Others, fill};
use crate::check::ensure;
use crate::checks::cmd::{run, until_blocked};
use crate::checks::full_use::{come_to_rest, hold_all};
use crate::checks::way::{Way, command};
use crate::trial::{eventually, within};
use crate::{Broken, Finding, Trial};

const PATIENCE: Duration = Duration::from_secs(20);

/// What changes the session of its connection, with the words that the refusal must contain.
const REFUSED: &[(&str, &str)] = &[
    ("SELECT 1", "SELECT"),
    ("select 1", "SELECT"),
    ("MULTI", "MULTI"),
    ("EXEC", "EXEC"),
    ("DISCARD", "DISCARD"),
    ("WATCH 1", "WATCH"),
    ("UNWATCH", "UNWATCH"),
    ("SUBSCRIBE channel", "SUBSCRIBE"),
    ("PSUBSCRIBE channel", "PSUBSCRIBE"),
    ("SSUBSCRIBE channel", "SSUBSCRIBE"),
    ("UNSUBSCRIBE channel", "UNSUBSCRIBE"),
    ("MONITOR", "MONITOR"),
    ("CLIENT REPLY OFF", "CLIENT REPLY"),
    ("client reply skip", "CLIENT REPLY"),
    ("CLIENT SETNAME name", "CLIENT SETNAME"),
    ("CLIENT TRACKING ON", "CLIENT TRACKING"),
    ("CLIENT NO-EVICT ON", "CLIENT NO-EVICT"),
    ("CLIENT NO-TOUCH ON", "CLIENT NO-TOUCH"),
    ("AUTH password", "AUTH"),
    ("HELLO 3", "HELLO"),
    ("RESET", "RESET"),
    ("QUIT", "QUIT"),
    ("READONLY", "READONLY"),
];

/// SHR-2: while others go on with their commands, through clones of the same client.
pub(crate) fn others_are_never_harmed(trial: &Trial) -> Finding {
    trial.block_on(async {
        let server = trial.server().await?;
        let mut config = trial.config(&server.url());
        config.response_timeout = Some(Duration::from_secs(2));
        let pool = trial.pool(config.clone())?;
        let client = pool.client();
        fill(&client).await?;

        let others = Others::start(&client);
        match pool.is_bare() {
            false => session_commands_are_refused(&server, &client).await?,
            true => session_commands_harm_nobody(&client, &others).await?,
        }
        transactions_work(&client)
            .await
            .map_err(|broken| broken.in_case("transactions"))?;
        let while_blocked = pops_hold_up_nobody(&server, &pool, &others)
            .await
            .map_err(|broken| broken.in_case("blocking pops"))?;
        let replies = others.stop().await?.replies;
        come_to_rest(&pool).await?;
        who_frees_others_does_not_wait_for_them(trial)
            .await
            .map_err(|broken| broken.in_case("a script that is killed by a clone"))?;
        who_wants_his_own_gets_it_beside_many(trial, config.clone())
            .await
            .map_err(|broken| broken.in_case("one's own connection beside many clients"))?;
        clients_are_answered_beside_a_line(trial, config.clone())
            .await
            .map_err(|broken| broken.in_case("clients beside a line that never ends"))?;
        who_came_first_holds_up_nobody(&trial.pool(config)?)
            .await
            .map_err(|broken| broken.in_case("one who came first"))?;
        Ok(format!(
            "{} commands refused; others had {replies} replies, {while_blocked} of them while \
             all connections but one were blocked",
            REFUSED.len()
        ))
    })
}

/// The server reads nothing more from a connection whose script runs: what ends it comes by another.
async fn who_frees_others_does_not_wait_for_them(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    // The name of before Redis 7 is still known.
    run(&server, "CONFIG SET lua-time-limit 50", "").await?;
    let mut config = trial.config(&server.url());
    config.response_timeout = Some(PATIENCE);
    let pool = trial.pool(config)?;
    if pool.is_bare() {
        return Ok(());
    }
    // One that somebody could have at once: the server greets nobody meanwhile.
    hold_all(&pool).await?;
    let mut client = pool.client();
    let mut killer = client.clone();
    let mut endless = cmd("EVAL");
    endless.arg("while true do end").arg(0);
    let endless = endless.query_async::<Value>(&mut client);
    let kill = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut kill = cmd("SCRIPT");
        kill.arg("KILL").query_async::<Value>(&mut killer).await
    };
    let both = async { tokio::join!(endless, kill) };
    let (ended, killed) = within(PATIENCE / 4, "the script to be killed", both).await?;
    killed?;
    ensure!(ended.is_err(), expected: "the script to fail", seen: "{ended:?}");
    Ok(())
}

/// Those who share connections may want all of them, but not for good: also where somebody comes at the
/// moment at which they have opened the last.
async fn who_wants_his_own_gets_it_beside_many(
    trial: &Trial,
    mut few: PoolConfig,
) -> Result<(), Broken> {
    for turn in 0..24 {
        // Now and then there is but one, which all share.
        few.max_size = if turn % 6 == 0 { 1 } else { 2 };
        few.lanes = Some(few.max_size);
        let pool = trial.pool(few.clone())?;
        let client = pool.client();
        let many = Others::start_many(&client, 32);
        let all_are_open = async {
            while pool.status().opened < pool.config().max_size as u64 {
                tokio::task::yield_now().await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE / 100, all_are_open).await;
        for word in ["first", "second", "third"] {
            let what = "a connection of one's own";
            within(PATIENCE / 4, what, Way::Own.echo(&pool, word)).await??;
        }
        many.stop().await?;
    }
    Ok(())
}

/// There, what is opened for clients is wanted by others before they have used it.
async fn clients_are_answered_beside_a_line(
    trial: &Trial,
    mut few: PoolConfig,
) -> Result<(), Broken> {
    few.max_size = 2;
    let pool = trial.pool(few)?;
    let mut line = JoinSet::new();
    for _ in 0..10 {
        let pool = pool.clone();
        line.spawn(async move {
            loop {
                if let Err(broken) = Way::Own.echo(&pool, "word").await {
                    return broken;
                }
            }
        });
    }
    for number in 0..50 {
        let word = format!("word {number}");
        let what = "the reply to a client";
        within(PATIENCE / 4, what, Way::Shared.echo(&pool, &word)).await??;
    }
    match line.try_join_next() {
        Some(ended) => {
            Err(ended.unwrap_or_else(|panic| Broken::new("no panic", panic.to_string())))
        }
        None => Ok(()),
    }
}

/// He may have begun to open what all share; then he is not polled for a while, as in a `select!` beside
/// something slow.
async fn who_came_first_holds_up_nobody(pool: &Pool) -> Result<(), Broken> {
    let (ping, mut first, mut second) = (cmd("PING"), pool.client(), pool.client());
    let mut came_first = pin!(ping.query_async::<Value>(&mut first));
    poll_fn(|context| Poll::Ready(came_first.as_mut().poll(context).is_ready())).await;
    let other = within(
        PATIENCE / 10,
        "another's reply",
        ping.query_async::<Value>(&mut second),
    );
    other.await??;
    within(PATIENCE, "his own reply", came_first).await??;
    Ok(())
}

async fn session_commands_are_refused(server: &RedisServer, client: &Client) -> Result<(), Broken> {
    let mut client = client.clone();
    let commands_before = calls(server).await;
    for (words, name) in REFUSED {
        let refused = command(words, "");
        ensure_refused(refused.query_async(&mut client).await, name)
            .map_err(|broken| broken.in_case(words))?;
        let mut pipeline = pipe();
        pipeline
            .cmd("SET")
            .arg("touched")
            .arg(1)
            .add_command(refused)
            .cmd("PING");
        if !matches!(*name, "EXEC" | "DISCARD" | "UNWATCH") {
            ensure_refused(pipeline.query_async(&mut client).await, name)
                .map_err(|broken| broken.in_case(&format!("{words} in a pipeline")))?;
        }
    }
    let touched = run(server, "EXISTS touched", "").await?.integer();
    ensure!(
        touched == Some(0),
        expected: "nothing of a refused pipeline to reach the server",
        seen: "its SET"
    );
    let commands_after = calls(server).await;
    ensure!(
        commands_before == commands_after,
        expected: "no refused command to reach the server",
        seen: "{commands_before:?} calls before, {commands_after:?} after"
    );
    Ok(())
}

/// Nobody refuses them here: then nobody may notice them either.
async fn session_commands_harm_nobody(client: &Client, others: &Others) -> Result<(), Broken> {
    const REPLIES: usize = 20;
    for (words, _) in REFUSED {
        let mut client = client.clone();
        let harmful = command(words, "");
        let sent = harmful.query_async::<Value>(&mut client);
        // Some are never answered.
        let _ = tokio::time::timeout(Duration::from_millis(200), sent).await;
        let before = others.replies();
        let what = "others to go on";
        let go_on = eventually(PATIENCE / 4, what, async || {
            others.failure().is_some() || others.replies() >= before + REPLIES
        });
        let harm = go_on.await.err().or(others.failure());
        if let Some(broken) = harm {
            return Err(broken.in_case(&format!("others, after {words} through a Client")));
        }
    }
    Ok(())
}

/// How often the server has executed some of what is refused.
async fn calls(server: &RedisServer) -> Vec<u64> {
    let mut calls = Vec::new();
    for name in [
        "select",
        "multi",
        "watch",
        "subscribe",
        "monitor",
        "client|reply",
        "reset",
    ] {
        calls.push(server.command_calls(name).await);
    }
    calls
}

fn ensure_refused(outcome: RedisResult<Value>, name: &str) -> Result<(), Broken> {
    let refused = outcome.as_ref().is_err_and(|error| {
        let text = error.to_string();
        matches!(
            PoolError::find_in(error),
            Some(PoolError::Unsupported { .. })
        ) && text.contains(name)
            && text.contains("get()")
    });
    ensure!(
        refused,
        expected: "PoolError::Unsupported that names {name} and get()",
        seen: "{outcome:?}"
    );
    Ok(())
}

/// Atomic pipelines of many callers: each sees its own two commands, and nobody between them.
async fn transactions_work(client: &Client) -> Result<(), Broken> {
    const CALLERS: i64 = 50;
    let mut tasks = JoinSet::new();
    for _ in 0..CALLERS {
        let mut client = client.clone();
        tasks.spawn(async move {
            let mut pipeline = pipe();
            pipeline
                .atomic()
                .cmd("INCR")
                .arg("one")
                .cmd("INCR")
                .arg("two");
            pipeline.query_async::<(i64, i64)>(&mut client).await
        });
    }
    let mut seen = BTreeSet::new();
    while let Some(outcome) = tasks.join_next().await {
        let (one, two) = outcome??;
        ensure!(one == two, expected: "nobody between two commands of a transaction", seen: "{one} and {two}");
        seen.insert(one);
    }
    ensure!(
        seen == (1..=CALLERS).collect(),
        expected: "each of {CALLERS} transactions to count once",
        seen: "{seen:?}"
    );
    Ok(())
}

/// All connections but one are taken by callers who wait for elements through the client.
async fn pops_hold_up_nobody(
    server: &RedisServer,
    pool: &Pool,
    others: &Others,
) -> Result<usize, Broken> {
    const REPLIES: usize = 300;
    let mut pops = Vec::new();
    for number in 1..pool.config().max_size {
        let pool = pool.clone();
        // The server rounds the first one up to 0, which is without end.
        let words = match number {
            1 => "BLPOP list:{key} -0.0005",
            _ => "BLPOP list:{key} 30",
        };
        pops.push(tokio::spawn(async move {
            let pop = command(words, &number.to_string());
            Way::Shared.query::<Vec<String>>(&pool, &pop).await
        }));
    }
    until_blocked(server, pops.len()).await?;
    let before = others.replies();
    let what = format!("others to have {REPLIES} replies while pops wait");
    eventually(PATIENCE, &what, async || {
        others.replies() >= before + REPLIES
    })
    .await?;
    let replies = others.replies() - before;

    for (number, pop) in (1..).zip(pops) {
        ensure!(!pop.is_finished(), expected: "pop {number} to wait", seen: "its end");
        run(server, "RPUSH list:{key} element", &number.to_string()).await?;
        let popped = within(PATIENCE, "a pop to get its element", pop).await???;
        let expected = [format!("list:{number}"), "element".to_owned()];
        ensure!(popped == expected, expected: "{expected:?}", seen: "{popped:?}");
    }
    Ok(replies)
}
