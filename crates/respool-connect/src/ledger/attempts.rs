use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// How long somebody waits before he asks whether those who are in his way are being polled at all.
const ASK_AFTER: Duration = Duration::from_millis(50);

/// How long a runtime may take to run a task of no work before it is taken to be driven by nobody. One
/// that was only busy loses an attempt by it, and makes another.
const ANSWER_WITHIN: Duration = Duration::from_millis(250);

/// What is under way in tasks of ours, on runtimes that may be left meanwhile: others can give it up in
/// their place, with all that it has taken.
#[derive(Default)]
pub(super) struct Attempts {
    under_way: Mutex<Vec<UnderWay>>,
    noted: Notify,
    /// When somebody last began to ask.
    asked: Mutex<Option<Instant>>,
}

struct UnderWay {
    runtime: Handle,
    attempt: Weak<dyn GiveUp>,
}

trait GiveUp: Send + Sync {
    /// Drops it unless it is being polled at this moment, and says whether it has ended.
    fn give_up(&self) -> bool;
}

struct Attempt<F>(Mutex<Running<F>>);

struct Running<F> {
    /// `None` once it was given up.
    future: Option<Pin<Box<F>>>,
    /// Whoever made it, to hear of that.
    maker: Option<Waker>,
}

impl<F: Future + Send> GiveUp for Attempt<F> {
    fn give_up(&self) -> bool {
        let mut running = match self.0.try_lock() {
            Ok(running) => running,
            Err(TryLockError::Poisoned(running)) => running.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        let given_up = (running.future.take(), running.maker.take());
        drop(running);
        drop(given_up.0);
        if let Some(maker) = given_up.1 {
            maker.wake();
        }
        true
    }
}

/// A task of no work, on a runtime that may not run it.
struct Question {
    runtime: Id,
    task: AbortHandle,
}

impl Question {
    fn to(runtime: &Handle) -> Self {
        Question {
            runtime: runtime.id(),
            task: runtime.spawn(async {}).abort_handle(),
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Attempts {
    /// Makes an attempt that others may give up: then there is no outcome. Dropping the future gives up,
    /// too.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub(super) async fn make<F>(&self, attempt: F) -> Option<F::Output>
    where
        F: Future + Send + 'static,
    {
        let attempt = Arc::new(Attempt(Mutex::new(Running {
            future: Some(Box::pin(attempt)),
            maker: None,
        })));
        let weak: Weak<Attempt<F>> = Arc::downgrade(&attempt);
        self.note(Handle::current(), weak);
        let outcome = poll_fn(|context| {
            let mut running = attempt.0.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(future) = &mut running.future else {
                return Poll::Ready(None);
            };
            let outcome = future.as_mut().poll(context).map(Some);
            match &mut running.maker {
                Some(maker) => maker.clone_from(context.waker()),
                maker => *maker = Some(context.waker().clone()),
            }
            outcome
        });
        outcome.await
    }

    fn note(&self, runtime: Handle, attempt: Weak<dyn GiveUp>) {
        let mut under_way = self.under_way();
        under_way.retain(|it| it.attempt.strong_count() > 0);
        under_way.push(UnderWay { runtime, attempt });
        drop(under_way);
        self.noted.notify_waiters();
    }

    /// Gives up those whose runtime is driven by nobody, again and again. Never ends; dropping it changes
    /// nothing.
    pub(super) async fn give_up_those_left(&self) {
        loop {
            let noted = self.noted.notified();
            if self.all().is_empty() {
                noted.await;
            }
            tokio::time::sleep(ASK_AFTER).await;
            if !self.is_to_ask() {
                tokio::time::sleep(ANSWER_WITHIN).await;
                continue;
            }
            let asked = self.all();
            // A runtime answers for all that is under way on it.
            let mut questions: Vec<Question> = Vec::new();
            for (runtime, _) in &asked {
                if questions.iter().all(|it| it.runtime != runtime.id()) {
                    questions.push(Question::to(runtime));
                }
            }
            tokio::time::sleep(ANSWER_WITHIN).await;
            questions.retain(|question| !question.task.is_finished());
            for (runtime, attempt) in asked {
                let is_left = questions.iter().any(|it| it.runtime == runtime.id());
                if let Some(attempt) = attempt.upgrade().filter(|_| is_left)
                    && attempt.give_up()
                {
                    tracing::debug!("gave up for a runtime that nobody drives");
                }
            }
        }
    }

    /// Whether nobody asks already, of many who wait. Who began to may be polled no more.
    fn is_to_ask(&self) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_asking = asked.is_some_and(|at| now < at + ASK_AFTER + ANSWER_WITHIN);
        if !is_asking {
            *asked = Some(now);
        }
        !is_asking
    }

    fn all(&self) -> Vec<(Handle, Weak<dyn GiveUp>)> {
        let mut under_way = self.under_way();
        under_way.retain(|it| it.attempt.strong_count() > 0);
        let all = under_way.iter();
        all.map(|it| (it.runtime.clone(), it.attempt.clone()))
            .collect()
    }

    /// Gives up all of them.
    pub(super) fn give_up_all(&self) {
        // Dropped with nothing locked.
        let all = std::mem::take(&mut *self.under_way());
        for it in all {
            if let Some(attempt) = it.attempt.upgrade() {
                attempt.give_up();
            }
        }
    }

    fn under_way(&self) -> MutexGuard<'_, Vec<UnderWay>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::runtime::{Builder, Runtime};
    use tokio::sync::oneshot;
    use tokio::time::timeout;

    const LONG: Duration = Duration::from_secs(10);

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    /// An attempt that nobody ends, in a task; the receiver hears of its end.
    fn start(runtime: &Runtime, attempts: &Arc<Attempts>) -> oneshot::Receiver<()> {
        let (held, ended) = oneshot::channel();
        let attempts = attempts.clone();
        runtime.spawn(async move {
            let attempt = async move {
                let _held = held;
                pending::<()>().await;
            };
            attempts.make(attempt).await
        });
        runtime.block_on(tokio::task::yield_now());
        ended
    }

    #[test]
    fn what_was_left_is_given_up_with_all_that_it_holds_and_what_is_driven_is_not() {
        let attempts = Arc::new(Attempts::default());
        let (left, other) = (runtime(), runtime());
        let one = start(&left, &attempts);
        let two = start(&other, &attempts);
        other.block_on(async {
            tokio::select! {
                ended = timeout(LONG, one) => assert!(ended.unwrap().is_err()),
                () = attempts.give_up_those_left() => {}
            }
            tokio::select! {
                _ = two => panic!("its runtime is driven"),
                () = attempts.give_up_those_left() => {}
                () = tokio::time::sleep(3 * (ASK_AFTER + ANSWER_WITHIN)) => {}
            }
        });
    }

    #[test]
    fn who_comes_back_hears_that_there_is_no_outcome() {
        let attempts = Arc::new(Attempts::default());
        let runtime = runtime();
        let user = attempts.clone();
        let task = runtime.spawn(async move { user.make(pending::<()>()).await });
        runtime.block_on(tokio::task::yield_now());
        attempts.give_up_all();
        let outcome = runtime.block_on(async { timeout(LONG, task).await });
        assert_eq!(outcome.unwrap().unwrap(), None);
        assert_eq!(runtime.block_on(attempts.make(async { 7 })), Some(7));
    }
}
