use std::time::{Duration, Instant};

use redis::{RedisError, Value, cmd, pipe};
use respool_core::{CloseReason, CommandError};
use respool_testserver::{Answer, Script, ScriptedServer};

use crate::check::ensure;
use crate::checks::way::Way;
use crate::trial::{eventually, within};
use crate::{Broken, Finding, Trial};

/// Long enough that no error comes from it, so that what ends a command is the bytes.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// CMD-5: one malformed reply after another, on connections of one's own and through a client.
pub(crate) fn malformed_bytes_are_an_error_within_bounds(trial: &Trial) -> Finding {
    trial.block_on(async {
        for (case, reply) in malformed_replies() {
            for way in Way::BOTH {
                is_an_error(trial, way, reply.clone())
                    .await
                    .map_err(|broken| broken.in_case(&format!("{case}, {}", way.as_str())))?;
            }
        }
        for way in Way::BOTH {
            too_few_replies(trial, way)
                .await
                .map_err(|broken| broken.in_case("one reply to a pipeline of two"))?;
        }
        Ok("each was a protocol error, and the next command right".to_owned())
    })
}

fn malformed_replies() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("no type of reply", b"?garbage\r\n".to_vec()),
        ("a huge string", b"$9223372036854775807\r\n".to_vec()),
        ("a string of four GiB", b"$4294967296\r\n".to_vec()),
        ("a huge array", b"*9223372036854775807\r\n".to_vec()),
        ("an array of four billion", b"*4294967296\r\n".to_vec()),
        ("a string of length -5", b"$-5\r\n".to_vec()),
        ("an array of length -5", b"*-5\r\n".to_vec()),
        ("a string without CRLF", b"$3\r\nabcdef\r\n".to_vec()),
        ("a map of two billion", b"%2147483647\r\n".to_vec()),
        ("a number that is none", b":12a\r\n".to_vec()),
        (
            "a line without an end",
            [b"+".to_vec(), vec![b'a'; 8 << 20]].concat(),
        ),
        // The last: it can end the process of whoever reads it by recursion.
        ("100,000 arrays in each other", b"*1\r\n".repeat(100_000)),
    ]
}

async fn is_an_error(trial: &Trial, way: Way, reply: Vec<u8>) -> Result<(), Broken> {
    let server =
        ScriptedServer::start_with(Script::new().once("GET", Answer::Bytes(reply))).await?;
    let mut config = trial.config(&server.url());
    config.response_timeout = Some(RESPONSE_TIMEOUT);
    let pool = trial.pool(config)?;
    let accepted = server.accepted();

    let started = Instant::now();
    let mut get = cmd("GET");
    let request = way.query::<Value>(&pool, get.arg("key"));
    let outcome = within(RESPONSE_TIMEOUT * 2, "the command to end", request).await?;
    let is_right = outcome.as_ref().is_err_and(|error| {
        if pool.is_bare() {
            return true;
        }
        let perhaps = CommandError::find_in(error).map(CommandError::may_have_been_executed);
        says_protocol(error) && perhaps == Some(true)
    });
    ensure!(
        is_right && started.elapsed() < RESPONSE_TIMEOUT,
        expected: "a protocol error of a command that may have been executed",
        seen: "{outcome:?} after {:?}", started.elapsed()
    );

    if pool.is_bare() {
        let works = async || way.echo(&pool, "afterwards").await.is_ok();
        return eventually(RESPONSE_TIMEOUT, "it to work again afterwards", works).await;
    }
    way.echo(&pool, "afterwards").await?;
    let accepted = server.accepted() - accepted;
    let broken = pool.status().closed.of(CloseReason::Broken);
    ensure!(
        accepted == 2 && broken == 1,
        expected: "a second connection after the first was closed as broken",
        seen: "{accepted} connections, {broken} closed as broken"
    );
    server.wait_until_open(1).await;
    Ok(())
}

pub(super) fn says_protocol(error: &RedisError) -> bool {
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        if error.to_string().contains("protocol") {
            return true;
        }
        next = error.source();
    }
    false
}

/// Nothing tells that a reply won't come, but time.
async fn too_few_replies(trial: &Trial, way: Way) -> Result<(), Broken> {
    let server = ScriptedServer::start_with(Script::new().once("GET", Answer::Silence)).await?;
    let mut config = trial.config(&server.url());
    config.response_timeout = Some(Duration::from_millis(300));
    let pool = trial.pool(config)?;
    let mut pipeline = pipe();
    pipeline.cmd("ECHO").arg("first").cmd("GET").arg("key");
    let outcome = way.query_pipeline::<Vec<Value>>(&pool, &pipeline).await;
    let timed_out = outcome.as_ref().is_err_and(RedisError::is_timeout);
    ensure!(timed_out, expected: "a time-out", seen: "{outcome:?}");
    way.echo(&pool, "afterwards").await
}
