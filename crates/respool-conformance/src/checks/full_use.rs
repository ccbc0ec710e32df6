//! Proof that a pool has lost nothing: all of its connections can be held at once.

use std::time::Duration;

use redis::cmd;
use respool_core::{Pool, PooledConnection};

use crate::Broken;
use crate::trial::{eventually, within};

const PATIENCE: Duration = Duration::from_secs(5);

/// Takes `max_size` connections, each of which answers.
pub(crate) async fn hold_all(pool: &Pool) -> Result<Vec<PooledConnection>, Broken> {
    hold(pool, Answer::Needed).await
}

/// The same for what is about slots alone: in somebody else's pool, or one that can't see that its
/// connections have ended, one that holds a slot may be of no use any more, which is for LIFE-1 to say.
pub(crate) async fn hold_all_slots(pool: &Pool) -> Result<Vec<PooledConnection>, Broken> {
    match !pool.is_bare() && pool.capabilities().sees_closed_sockets {
        true => hold(pool, Answer::Needed).await,
        false => hold(pool, Answer::NotNeeded).await,
    }
}

#[derive(PartialEq, Eq)]
enum Answer {
    Needed,
    NotNeeded,
}

async fn hold(pool: &Pool, answer: Answer) -> Result<Vec<PooledConnection>, Broken> {
    let max_size = pool.config().max_size;
    let mut held = Vec::new();
    for number in 1..=max_size {
        let what = format!("connection {number} of {max_size} to be had");
        let outcome = within(PATIENCE, &what, pool.get_within(Some(PATIENCE))).await?;
        let mut connection = outcome.map_err(|error| Broken::new(what, error.to_string()))?;
        let pong = cmd("PING").query_async::<String>(&mut connection).await;
        if answer == Answer::Needed {
            pong?;
        }
        held.push(connection);
    }
    Ok(held)
}

/// Waits until nobody holds, opens or waits for a connection, as the pool shows itself.
pub(crate) async fn come_to_rest(pool: &Pool) -> Result<(), Broken> {
    eventually(PATIENCE, "the status to be at rest", async || {
        pool.status().is_at_rest()
    })
    .await
    .map_err(|broken| Broken::new(broken.expected, pool.status().to_string()))
}

/// All connections can be held at once, and afterwards the status is at rest.
pub(crate) async fn lost_nothing(pool: &Pool) -> Result<(), Broken> {
    drop(hold_all_slots(pool).await?);
    come_to_rest(pool).await
}
