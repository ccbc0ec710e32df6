//! The engine against real servers, and against a scripted one where a real one can't show it on cue:
//! what the kit doesn't ask because other backends can't, or do it otherwise.

mod dialling;
mod dropped;
mod handshake;
mod messages;
mod pushes;
mod renewal;
mod reply_modes;
mod resize;
mod sizes;
mod transactions;
mod waiting;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use redis::{RedisResult, cmd};
use respool_core::{ConnectErrorKind, Pool, PoolConfig, PoolError, PooledConnection};

/// Far longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The settings of `url`, with limits that nothing runs into.
fn config(url: &str, max_size: usize) -> PoolConfig {
    let mut config = PoolConfig::from_url(url).unwrap();
    config.max_size = max_size;
    config.get_timeout = Some(PATIENCE);
    config.response_timeout = Some(PATIENCE);
    config
}

fn pool_of(url: &str, max_size: usize) -> Pool {
    pool(config(url, max_size))
}

fn pool(config: PoolConfig) -> Pool {
    (respool_native::BACKEND.build)(config).unwrap()
}

/// The server's number for a connection.
async fn id_of(connection: &mut PooledConnection) -> u64 {
    cmd("CLIENT")
        .arg("ID")
        .query_async(connection)
        .await
        .unwrap()
}

async fn echo(connection: &mut PooledConnection, word: &str) -> RedisResult<String> {
    cmd("ECHO").arg(word).query_async(connection).await
}

/// Why no connection could be had, where trying again was no use.
fn refusal(outcome: Result<PooledConnection, PoolError>) -> ConnectErrorKind {
    match outcome {
        Err(PoolError::Connect { source, .. }) => source.kind(),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let happens = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, happens).await.unwrap();
}

/// Polls `future` once, which must not end by that.
async fn begin<F: Future>(future: Pin<&mut F>) {
    let mut future = Some(future);
    poll_fn(|context| match future.take().map(|it| it.poll(context)) {
        Some(Poll::Ready(_)) => panic!("it ended at once"),
        _ => Poll::Ready(()),
    })
    .await;
}
