//! Callers of `get` who give up, in every way that a future can be given up.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use fastrand::Rng;
use respool_core::{Pool, PooledConnection};

/// Calls `get` and gives up: before the first poll, after it, after a few turns of the scheduler,
/// or by a time-out of up to `patience`. Now and then it has its connection first.
pub(crate) async fn get_and_give_up(
    pool: &Pool,
    random: &mut Rng,
    patience: Duration,
) -> Option<PooledConnection> {
    match random.u8(0..8) {
        0 => {
            drop(pool.get());
            None
        }
        1..4 => poll_times(pool, 1).await,
        4..7 => poll_times(pool, random.usize(2..6)).await,
        _ => {
            let patience = patience.mul_f64(random.f64());
            let outcome = tokio::time::timeout(patience, pool.get()).await;
            outcome.ok()?.ok()
        }
    }
}

/// Polls a `get` this often at most, with a turn of the scheduler after each, and drops it.
async fn poll_times(pool: &Pool, times: usize) -> Option<PooledConnection> {
    let mut get = pin!(pool.get());
    for _ in 0..times {
        let polled = poll_fn(|context| Poll::Ready(get.as_mut().poll(context))).await;
        if let Poll::Ready(outcome) = polled {
            return outcome.ok();
        }
        tokio::task::yield_now().await;
    }
    None
}
