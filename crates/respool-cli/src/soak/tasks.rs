use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;

use super::operations::perform;
use super::sharing::Sharer;
use super::state::State;
use super::trouble::Trouble;

/// What a task does, again and again.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// A bit of everything.
    Mixed,
    /// What those do who share one client.
    Shared(Arc<Sharer>),
}

impl Work {
    async fn perform(&self, state: &State, rng: &mut Rng) -> Result<(), Trouble> {
        match self {
            Work::Mixed => perform(state, rng).await,
            Work::Shared(sharer) => sharer.perform(state, rng).await,
        }
    }
}

/// One task: operation after operation, some cancelled, until the run ends.
pub(super) async fn run(work: Work, state: Arc<State>, mut rng: Rng) {
    while !state.is_stopped() {
        let _busy = state.quiet.read().await;
        let forecast = state.forecast();
        let outcome = attempt(&work, &state, &mut rng).await;
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
async fn attempt(work: &Work, state: &Arc<State>, rng: &mut Rng) -> Result<(), Trouble> {
    let patience = Duration::from_micros(rng.u64(..3000));
    let mut own = rng.fork();
    let outcome = match rng.u8(..10) {
        0 => tokio::time::timeout(patience, work.perform(state, &mut own))
            .await
            .ok(),
        1 => tokio::select! {
            outcome = work.perform(state, &mut own) => Some(outcome),
            () = yield_often(rng.u8(..20)) => None,
        },
        2 => {
            let (work, state_too) = (work.clone(), state.clone());
            let task = tokio::spawn(async move { work.perform(&state_too, &mut own).await });
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
        _ => Some(work.perform(state, &mut own).await),
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
