use std::thread;
use std::time::Duration;

use redis::{RedisResult, Value, cmd, pipe};
use respool_core::{CommandError, Pool, PoolError, PooledConnection};
use respool_testserver::{Answer, Script, ScriptedServer};
use tokio::runtime::Builder;

use super::malformed::says_protocol;
use crate::check::ensure;
use crate::checks::way::{Way, echo_on};
use crate::{Broken, Finding, Trial};

const PUSH: &[u8] = b">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nkey\r\n";
const UNASKED: &[u8] = b"$7\r\nunasked\r\n";

/// CMD-6: what a server says of its own accord, pushed or as a reply to nothing.
pub(crate) fn pushed_messages_shift_nothing(trial: &Trial) -> Finding {
    if trial.nature().speaks_the_contract {
        while_busy(trial)
            .map_err(|broken| broken.in_case("a reply to a connection whose runtime is busy"))?;
    }
    trial.block_on(async {
        for way in Way::BOTH {
            around_replies(trial, way)
                .await
                .map_err(|broken| broken.in_case("pushes around replies"))?;
            glued_to_a_reply(trial, way)
                .await
                .map_err(|broken| broken.in_case("two replies to one command"))?;
            inside_a_pipeline(trial, way)
                .await
                .map_err(|broken| broken.in_case("a reply too many inside a pipeline's"))?;
            while_idle(trial, way)
                .await
                .map_err(|broken| broken.in_case("a reply while nobody asks"))?;
        }
        while_held(trial)
            .await
            .map_err(|broken| broken.in_case("a reply to a connection that is held"))?;
        // What is held must be one connection in RESP3: in libraries of others it may be one of
        // many, or speak RESP2, and a subscription has calls of its own.
        if trial.nature().speaks_the_contract {
            after_client_reply(trial)
                .await
                .map_err(|broken| broken.in_case("commands after CLIENT REPLY"))?;
            modes_of_client_reply(trial)
                .await
                .map_err(|broken| broken.in_case("the modes of CLIENT REPLY on a real server"))?;
            in_two_packets(trial)
                .await
                .map_err(|broken| broken.in_case("a push in two packets"))?;
            subscribed(trial)
                .await
                .map_err(|broken| broken.in_case("a subscriber that goes on sending commands"))?;
            monitoring(trial)
                .await
                .map_err(|broken| broken.in_case("MONITOR, and commands after it"))?;
        }
        let tracked = tracking(trial)
            .await
            .map_err(|broken| broken.in_case("CLIENT TRACKING on a real server"))?;
        Ok(format!(
            "{tracked} commands among invalidations had their own replies"
        ))
    })
}

async fn around_replies(trial: &Trial, way: Way) -> Result<(), Broken> {
    let reply = [PUSH, b"$5\r\nvalue\r\n", PUSH, PUSH].concat();
    let script = Script::new().on("GET", Answer::Bytes(reply));
    let server = ScriptedServer::start_with(script).await?;
    let pool = trial.pool(trial.config(&format!("{}?protocol=resp3", server.url())))?;
    for number in 0..50 {
        let value: String = way.query(&pool, cmd("GET").arg("key")).await?;
        ensure!(value == "value", expected: "its own reply", seen: "{value:?}");
        way.echo(&pool, &format!("word {number}")).await?;
        let mut pipeline = pipe();
        pipeline
            .cmd("ECHO")
            .arg(number)
            .cmd("GET")
            .arg("key")
            .cmd("ECHO")
            .arg("last");
        let replies: Vec<String> = way.query_pipeline(&pool, &pipeline).await?;
        ensure!(
            replies == [number.to_string().as_str(), "value", "last"],
            expected: "the pipeline's own replies",
            seen: "{replies:?}"
        );
    }
    Ok(())
}

