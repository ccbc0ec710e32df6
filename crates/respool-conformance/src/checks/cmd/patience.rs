use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use fastrand::Rng;
use tokio::task::yield_now;

/// How long somebody waits before giving up.
pub(crate) enum Patience {
    /// Dropped before the first poll.
    None,
    Polls(usize),
    /// Polled again and again for so long: finer than the timer's milliseconds.
    Spin(Duration),
    Limit(Duration),
    Endless,
}

impl Patience {
    pub(crate) fn draw(random: &mut Rng) -> Self {
        match random.u8(0..20) {
            0 => Patience::None,
            1 | 2 => Patience::Polls(1),
            3..5 => Patience::Polls(random.usize(2..10)),
            5..8 => Patience::Spin(Duration::from_micros(random.u64(0..1_000))),
            8..10 => Patience::Limit(Duration::from_millis(random.u64(1..10))),
            _ => Patience::Endless,
        }
    }

    pub(crate) async fn wait_for<F: Future>(self, future: F) -> Option<F::Output> {
        match self {
            Patience::None => {
                drop(future);
                None
            }
            Patience::Polls(polls) => {
                let mut left = polls;
                poll_while(future, || {
                    left -= 1;
                    left > 0
                })
                .await
            }
            Patience::Spin(duration) => {
                let started = Instant::now();
                poll_while(future, || started.elapsed() < duration).await
            }
            Patience::Limit(limit) => tokio::time::timeout(limit, future).await.ok(),
            Patience::Endless => Some(future.await),
        }
    }
}

/// Polls once, and again after a turn of the scheduler as long as `goes_on`.
async fn poll_while<F: Future>(future: F, mut goes_on: impl FnMut() -> bool) -> Option<F::Output> {
    let mut future = pin!(future);
    loop {
        let polled = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
        match polled {
            Poll::Ready(output) => return Some(output),
            Poll::Pending if goes_on() => yield_now().await,
            Poll::Pending => return None,
        }
    }
}
