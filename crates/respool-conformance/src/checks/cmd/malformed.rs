use std::time::{Duration, Instant};

use redis::{RedisError, RedisResult, Value, cmd, pipe};
use respool_core::{CloseReason, CommandError, Pool};
use respool_testserver::{Answer, Script, ScriptedServer};

use crate::check::ensure;
use crate::checks::way::Way;
use crate::trial::{eventually, within};
use crate::{Broken, Finding, Trial};

/// Long enough that no error comes from it, so that what ends a command is the bytes.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// More than the systems on both sides keep for a socket whose reader has stopped.
const BUFFERED: u64 = 32 << 20;

/// CMD-5: one malformed reply after another, on connections of one's own and through a client.
pub(crate) fn malformed_bytes_are_an_error_within_bounds(trial: &Trial) -> Finding {
    trial.block_on(async {
        for among in [Among::Nothing, Among::Others] {
            for (case, reply) in malformed_replies() {
                for way in Way::BOTH {
                    let case = format!("{case}{}, {}", among.as_str(), way.as_str());
                    is_an_error(trial, way, among, reply.clone())
                        .await
                        .map_err(|broken| broken.in_case(&case))?;
                }
            }
        }
        for way in Way::BOTH {
            too_few_replies(trial, way)
                .await
                .map_err(|broken| broken.in_case("one reply to a pipeline of two"))?;
            if trial.nature().speaks_the_contract {
                cut_short(trial, way)
                    .await
                    .map_err(|broken| broken.in_case("a reply that is cut short"))?;
            }
        }
        Ok("each was a protocol error, and the next command right".to_owned())
    })
}

/// What the command that gets a malformed reply is sent with.
#[derive(Clone, Copy)]
enum Among {
    Nothing,
    /// In a pipeline, after one that is answered well and before another.
    Others,
}

impl Among {
    fn as_str(self) -> &'static str {
        match self {
            Among::Nothing => "",
            Among::Others => " in a pipeline",
        }
    }

    async fn query(self, way: Way, pool: &Pool) -> RedisResult<Value> {
        match self {
            Among::Nothing => way.query(pool, cmd("GET").arg("key")).await,
            Among::Others => {
                let mut pipeline = pipe();
                pipeline.cmd("ECHO").arg("first").cmd("GET").arg("key");
                pipeline.cmd("ECHO").arg("last");
                way.query_pipeline(pool, &pipeline).await
            }
        }
    }
}

fn malformed_replies() -> Vec<(&'static str, Answer)> {
    let bytes = |bytes: &[u8]| Answer::Bytes(bytes.to_vec());
    let endless = |start: &[u8]| Answer::Endless(start.repeat((64 << 10) / start.len()));
    vec![
        ("no type of reply", bytes(b"?garbage\r\n")),
        ("a huge string", bytes(b"$9223372036854775807\r\n")),
        (
            "a string beyond 64 bits",
            bytes(b"$99999999999999999999\r\n"),
        ),
        ("a string of four GiB", bytes(b"$4294967296\r\n")),
        ("a huge array", bytes(b"*9223372036854775807\r\n")),
        ("an array of four billion", bytes(b"*4294967296\r\n")),
        ("a string of length -5", bytes(b"$-5\r\n")),
        ("an array of length -5", bytes(b"*-5\r\n")),
        ("a length that is none", bytes(b"$1x\r\n")),
        ("a string without CRLF", bytes(b"$3\r\nabcdef\r\n")),
        ("a map of two billion", bytes(b"%2147483647\r\n")),
        ("a number that is none", bytes(b":12a\r\n")),
        (
            "a number beyond 64 bits",
            bytes(b":9223372036854775808\r\n"),
        ),
        (
            "a line without an end",
            bytes(&[b"+".to_vec(), vec![b'a'; 8 << 20]].concat()),
        ),
        ("a line that goes on for ever", endless(b"+aaaaaaa")),
        // The last: these can end the process of whoever reads them by recursion.
        (
            "100,000 arrays in each other",
            bytes(&b"*1\r\n".repeat(100_000)),
        ),
        ("arrays in each other for ever", endless(b"*1\r\n")),
    ]
}

async fn is_an_error(trial: &Trial, way: Way, among: Among, reply: Answer) -> Result<(), Broken> {
    let server = ScriptedServer::start_with(Script::new().once("GET", reply)).await?;
    let mut config = trial.config(&server.url());
    config.response_timeout = Some(RESPONSE_TIMEOUT);
    let pool = trial.pool(config)?;
    let accepted = server.accepted();

    let started = Instant::now();
    let request = among.query(way, &pool);
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
    let sent = server.endless_bytes();
    ensure!(
        sent <= BUFFERED,
        expected: "an answer without an end to be refused within {BUFFERED} bytes",
        seen: "{sent} bytes"
    );
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

/// What ends too early is the network's fault, and nothing malformed: whoever looks for the cause would
/// look in the wrong place.
async fn cut_short(trial: &Trial, way: Way) -> Result<(), Broken> {
    for start in [
        &b"$5"[..],
        b"$5\r\nva",
        b"$5\r\nvalue\r",
        b"*2\r\n:1\r\n",
        b"+O",
    ] {
        let reply = Answer::BytesThenClose(start.to_vec());
        let server = ScriptedServer::start_with(Script::new().once("GET", reply)).await?;
        let pool = trial.pool(trial.config(&server.url()))?;
        let outcome: RedisResult<Value> = way.query(&pool, cmd("GET").arg("key")).await;
        let is_right = outcome.as_ref().is_err_and(|error| {
            let lost = CommandError::find_in(error).is_some_and(CommandError::was_lost);
            lost && !says_protocol(error)
        });
        ensure!(is_right, expected: "a lost connection", seen: "{outcome:?}");
        way.echo(&pool, "afterwards").await?;
    }
    Ok(())
}