async fn glued_to_a_reply(trial: &Trial, way: Way) -> Result<(), Broken> {
    let large = "x".repeat(100_000);
    for value in ["value", &large] {
        let reply = [&bulk_string(value), UNASKED].concat();
        let script = Script::new().on("GET", Answer::Bytes(reply));
        let server = ScriptedServer::start_with(script).await?;
        let pool = trial.pool(trial.config(&server.url()))?;
        for number in 0..20 {
            let outcome: RedisResult<String> = way.query(&pool, cmd("GET").arg("key")).await;
            let is_right = match &outcome {
                Ok(reply) => reply == value,
                Err(error) => pool.is_bare() || says_protocol(error),
            };
            let seen = outcome.map(|reply| start_of(&reply));
            ensure!(is_right, expected: "its own reply, or an error", seen: "{seen:?}");
            let word = format!("word {number}");
            let outcome: RedisResult<String> = way.query(&pool, cmd("ECHO").arg(&word)).await;
            ensure_never_anothers(&pool, &outcome, &word)?;
        }
    }
    Ok(())
}

fn bulk_string(text: &str) -> Vec<u8> {
    format!("${}\r\n{text}\r\n", text.len()).into_bytes()
}

/// All replies arrive in one piece, so that it can be known that there are too many. Every other time
/// the last is too large to be read with the others to its end.
async fn inside_a_pipeline(trial: &Trial, way: Way) -> Result<(), Broken> {
    let last = |text: &str| [b"$5\r\nfirst\r\n", UNASKED, &bulk_string(text)].concat();
    let large = "x".repeat(100_000);
    let script = Script::new()
        .on("GET", Answer::Bytes(Vec::new()))
        .on("STRLEN", Answer::Bytes(last("last")))
        .on("GETRANGE", Answer::Bytes(last(&large)));
    let server = ScriptedServer::start_with(script).await?;
    let pool = trial.pool(trial.config(&server.url()))?;
    for number in 0..20 {
        let (second, last) = match number % 2 {
            0 => ("STRLEN", "last"),
            _ => ("GETRANGE", large.as_str()),
        };
        let mut pipeline = pipe();
        pipeline.cmd("GET").arg("key").cmd(second).arg("key");
        let outcome: RedisResult<Vec<String>> = way.query_pipeline(&pool, &pipeline).await;
        let is_right = match &outcome {
            Ok(replies) => *replies == ["first", last],
            Err(error) => pool.is_bare() || CommandError::find_in(error).is_some(),
        };
        let seen = outcome.map(|mut replies| {
            replies
                .iter_mut()
                .for_each(|reply| *reply = start_of(reply));
            replies
        });
        ensure!(is_right, expected: "its own replies, or the pipeline lost", seen: "{seen:?}");
        let word = format!("word {number}");
        let outcome: RedisResult<String> = way.query(&pool, cmd("ECHO").arg(&word)).await;
        ensure_never_anothers(&pool, &outcome, &word)?;
    }
    Ok(())
}

/// Enough of it to tell which it is.
fn start_of(reply: &str) -> String {
    reply.chars().take(10).collect()
}

/// CLIENT REPLY takes replies away: as many that come too many must not make up for them. Nor may
/// one that comes as it should be kept from its owner until the time is up.
async fn after_client_reply(trial: &Trial) -> Result<(), Broken> {
    let skip = cmd("CLIENT").arg("REPLY").arg("SKIP").clone();
    let set = cmd("SET").arg("key").arg("value").clone();
    let get = cmd("GET").arg("key").clone();
    for too_many in 0..4 {
        let replies = [b"$5\r\nvalue\r\n", &*UNASKED.repeat(too_many)].concat();
        let script = Script::new()
            .on("CLIENT|REPLY", Answer::Silence)
            .on("SET", Answer::Silence)
            .on("GET", Answer::Bytes(replies));
        let server = ScriptedServer::start_with(script).await?;
        let pool = trial.pool(trial.config(&server.url()))?;

        let mut connection = pool.get().await?;
        for unanswered in [&skip, &set] {
            let mut command = unanswered.clone();
            command.set_no_response(true);
            let _: Value = command.query_async(&mut connection).await?;
        }
        let alone: RedisResult<String> = get.query_async(&mut connection).await;

        let mut pipeline = pipe();
        for command in [&skip, &set, &get] {
            pipeline.add_command(command.clone());
        }
        let together = pipeline.query_async(&mut pool.get().await?).await;

        for outcome in [alone.map(|reply| vec![reply]), together] {
            let is_right = match &outcome {
                Ok(replies) => *replies == ["value"],
                Err(error) => !error.is_timeout(),
            };
            ensure!(is_right, expected: "its own reply, or why there is none", seen: "{outcome:?}");
        }
    }
    Ok(())
}

