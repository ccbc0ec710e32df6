//! Hand-off against everything that may come at the same moment, in every order that there is with up
//! to two switches in unexpected places: more take minutes and have shown nothing else.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use loom::sync::Mutex;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::{Joined, Returned, Slots};
use crate::queue::{Found, Left, Place, Word};

/// What the connections of these models are: numbers.
type Shared = loom::sync::Arc<Pool>;

struct Pool {
    slots: Mutex<Slots<u32>>,
    /// Only to let others come between.
    steps: AtomicUsize,
}

impl Pool {
    /// Others may do something now. A place has a lock of its own, which loom doesn't know: what is
    /// done under it is one step, between two of these.
    fn step(&self) {
        self.steps.fetch_add(1, Ordering::SeqCst);
    }
}

fn model(play: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(play);
}

/// One connection, which is lent.
fn one_lent() -> Shared {
    let mut slots = Slots::new(1);
    slots.opened();
    Shared::new(Pool {
        slots: Mutex::new(slots),
        steps: AtomicUsize::new(0),
    })
}

/// What a pool does with what comes back. A connection of a closed pool ends.
fn give_back(shared: &Shared) {
    let mut returned = shared.slots.lock().unwrap().take_back(0);
    while let Returned::For(first, it) = returned {
        shared.step();
        match first.tell(Word::Given(it)) {
            Ok(Some(waker)) => return waker.wake(),
            Ok(None) => {
                shared.step();
                return rouse_one_more(shared);
            }
            Err(_) => {
                shared.step();
                returned = shared.slots.lock().unwrap().take_back_again(it);
            }
        }
    }
}

/// What a pool does when a connection has ended; it rouses some more.
fn end_one(shared: &Shared) {
    let roused = {
        let mut slots = shared.slots.lock().unwrap();
        slots.open -= 1;
        slots.queue.rouse(1)
    };
    shared.step();
    roused.into_iter().for_each(Waker::wake);
}

fn rouse_one_more(shared: &Shared) {
    let roused = {
        let mut slots = shared.slots.lock().unwrap();
        match slots.has_room() {
            true => slots.queue.rouse(1),
            false => return,
        }
    };
    shared.step();
    roused.into_iter().for_each(Waker::wake);
}

/// Opens a connection if there is room. A pool does it in a task.
fn open_one(shared: &Shared) {
    {
        let mut slots = shared.slots.lock().unwrap();
        if !slots.has_room() {
            return;
        }
        slots.opened();
    }
    give_back(shared);
}

/// Waits as a caller of the pool does.
struct Waiting {
    shared: Shared,
    deadline: Option<Instant>,
    place: Option<Arc<Place<u32>>>,
}

impl Waiting {
    fn new(shared: &Shared, limit: Option<Duration>) -> Self {
        Waiting {
            shared: shared.clone(),
            deadline: limit.map(|limit| Instant::now() + limit),
            place: None,
        }
    }
}

impl Future for Waiting {
    type Output = Word<u32>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Word<u32>> {
        self.shared.step();
        match &self.place {
            None => {
                let place = Arc::new(Place::new(self.deadline, context.waker().clone()));
                let joined = self.shared.slots.lock().unwrap().join(&place, false);
                match joined {
                    Joined::Line => {
                        self.place = Some(place);
                        open_one(&self.shared);
                    }
                    Joined::Served(it) => return Poll::Ready(Word::Given(it)),
                    Joined::Closed => return Poll::Ready(Word::Closed),
                }
            }
            Some(place) => match place.ask(context.waker()) {
                Found::Word(word) => {
                    self.place = None;
                    return Poll::Ready(word);
                }
                Found::Change => open_one(&self.shared),
                Found::Nothing => {}
            },
        }
        Poll::Pending
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.shared.step();
            match place.leave() {
                Left::Waiting => {
                    self.shared.step();
                    self.shared.slots.lock().unwrap().queue.left();
                }
                Left::Roused => {
                    self.shared.step();
                    self.shared.slots.lock().unwrap().queue.left();
                    rouse_one_more(&self.shared);
                }
                Left::Told(Word::Given(_)) => give_back(&self.shared),
                Left::Told(_) => {}
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
    let slots = shared.slots.lock().unwrap();
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
        assert!(shared.slots.lock().unwrap().queue.is_empty());
    });
}

#[test]
fn room_that_one_who_gives_up_was_to_use_is_used_by_the_next() {
    model(|| {
        let shared = one_lent();
        let mut first = Waiting::new(&shared, None);
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut first).poll(&mut context).is_pending());
        let ender = shared.clone();
        let first = thread::spawn(move || drop(first));
        let ender = thread::spawn(move || end_one(&ender));
        let word = loom::future::block_on(Waiting::new(&shared, None));
        assert!(matches!(word, Word::Given(0)));
        first.join().unwrap();
        ender.join().unwrap();
        assert!(shared.slots.lock().unwrap().queue.is_empty());
    });
}

#[test]
fn one_whose_time_is_up_as_he_is_handed_a_connection_has_it_or_leaves_it() {
    model(|| {
        let shared = one_lent();
        let (clock, giver) = (shared.clone(), shared.clone());
        let clock = thread::spawn(move || {
            let late = Instant::now() + Duration::from_secs(1);
            let (wakers, _) = clock.slots.lock().unwrap().queue.expire(late);
            wakers.into_iter().for_each(Waker::wake);
        });
        let giver = thread::spawn(move || give_back(&giver));
        let word = loom::future::block_on(Waiting::new(&shared, Some(Duration::ZERO)));
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
                let mut slots = closer.slots.lock().unwrap();
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
        assert!(shared.slots.lock().unwrap().idle.is_empty());
    });
}
