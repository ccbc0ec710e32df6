use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use redis::{RedisError, Value};

/// Where the reply to one command, or one pipeline, goes, and who is to be woken for it.
///
/// Its lock is held for a move and never while anything is woken.
pub(crate) struct Asker(Mutex<State>);

/// How many askers a thread keeps for those who ask next.
const KEPT: usize = 128;

thread_local! {
    /// Askers that nobody else knows any more.
    static SPARE: RefCell<Vec<Arc<Asker>>> = const { RefCell::new(Vec::new()) };
}

/// An asker for whom `waker` waits: one that served somebody before, where there is one.
pub(super) fn take(waker: &Waker) -> Arc<Asker> {
    let spare = SPARE.try_with(|spare| spare.try_borrow_mut().ok()?.pop());
    if let Ok(Some(mut asker)) = spare
        && let Some(state) = Arc::get_mut(&mut asker)
    {
        *state.0.get_mut().unwrap_or_else(PoisonError::into_inner) =
            State::Waiting(Some(waker.clone()));
        return asker;
    }
    Arc::new(Asker(Mutex::new(State::Waiting(Some(waker.clone())))))
}

/// Keeps an asker whose answer was taken for the next to ask, if nobody else has it.
pub(super) fn keep(mut asker: Arc<Asker>) {
    if Arc::get_mut(&mut asker).is_none() {
        return;
    }
    let _ = SPARE.try_with(|spare| {
        if let Ok(mut spare) = spare.try_borrow_mut()
            && spare.len() < KEPT
        {
            spare.push(asker);
        }
    });
}

enum State {
    Waiting(Option<Waker>),
    Told(Told),
    GivenUp,
}

/// What becomes of what somebody asked.
#[derive(Debug)]
pub(crate) enum Told {
    /// The reply to a command.
    Reply(Value),
    /// The same, and it was a large one.
    LargeReply(Value),
    /// The replies to a pipeline.
    Replies(Vec<Value>),
    /// The connection ended after some of it may have reached the server.
    Lost(RedisError),
    /// There was no reply within `response_timeout`.
    NoReply,
    /// Nothing of it was written: it can go another way.
    NotSent,
    /// Nobody drives the lane any more. It is all there, and waits for somebody who does.
    Orphaned,
}

impl Asker {
    pub(crate) fn new() -> Self {
        Asker(Mutex::new(State::Waiting(None)))
    }

    /// Tells whoever waits, who is to be woken once nothing is locked. Nobody may wait any more.
    #[must_use]
    #[inline]
    pub(crate) fn tell(&self, told: Told) -> Option<Waker> {
        let mut state = self.state();
        match &mut *state {
            State::Waiting(waker) => {
                let waker = waker.take();
                *state = State::Told(told);
                waker
            }
            State::Told(Told::Orphaned) => {
                *state = State::Told(told);
                None
            }
            State::Told(_) | State::GivenUp => None,
        }
    }

    #[inline(always)]
    pub(crate) fn poll_told(&self, context: &mut Context<'_>) -> Poll<Told> {
        let mut state = self.state();
        match &mut *state {
            State::Waiting(Some(waker)) if waker.will_wake(context.waker()) => Poll::Pending,
            State::Waiting(waker) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
            told => match std::mem::replace(told, State::Waiting(None)) {
                State::Told(told) => Poll::Ready(told),
                _ => Poll::Pending,
            },
        }
    }

    /// Nobody waits any more. What is left of it is for the caller to drop, with nothing locked.
    pub(crate) fn give_up(&self) -> impl Sized {
        std::mem::replace(&mut *self.state(), State::GivenUp)
    }

    pub(crate) fn was_given_up(&self) -> bool {
        matches!(*self.state(), State::GivenUp)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
