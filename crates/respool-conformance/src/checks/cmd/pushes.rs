use redis::{RedisResult, Value, cmd, pipe};
use respool_testserver::{Answer, Script, ScriptedServer};

use super::malformed::says_protocol;
use crate::check::ensure;
use crate::checks::way::{Way, echo_on};
use crate::{Broken, Finding, Trial};

const PUSH: &[u8] = b">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nkey\r\n";
const UNASKED: &[u8] = b"$7\r\nunasked\r\n";

/// CMD-6: what a server says of its own accord, pushed or as a reply to nothing.
pub(crate) fn pushed_messages_shift_nothing(trial: &Trial) -> Finding {
    trial.block_on(async {
        for way in Way::BOTH {
            around_replies(trial, way)
                .await
                .map_err(|broken| broken.in_case("pushes around replies"))?;
            glued_to_a_reply(trial, way)
                .await
                .map_err(|broken| broken.in_case("two replies to one command"))?;
            while_idle(trial, way)
                .await
                .map_err(|broken| broken.in_case("a reply while nobody asks"))?;
        }
        while_held(trial)
            .await
            .map_err(|broken| broken.in_case("a reply to a connection that is held"))?;
        let tracked = tracking(trial)
            .await
            .map_err(|broken| broken.in_case("CLIENT TRACKING on a real server"))?;
        Ok(format!(
            "{tracked} commands among invalidations had their own replies"
        ))
    })
}

fn in_resp3(script: Script) -> Script {
    script.on("HELLO", Answer::Bytes(b"%1\r\n+proto\r\n:3\r\n".to_vec()))
}

async fn around_replies(trial: &Trial, way: Way) -> Result<(), Broken> {
    let reply = [PUSH, b"$5\r\nvalue\r\n", PUSH, PUSH].concat();
    let script = in_resp3(Script::new().on("GET", Answer::Bytes(reply)));
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
    let reply = [b"$5\r\nvalue\r\n", UNASKED].concat();
    let script = Script::new().on("GET", Answer::Bytes(reply));
    let server = ScriptedServer::start_with(script).await?;
    let pool = trial.pool(trial.config(&server.url()))?;
    for number in 0..20 {
        let outcome: RedisResult<String> = way.query(&pool, cmd("GET").arg("key")).await;
        let is_right = match &outcome {
            Ok(value) => value == "value",
            Err(error) => says_protocol(error),
        };
        ensure!(is_right, expected: "its own reply, or an error", seen: "{outcome:?}");
        let word = format!("word {number}");
        let outcome: RedisResult<String> = way.query(&pool, cmd("ECHO").arg(&word)).await;
        ensure_never_anothers(&outcome, &word)?;
    }
    Ok(())
}

async fn while_idle(trial: &Trial, way: Way) -> Result<(), Broken> {
    let server = ScriptedServer::start().await?;
    let pool = trial.pool(trial.config(&server.url()))?;
    for number in 0..20 {
        way.echo(&pool, "before").await?;
        server.say(UNASKED).await;
        let word = format!("word {number}");
        let outcome: RedisResult<String> = way.query(&pool, cmd("ECHO").arg(&word)).await;
        ensure_never_anothers(&outcome, &word)?;
    }
    Ok(())
}

async fn while_held(trial: &Trial) -> Result<(), Broken> {
    let server = ScriptedServer::start().await?;
    let pool = trial.pool(trial.config(&server.url()))?;
    for number in 0..20 {
        let mut connection = pool.get().await?;
        echo_on(&mut connection, "before").await?;
        server.say(UNASKED).await;
        let word = format!("word {number}");
        let outcome = cmd("ECHO").arg(&word).query_async(&mut connection).await;
        ensure_never_anothers(&outcome, &word)?;
    }
    Ok(())
}

fn ensure_never_anothers(outcome: &RedisResult<String>, word: &str) -> Result<(), Broken> {
    let is_right = match outcome {
        Ok(reply) => reply == word,
        Err(error) => says_protocol(error),
    };
    ensure!(is_right, expected: "the reply {word:?} or a protocol error", seen: "{outcome:?}");
    Ok(())
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
