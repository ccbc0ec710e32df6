//! What a task does with the pool, and how it checks each reply.

use std::time::Duration;

use fastrand::Rng;
use respool::redis::aio::ConnectionLike;
use respool::redis::{cmd, pipe};

use super::state::State;
use super::trouble::Trouble;
use super::value::{excerpt, value_of, version_of};

/// Does one thing, decided by `rng`. A wrong reply is a breach at once, so that it counts even if
/// the operation is cancelled after it.
pub(super) async fn perform(state: &State, rng: &mut Rng) -> Result<(), Trouble> {
    match rng.u8(..100) {
        0..40 => {
            let mut connection = state.pool.get().await?;
            for _ in 0..rng.usize(1..=3) {
                command(state, &mut connection, rng).await?;
            }
        }
        40..70 => command(state, &mut state.pool.client(), rng).await?,
        70..76 => transaction(state, &mut state.pool.client(), rng).await?,
        76..82 => transaction(state, &mut state.pool.get().await?, rng).await?,
        82..90 => {
            if let Some(mut connection) = state.pool.try_get() {
                command(state, &mut connection, rng).await?;
            }
        }
        90..93 if state.pool.capabilities().detach => {
            let connection = state.pool.get().await?;
            let _kept = state.detached.keep();
            let mut connection = connection.detach()?;
            // A plain connection has no time-out of its own. That it failed is no matter of the pool.
            let used = echo(state, &mut connection, rng);
            let _ = tokio::time::timeout(Duration::from_secs(1), used).await;
            drop(connection);
        }
        93..97 => pop(state, &mut state.pool.client(), rng).await?,
        _ => pop(state, &mut state.pool.get().await?, rng).await?,
    }
    Ok(())
}

/// Whether the connection gives each reply to its own request.
pub(super) async fn echo(
    state: &State,
    connection: &mut impl ConnectionLike,
    rng: &mut Rng,
) -> Result<(), Trouble> {
    let sent = value_of("echo", rng.u64(..), 40);
    let reply: Vec<u8> = cmd("ECHO").arg(&sent).query_async(connection).await?;
    expect(state, "ECHO", reply == sent, &excerpt(&sent), &reply);
    Ok(())
}

async fn command(
    state: &State,
    connection: &mut impl ConnectionLike,
    rng: &mut Rng,
) -> Result<(), Trouble> {
    let (key, size) = key_and_size(rng);
    match rng.u8(..4) {
        0 => echo(state, connection, rng).await?,
        1 => {
            let value = value_of(&key, rng.u64(..), size);
            let mut set = cmd("SET");
            let reply: String = set.arg(&key).arg(value).query_async(connection).await?;
            expect(state, "SET", reply == "OK", "OK", reply.as_bytes());
        }
        2 => {
            let reply: Option<Vec<u8>> = cmd("GET").arg(&key).query_async(connection).await?;
            expect_own(state, "GET", &key, reply.as_deref());
        }
        _ => {
            let token = value_of("echo", rng.u64(..), 40);
            let mut pipeline = pipe();
            pipeline
                .cmd("SET")
                .arg(&key)
                .arg(value_of(&key, rng.u64(..), size))
                .ignore();
            pipeline.cmd("GET").arg(&key).cmd("ECHO").arg(&token);
            let (read, echoed): (Option<Vec<u8>>, Vec<u8>) =
                pipeline.query_async(connection).await?;
            expect_own(state, "GET in a pipeline", &key, read.as_deref());
            let is_own = echoed == token;
            expect(
                state,
                "ECHO in a pipeline",
                is_own,
                &excerpt(&token),
                &echoed,
            );
        }
    }
    Ok(())
}

async fn transaction(
    state: &State,
    connection: &mut impl ConnectionLike,
    rng: &mut Rng,
) -> Result<(), Trouble> {
    let (key, size) = key_and_size(rng);
    let value = value_of(&key, rng.u64(..), size);
    let mut pipeline = pipe();
    pipeline.atomic();
    pipeline.cmd("SET").arg(&key).arg(&value).ignore();
    pipeline.cmd("GET").arg(&key);
    let (read,): (Vec<u8>,) = pipeline.query_async(connection).await?;
    let wanted = excerpt(&value);
    expect(state, "GET in a transaction", read == value, &wanted, &read);
    Ok(())
}

/// Mostly given up: with elements there is something to lose, without it waits at the server.
async fn pop(
    state: &State,
    connection: &mut impl ConnectionLike,
    rng: &mut Rng,
) -> Result<(), Trouble> {
    let key = format!("soak:list:{}", rng.u8(..4));
    if rng.u8(..3) == 0 {
        let value = value_of(&key, rng.u64(..), 40);
        cmd("RPUSH")
            .arg(&key)
            .arg(value)
            .query_async::<i64>(connection)
            .await?;
    }
    let mut pop = cmd("BLPOP");
    pop.arg(&key).arg("0.2");
    let popped = pop.query_async::<Option<(String, Vec<u8>)>>(connection);
    let limit = Duration::from_millis(rng.u64(..40));
    if let Ok(reply) = tokio::time::timeout(limit, popped).await
        && let Some((list, value)) = reply?
    {
        expect(state, "BLPOP", list == key, &key, list.as_bytes());
        expect_own(state, "BLPOP", &key, Some(&value));
    }
    Ok(())
}

fn key_and_size(rng: &mut Rng) -> (String, usize) {
    match rng.u16(..500) {
        0 => ("soak:huge".to_owned(), 1 << 20),
        1..10 => (format!("soak:large:{}", rng.u8(..4)), 100 << 10),
        _ => (format!("soak:{}", rng.u8(..)), rng.usize(..200)),
    }
}

pub(super) fn expect_own(state: &State, what: &str, key: &str, value: Option<&[u8]>) {
    if let Some(value) = value {
        expect(
            state,
            what,
            version_of(key, value).is_some(),
            &format!("a value of {key}"),
            value,
        );
    }
}

pub(super) fn expect(state: &State, what: &str, is_right: bool, wanted: &str, reply: &[u8]) {
    if !is_right {
        let seen = excerpt(reply);
        state.breach(format!(
            "wrong reply to {what}: expected {wanted}, got {seen}"
        ));
    }
}
