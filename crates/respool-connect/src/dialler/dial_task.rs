use std::sync::Arc;

use tokio::runtime::Id;

use super::{Answer, Dial, Shared};

/// A task that dials, from its spawning to its end, however that comes.
pub(super) struct DialTask<D: Dial> {
    pub(super) shared: Arc<Shared<D>>,
    pub(super) home: Id,
}

impl<D: Dial> DialTask<D> {
    pub(super) async fn run(self) {
        let shared = &self.shared;
        loop {
            let retry_at = shared.state().retry_at;
            if let Some(retry_at) = retry_at {
                tokio::time::sleep_until(retry_at.into()).await;
            }
            if !self.is_wanted() {
                return;
            }
            match shared.dial_once().await {
                Ok(link) => {
                    shared.succeeded();
                    shared.deliver(link);
                    return;
                }
                Err(error) => {
                    let permanent = error.is_permanent();
                    shared.failed(&error);
                    let others_try = shared.state().dialling(self.home) > 1;
                    if permanent {
                        shared.answer_all(None, || Answer::Failed(error.clone()));
                        return;
                    }
                    if others_try {
                        return;
                    }
                }
            }
        }
    }

    /// Whether anybody on this runtime still asks.
    fn is_wanted(&self) -> bool {
        let mut state = self.shared.state();
        !state.closed && state.asking(self.home) > 0
    }
}

impl<D: Dial> Drop for DialTask<D> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        let dialling = match state.dialling.get_mut(&self.home) {
            Some(count) => {
                *count -= 1;
                *count
            }
            None => 0,
        };
        if dialling == 0 {
            state.dialling.remove(&self.home);
        }
        // Whoever still asks there starts another, if that runtime still is.
        let abandoned = dialling < state.asking(self.home) && !state.closed;
        drop(state);
        if abandoned {
            self.shared.answer_all(Some(self.home), || Answer::AskAgain);
        }
    }
}
