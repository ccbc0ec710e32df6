//! How a holder may send what changes its session.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisError, Value};
use respool_core::{Pool, PoolError, PooledConnection};

use super::sessions::{Change, Words};
use crate::Broken;

#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    OneByOne,
    InAPipeline,
    /// The same through a shared client, which may have sent it over a connection that others share.
    InAClientsPipeline,
    /// Each command is given up after its first poll, when it may have been sent.
    Cancelled,
}

impl Way {
    pub(super) const ALL: [Way; 4] = [
        Way::OneByOne,
        Way::InAPipeline,
        Way::InAClientsPipeline,
        Way::Cancelled,
    ];

    /// Changes the session of a connection, and leaves it to the pool. `Some` says who refused.
    pub(super) async fn make(self, change: &Change, pool: &Pool) -> Result<Option<String>, Broken> {
        let outcome = match self {
            Way::OneByOne => one_by_one(change, &mut pool.get().await?).await,
            Way::InAPipeline => in_a_pipeline(change, &mut pool.get().await?).await,
            Way::InAClientsPipeline => in_a_pipeline(change, &mut pool.client()).await,
            Way::Cancelled => {
                cancelled(change, &mut pool.get().await?).await;
                Ok(())
            }
        };
        match outcome {
            Ok(()) => Ok(None),
            Err(error) => refusal(&error),
        }
    }
}

async fn one_by_one(
    change: &Change,
    connection: &mut (impl ConnectionLike + Send),
) -> Result<(), RedisError> {
    for command in commands(change) {
        command.query_async::<Value>(connection).await?;
    }
    atomically(change, connection).await
}

/// One without replies can't be in a pipeline, which waits for them.
async fn in_a_pipeline(
    change: &Change,
    connection: &mut (impl ConnectionLike + Send),
) -> Result<(), RedisError> {
    if !change.has_reply {
        return one_by_one(change, connection).await;
    }
    let mut pipeline = Pipeline::new();
    for command in commands(change) {
        pipeline.add_command(command);
    }
    pipeline.query_async::<Value>(connection).await?;
    atomically(change, connection).await
}

async fn atomically(
    change: &Change,
    connection: &mut (impl ConnectionLike + Send),
) -> Result<(), RedisError> {
    match atomic_pipeline(change) {
        Some(pipeline) => pipeline.query_async::<Value>(connection).await.map(drop),
        None => Ok(()),
    }
}

async fn cancelled(change: &Change, connection: &mut PooledConnection) {
    for command in commands(change) {
        give_up(command.query_async::<Value>(connection)).await;
    }
    if let Some(pipeline) = atomic_pipeline(change) {
        give_up(pipeline.query_async::<Value>(connection)).await;
    }
}

pub(super) async fn give_up(request: impl Future) {
    let mut request = pin!(request);
    poll_fn(|context| Poll::Ready(request.as_mut().poll(context).is_ready())).await;
}

fn commands(change: &Change) -> impl Iterator<Item = Cmd> {
    change.commands.iter().map(|words| {
        let mut command = command(words);
        command.set_no_response(!change.has_reply);
        command
    })
}

fn atomic_pipeline(change: &Change) -> Option<Pipeline> {
    if change.atomically.is_empty() {
        return None;
    }
    let mut pipeline = Pipeline::new();
    pipeline.atomic();
    for words in change.atomically {
        pipeline.add_command(command(words));
    }
    Some(pipeline)
}

fn command(words: Words) -> Cmd {
    let mut command = Cmd::new();
    command.arg(words);
    command
}

fn refusal(error: &RedisError) -> Result<Option<String>, Broken> {
    match PoolError::find_in(error) {
        Some(PoolError::Unsupported { .. }) => Ok(Some("by the pool".to_owned())),
        Some(other) => Err(Broken::new("a reply", other.to_string())),
        None if error.code().is_some() => Ok(Some(format!("by the server: {error}"))),
        // Losing the reply is the holder's own doing.
        None => Ok(None),
    }
}
