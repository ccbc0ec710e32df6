//! Hand-off against everything that may come at the same moment, in every order that there is with up
//! to two switches in unexpected places: more take minutes and have shown nothing else.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use loom::sync::{Arc, Mutex};
use loom::thread;

use super::{Returned, Slots};
use crate::queue::{Ticket, Word};

/// What the connections of these models are: numbers.
type Shared = Arc<Mutex<Slots<u32>>>;

fn model(play: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(play);
}

/// One connection, which is lent.
fn one_lent() -> Shared {
    let mut slots = Slots::new(1);
    slots.opened();
    Arc::new(Mutex::new(slots))
}

fn give_back(shared: &Shared) {
    let returned = shared.lock().unwrap().take_back(0);
    settle(returned);
}

/// What a pool does with what came back. A connection of a closed pool ends.
fn settle(returned: Returned<u32>) {
    if let Returned::Given(Some(waker)) = returned {
        waker.wake();
    }
}

/// Waits as a caller of the pool does.
struct Waiting {
    shared: Shared,
    deadline: Option<Instant>,
    ticket: Option<Ticket>,
}

impl Waiting {
    fn new(shared: &Shared, deadline: Option<Instant>) -> Self {
        Waiting {
            shared: shared.clone(),
            deadline,
            ticket: None,
        }
    }
}

impl Future for Waiting {
    type Output = Word<u32>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Word<u32>> {
        let shared = self.shared.clone();
        let mut slots = shared.lock().unwrap();
        match self.ticket {
            None => match slots.join(context.waker(), self.deadline, false) {
                Ok(ticket) => self.ticket = Some(ticket),
                Err(word) => return Poll::Ready(word),
            },
            Some(ticket) => {
                if let Some(word) = slots.queue.ask(ticket, context.waker()) {
                    self.ticket = None;
                    return Poll::Ready(word);
                }
            }
        }
        Poll::Pending
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let word = self.shared.lock().unwrap().queue.leave(ticket);
            if let Some(Word::Given(_)) = word {
                give_back(&self.shared);
            }
        }
    }
}

/// Polls once, and gives up.
fn poll_and_leave(shared: &Shared) -> Option<Word<u32>> {
    let mut waiting = Waiting::new(shared, None);
    let mut context = Context::from_waker(Waker::noop());
    match Pin::new(&mut waiting).poll(&mut context) {
        Poll::Ready(word) => Some(word),
        Poll::Pending => None,
    }
}

fn is_idle(shared: &Shared) -> bool {
    let slots = shared.lock().unwrap();
    slots.idle.len() == 1 && slots.queue.is_empty()
}

#[test]
fn one_who_gives_up_as_he_is_handed_a_connection_loses_none() {
    model(|| {
        let shared = one_lent();
        let other = shared.clone();
        let giver = thread::spawn(move || give_back(&other));
        if let Some(Word::Given(_)) = poll_and_leave(&shared) {
            give_back(&shared);
        }
        giver.join().unwrap();
        assert!(is_idle(&shared));
    });
}

#[test]
fn what_one_gives_up_reaches_the_next() {
    model(|| {
        let shared = one_lent();
        let (first, giver) = (shared.clone(), shared.clone());
        let first = thread::spawn(move || {
            if let Some(Word::Given(_)) = poll_and_leave(&first) {
                give_back(&first);
            }
        });
        let giver = thread::spawn(move || give_back(&giver));
        let word = loom::future::block_on(Waiting::new(&shared, None));
        assert!(matches!(word, Word::Given(0)));
        first.join().unwrap();
        giver.join().unwrap();
        assert!(shared.lock().unwrap().queue.is_empty());
    });
}

#[test]
fn one_whose_time_is_up_as_he_is_handed_a_connection_has_it_or_leaves_it() {
    model(|| {
        let shared = one_lent();
        let soon = Instant::now();
        let (clock, giver) = (shared.clone(), shared.clone());
        let clock = thread::spawn(move || {
            let late = soon + Duration::from_secs(1);
            let (wakers, _) = clock.lock().unwrap().queue.expire(late);
            wakers.into_iter().for_each(Waker::wake);
        });
        let giver = thread::spawn(move || give_back(&giver));
        let word = loom::future::block_on(Waiting::new(&shared, Some(soon)));
        clock.join().unwrap();
        giver.join().unwrap();
        match word {
            Word::Given(_) => assert!(!is_idle(&shared)),
            Word::TooLate => assert!(is_idle(&shared)),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn whoever_waits_as_the_pool_is_closed_is_told() {
    model(|| {
        let shared = one_lent();
        let (closer, giver) = (shared.clone(), shared.clone());
        let closer = thread::spawn(move || {
            let told = {
                let mut slots = closer.lock().unwrap();
                slots.closed = true;
                slots.idle.clear();
                slots.queue.tell_all(|| Word::Closed)
            };
            told.into_iter().for_each(Waker::wake);
        });
        let giver = thread::spawn(move || give_back(&giver));
        let word = loom::future::block_on(Waiting::new(&shared, None));
        closer.join().unwrap();
        giver.join().unwrap();
        assert!(matches!(word, Word::Given(_) | Word::Closed), "{word:?}");
        assert!(shared.lock().unwrap().idle.is_empty());
    });
}