/// What is off stays off after SKIP, and MULTI is a command whose reply may be skipped: whoever loses count
/// waits for replies that never come.
async fn modes_of_client_reply(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    let pool = trial.pool(trial.config(&server.url()))?;
    let set = cmd("SET").arg("key").arg("value").clone();
    for modes in [&["SKIP"][..], &["OFF"], &["OFF", "SKIP"]] {
        for atomically_first in [true, false] {
            let mut connection = pool.get().await?;
            for mode in modes {
                let mut command = cmd("CLIENT").arg("REPLY").arg(mode).clone();
                command.set_no_response(true);
                let _: Value = command.query_async(&mut connection).await?;
            }
            let mut transaction = pipe();
            transaction.atomic().add_command(set.clone());
            for number in 0..4 {
                let outcome: RedisResult<Value> = match atomically_first == (number < 2) {
                    true => transaction.query_async(&mut connection).await,
                    false => set.query_async(&mut connection).await,
                };
                let is_right = outcome
                    .as_ref()
                    .map_or_else(|error| !error.is_timeout(), |_| true);
                ensure!(
                    is_right,
                    expected: "after {modes:?}, its own reply, nil, or why there is none",
                    seen: "{outcome:?}"
                );
            }
        }
    }
    Ok(())
}

async fn while_idle(trial: &Trial, way: Way) -> Result<(), Broken> {
    let server = ScriptedServer::start().await?;
    let pool = trial.pool(trial.config(&server.url()))?;
    for number in 0..20 {
        way.echo(&pool, "before").await?;
        say_unasked(&pool, &server).await;
        let word = format!("word {number}");
        let outcome: RedisResult<String> = way.query(&pool, cmd("ECHO").arg(&word)).await;
        ensure_never_anothers(&pool, &outcome, &word)?;
    }
    Ok(())
}

/// The bytes are there when this returns. Somebody else's task may have them before the next
/// request, too: it could not know otherwise.
async fn say_unasked(pool: &Pool, server: &ScriptedServer) {
    server.say(UNASKED).await;
    if pool.is_bare() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The first part comes while nothing is asked, the rest before a reply.
async fn in_two_packets(trial: &Trial) -> Result<(), Broken> {
    for split in [1, 4, 9, PUSH.len() - 1] {
        let (start, end) = PUSH.split_at(split);
        let reply = [end, b"$5\r\nvalue\r\n"].concat();
        let script = Script::new().on("GET", Answer::Bytes(reply));
        let server = ScriptedServer::start_with(script).await?;
        let pool = trial.pool(trial.config(&format!("{}?protocol=resp3", server.url())))?;
        let mut connection = pool.get().await?;
        for number in 0..5 {
            server.say(start).await;
            let value: String = cmd("GET").arg("key").query_async(&mut connection).await?;
            ensure!(value == "value", expected: "its own reply", seen: "{value:?}");
            echo_on(&mut connection, &format!("word {number}")).await?;
        }
    }
    Ok(())
}

async fn while_held(trial: &Trial) -> Result<(), Broken> {
    let server = ScriptedServer::start().await?;
    let pool = trial.pool(trial.config(&server.url()))?;
    for number in 0..20 {
        let mut connection = pool.get().await?;
        echo_on(&mut connection, "before").await?;
        say_unasked(&pool, &server).await;
        let word = format!("word {number}");
        let outcome = cmd("ECHO").arg(&word).query_async(&mut connection).await;
        ensure_never_anothers(&pool, &outcome, &word)?;
    }
    Ok(())
}

/// On one thread that is busy with something else while the bytes arrive: no task has read them when
/// the next request is sent.
fn while_busy(trial: &Trial) -> Result<(), Broken> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = ScriptedServer::start().await?;
        let pool = trial.pool(trial.config(&server.url()))?;
        for number in 0..10 {
            let mut connection = pool.get().await?;
            echo_on(&mut connection, "before").await?;
            thread::scope(|scope| {
                let elsewhere = scope.spawn(|| {
                    let runtime = Builder::new_current_thread().enable_all().build()?;
                    runtime.block_on(server.say(UNASKED));
                    Ok::<_, Broken>(())
                });
                elsewhere.join().expect("it does not panic")
            })?;
            let word = format!("word {number}");
            let outcome = cmd("ECHO").arg(&word).query_async(&mut connection).await;
            ensure_never_anothers(&pool, &outcome, &word)?;
        }
        Ok(())
    })
}

