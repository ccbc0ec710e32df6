use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// How old an attempt is before others ask whether it is being polled at all.
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
    /// What the runtimes were asked last. Of those who wait, whoever is there when the time is up sees
    /// to it: the one who asked may have gone, or be polled no more himself.
    round: Mutex<Option<Round>>,
}

struct UnderWay {
    runtime: Handle,
    since: Instant,
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
        let (future, maker) = (running.future.take(), running.maker.take());
        drop(running);
        drop(future);
        if let Some(maker) = maker {
            maker.wake();
        }
        true
    }
}

/// A task of no work for each runtime on which something was under way, and what that was.
struct Round {
    began: Instant,
    questions: Vec<Question>,
    asked: Vec<(Id, Weak<dyn GiveUp>)>,
}

impl Round {
    /// Asks the runtimes of `attempts`.
    fn begin<'a>(attempts: impl Iterator<Item = &'a UnderWay>, now: Instant) -> Self {
        let mut round = Round {
            began: now,
            questions: Vec::new(),
            asked: Vec::new(),
        };
        for it in attempts {
            let runtime = it.runtime.id();
            if round.questions.iter().all(|asked| asked.runtime != runtime) {
                round.questions.push(Question::to(&it.runtime));
            }
            round.asked.push((runtime, it.attempt.clone()));
        }
        round
    }

    /// What is on runtimes that have not answered.
    fn left(mut self) -> Vec<Weak<dyn GiveUp>> {
        self.questions.retain(|asked| !asked.task.is_finished());
        let is_silent = |runtime| self.questions.iter().any(|asked| asked.runtime == runtime);
        let left = self.asked.into_iter().filter(|(id, _)| is_silent(*id));
        left.map(|(_, attempt)| attempt).collect()
    }
}

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

/// What is to be done about what is under way elsewhere.
enum Next {
    /// Nothing is.
    Nothing,
    LookAt(Instant),
    GiveUp(Vec<Weak<dyn GiveUp>>),
}

impl Attempts {
    /// Makes an attempt that others may give up from now on: then there is no outcome. Dropping the
    /// future gives up, too.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub(super) fn make<F>(
        &self,
        attempt: F,
    ) -> impl Future<Output = Option<F::Output>> + Send + use<F>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let attempt = Arc::new(Attempt(Mutex::new(Running {
            future: Some(Box::pin(attempt)),
            maker: None,
        })));
        let weak: Weak<Attempt<F>> = Arc::downgrade(&attempt);
        let mut under_way = self.under_way();
        under_way.retain(|it| it.attempt.strong_count() > 0);
        under_way.push(UnderWay {
            runtime: Handle::current(),
            since: Instant::now(),
            attempt: weak,
        });
        drop(under_way);
        self.noted.notify_waiters();
        poll_fn(move |context| {
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
        })
    }

    /// Gives up those whose runtime is driven by nobody, again and again. Never ends; dropping it changes
    /// nothing.
    pub(super) async fn give_up_those_left(&self) {
        let Ok(here) = Handle::try_current().map(|here| here.id()) else {
            return pending().await;
        };
        loop {
            let noted = self.noted.notified();
            match self.next(here, Instant::now()) {
                Next::Nothing => noted.await,
                Next::LookAt(at) => tokio::time::sleep_until(at.into()).await,
                Next::GiveUp(left) => self.give_up(&left),
            }
        }
    }

    fn next(&self, here: Id, now: Instant) -> Next {
        let mut round = self.round.lock().unwrap_or_else(PoisonError::into_inner);
        match &*round {
            Some(asked) if now < asked.began + ANSWER_WITHIN => {
                return Next::LookAt(asked.began + ANSWER_WITHIN);
            }
            Some(_) => {}
            None => {
                let mut under_way = self.under_way();
                under_way.retain(|it| it.attempt.strong_count() > 0);
                // This one is driven, or nobody would ask.
                let elsewhere = || under_way.iter().filter(|it| it.runtime.id() != here);
                return match elsewhere().map(|it| it.since + ASK_AFTER).min() {
                    None => Next::Nothing,
                    Some(at) if now < at => Next::LookAt(at),
                    Some(_) => {
                        *round = Some(Round::begin(elsewhere(), now));
                        Next::LookAt(now + ANSWER_WITHIN)
                    }
                };
            }
        }
        let Some(over) = round.take() else {
            return Next::LookAt(now);
        };
        drop(round);
        Next::GiveUp(over.left())
    }

    /// Gives up all of them.
    pub(super) fn give_up_all(&self) {
        let all = std::mem::take(&mut *self.under_way());
        for it in all {
            if let Some(attempt) = it.attempt.upgrade() {
                attempt.give_up();
            }
        }
    }

    /// With nothing locked: what is dropped may lock.
    fn give_up(&self, left: &[Weak<dyn GiveUp>]) {
        let mut given_up = Vec::new();
        for weak in left {
            if weak.upgrade().is_some_and(|attempt| attempt.give_up()) {
                tracing::debug!("gave up for a runtime that nobody drives");
                given_up.push(weak);
            }
        }
        // What is left of them stays with that runtime, which is not to be asked again for that.
        let is_given_up = |it: &UnderWay| given_up.iter().any(|weak| weak.ptr_eq(&it.attempt));
        self.under_way().retain(|it| !is_given_up(it));
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
        let driven = Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let two = start(&driven, &attempts);
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
    fn those_who_ask_for_too_short_a_time_see_to_it_together() {
        let attempts = Arc::new(Attempts::default());
        let (left, other) = (runtime(), runtime());
        let mut one = start(&left, &attempts);
        other.block_on(async {
            let until = Instant::now() + LONG;
            while one.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
                assert!(Instant::now() < until, "it was not given up");
                let asks = attempts.give_up_those_left();
                drop(timeout(Duration::from_millis(20), asks).await);
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
        let seven = runtime.block_on(async { attempts.make(async { 7 }).await });
        assert_eq!(seven, Some(7));
    }
}
