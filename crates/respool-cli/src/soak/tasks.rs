use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;

use super::operations::perform;
use super::state::State;
use super::trouble::Trouble;

/// One task: operation after operation, some cancelled, until the run ends.
pub(super) async fn work(state: Arc<State>, mut rng: Rng) {
    while !state.is_stopped() {
        let _busy = state.quiet.read().await;
        let forecast = state.forecast();
        let outcome = attempt(&state, &mut rng).await;
        state.operations.fetch_add(1, Ordering::Relaxed);
        if let Err(trouble) = outcome {
            let Trouble { kind, text, .. } = &trouble;
            if !trouble.is_expected {
                state.breach(format!("an error of the wrong kind ({kind}): {text}"));
            } else if state.stayed_calm(forecast) {
                state.breach(format!(
                    "an error though no fault was near ({kind}): {text}"
                ));
            }
            state.count_error(trouble.kind);
        }
    }
}

/// One operation, in one of the ways in which it may be given up.
async fn attempt(state: &Arc<State>, rng: &mut Rng) -> Result<(), Trouble> {
    let patience = Duration::from_micros(rng.u64(..3000));
    let mut own = rng.fork();
    let outcome = match rng.u8(..10) {
        0 => tokio::time::timeout(patience, perform(state, &mut own))
            .await
            .ok(),
        1 => tokio::select! {
            outcome = perform(state, &mut own) => Some(outcome),
            () = yield_often(rng.u8(..20)) => None,
        },
        2 => {
            let shared = state.clone();
            let task = tokio::spawn(async move { perform(&shared, &mut own).await });
            tokio::time::sleep(patience).await;
            task.abort();
            match task.await {
                Ok(outcome) => Some(outcome),
                Err(error) if error.is_cancelled() => None,
                Err(error) => {
                    state.breach(format!("an operation panicked: {error}"));
                    None
                }
            }
        }
        _ => Some(perform(state, &mut own).await),
    };
    outcome.unwrap_or_else(|| {
        state.cancelled.fetch_add(1, Ordering::Relaxed);
        Ok(())
    })
}

async fn yield_often(times: u8) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}