fn ensure_never_anothers(
    pool: &Pool,
    outcome: &RedisResult<String>,
    word: &str,
) -> Result<(), Broken> {
    let is_right = match outcome {
        Ok(reply) => reply == word,
        // A command that was lost with its connection is nobody's reply, whatever it was lost to.
        Err(error) => pool.is_bare() || CommandError::find_in(error).is_some(),
    };
    ensure!(is_right, expected: "the reply {word:?}, or the command lost", seen: "{outcome:?}");
    Ok(())
}

/// With RESP3 a connection may send anything while it is subscribed. Each channel of a subscription is
/// confirmed, by one message more than there are commands.
async fn subscribed(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    let url = format!("redis://{}/0?protocol=resp3", server.address());
    let pool = trial.pool(trial.config(&url))?;
    let mut subscriber = pool.get().await?;
    let mut publisher = pool.get().await?;
    for channels in [&["news"][..], &["more", "and more"]] {
        let mut subscribe = cmd("SUBSCRIBE");
        let _: Value = subscribe.arg(channels).query_async(&mut subscriber).await?;
        for number in 0..100 {
            let heard: usize = cmd("PUBLISH")
                .arg("news")
                .arg(number)
                .query_async(&mut publisher)
                .await?;
            ensure!(heard == 1, expected: "one subscriber", seen: "{heard}");
            echo_on(&mut subscriber, &format!("word {number}")).await?;
        }
    }
    // Messages and confirmations are pushed: a list is a reply, whatever stands in it.
    for word in ["message", "subscribe"] {
        let list: Vec<String> = cmd("EVAL")
            .arg("return {ARGV[1], 'news', 1}")
            .arg(0)
            .arg(word)
            .query_async(&mut subscriber)
            .await?;
        ensure!(list == [word, "news", "1"], expected: "the list of {word:?}", seen: "{list:?}");
    }
    Ok(())
}

/// Lines of MONITOR look like replies. Who wants them needs a backend that tells them apart.
async fn monitoring(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    for protocol in ["resp2", "resp3"] {
        let url = format!("redis://{}/0?protocol={protocol}", server.address());
        let pool = trial.pool(trial.config(&url))?;
        let mut monitor = pool.get().await?;
        if !pool.capabilities().messages {
            if !pool.is_bare() {
                messages_are_refused(&mut monitor).await?;
            }
            continue;
        }
        let mut worker = pool.get().await?;
        let () = cmd("MONITOR").query_async(&mut monitor).await?;
        for number in 0..100 {
            echo_on(&mut worker, &format!("work {number}")).await?;
            echo_on(&mut monitor, &format!("word {number}")).await?;
        }
    }
    Ok(())
}

/// By name, and at no cost to the connection.
async fn messages_are_refused(connection: &mut PooledConnection) -> Result<(), Broken> {
    let outcome = connection.next_message().await;
    let refusal = outcome.as_ref().err().and_then(PoolError::find_in);
    ensure!(
        matches!(refusal, Some(PoolError::Unsupported { .. })),
        expected: "next_message to be refused as unsupported",
        seen: "{outcome:?}"
    );
    echo_on(connection, "still here").await
}

async fn tracking(trial: &Trial) -> Result<usize, Broken> {
    const COMMANDS: usize = 300;
    let server = trial.server().await?;
    let url = format!("redis://{}/0?protocol=resp3", server.address());
    let pool = trial.pool(trial.config(&url))?;
    let mut reader = pool.get().await?;
    let mut writer = pool.get().await?;
    let _: Value = cmd("CLIENT")
        .arg("TRACKING")
        .arg("ON")
        .query_async(&mut reader)
        .await?;
    for number in 0..COMMANDS {
        let _: () = cmd("SET")
            .arg("key")
            .arg(number)
            .query_async(&mut writer)
            .await?;
        let value: usize = cmd("GET").arg("key").query_async(&mut reader).await?;
        ensure!(value == number, expected: "the value {number}", seen: "{value}");
        echo_on(&mut reader, &format!("word {number}")).await?;
    }
    Ok(COMMANDS)
}
