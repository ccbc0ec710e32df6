use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use respool_core::ConnectError;

/// When somebody looks whether one without a deadline still waits.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Who waits for a connection, first come first served.
///
/// Whoever waits has a place of his own, under a lock of its own: what he was given is put there, and
/// taken from there, without the lock of the slots, which everybody wants. That lock comes first
/// where both are held.
///
/// Generic over what is waited for, so that it can be put to the test without sockets.
pub(crate) struct Queue<T> {
    /// Who waits, and who has left and was not passed over yet.
    line: VecDeque<Arc<Place<T>>>,
    /// How many of those in `line` have left. One who is passed over before he has said so is taken
    /// off before he is added: it may be less than nothing for that moment.
    gone: isize,
}

/// The place in line of one who waits.
pub(crate) struct Place<T> {
    /// When he must have been served.
    deadline: Option<Instant>,
    state: Mutex<State<T>>,
}

enum State<T> {
    Waiting(Waker),
    /// Woken to look again; still in line.
    LookAgain,
    Told(Word<T>),
    Gone,
}

/// What one who waits is told.
#[derive(Debug)]
pub(crate) enum Word<T> {
    /// What he waited for.
    Given(T),
    /// Waiting longer would not help. Boxed, so that a place stays small: there may be many.
    Failed(Box<ConnectError>),
    /// There is nothing to wait for any more.
    Closed,
    /// His time is up.
    TooLate,
}

/// How one who waited has left.
#[derive(Debug)]
pub(crate) enum Left<T> {
    /// He had not heard of anything. The [queue](Queue::left) is to hear of it.
    Waiting,
    /// The same, and he was to look again: another is to be [roused](Queue::rouse) in his place.
    Roused,
    /// He takes along what he was told: that is to be passed on.
    Told(Word<T>),
}

/// What one who waits finds.
#[derive(Debug)]
pub(crate) enum Found<T> {
    Nothing,
    /// Something has changed: he may open a connection.
    Change,
    Word(Word<T>),
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Queue {
            line: VecDeque::new(),
            gone: 0,
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.line.len().saturating_add_signed(-self.gone)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Joins the line: at its end, or at its head for one whose turn it was before.
    pub(crate) fn join(&mut self, place: Arc<Place<T>>, at_head: bool) {
        match at_head {
            true => self.line.push_front(place),
            false => self.line.push_back(place),
        }
    }

    /// The first in line, who leaves it. He is to be told something, without the lock of the slots;
    /// if it turns out that he has left, [`passed_over`](Self::passed_over) is to be called, and the
    /// next is the first.
    pub(crate) fn next(&mut self) -> Option<Arc<Place<T>>> {
        self.line.pop_front()
    }

    /// One who was taken for the first in line had left.
    pub(crate) fn passed_over(&mut self) {
        self.gone -= 1;
    }

    /// One who waited has left, as his place says.
    pub(crate) fn left(&mut self) {
        self.gone += 1;
        self.forget_the_gone();
    }

    /// Tells everybody who waits.
    pub(crate) fn tell_all(&mut self, word: impl Fn() -> Word<T>) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for place in mem::take(&mut self.line) {
            match place.tell(word()) {
                Ok(waker) => wakers.extend(waker),
                Err(_) => self.gone -= 1,
            }
        }
        wakers
    }

    /// Tells those whose time is up at `now`, and says when to look at the others again: by the first
    /// deadline of theirs. For those who were to look again others are roused.
    pub(crate) fn expire(&mut self, now: Instant) -> (Vec<Waker>, Option<Instant>) {
        let mut wakers = Vec::new();
        let mut next: Option<Instant> = None;
        let mut were_roused = 0;
        let gone = &mut self.gone;
        self.line.retain(|place| match place.deadline {
            Some(deadline) if deadline <= now => {
                match place.tell(Word::TooLate) {
                    Ok(Some(waker)) => wakers.push(waker),
                    Ok(None) => were_roused += 1,
                    Err(_) => *gone -= 1,
                }
                false
            }
            _ => {
                let at = place.deadline.unwrap_or(now + LOOK_AGAIN);
                next = Some(next.map_or(at, |next| next.min(at)));
                true
            }
        });
        wakers.extend(self.rouse(were_roused));
        (wakers, next)
    }

    /// Has up to `many` look again, the first in line first. They keep their places.
    pub(crate) fn rouse(&mut self, many: usize) -> Vec<Waker> {
        let waiting = self.line.iter().filter_map(|place| place.rouse());
        waiting.take(many).collect()
    }

    /// Keeps the line from growing by those who come and go while nobody is served.
    fn forget_the_gone(&mut self) {
        let gone = usize::try_from(self.gone).unwrap_or(0);
        if gone == self.line.len() || gone > self.line.len() / 2 + 32 {
            let before = self.line.len();
            self.line.retain(|place| !place.is_gone());
            self.gone -= (before - self.line.len()) as isize;
        }
    }
}

impl<T> Place<T> {
    pub(crate) fn new(deadline: Option<Instant>, waker: Waker) -> Self {
        Place {
            deadline,
            state: Mutex::new(State::Waiting(waker)),
        }
    }

    /// When he must have been served.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Tells him, who is to be woken with nothing locked, unless he was roused before; gives it back if
    /// he has left.
    pub(crate) fn tell(&self, word: Word<T>) -> Result<Option<Waker>, Word<T>> {
        let mut state = self.state();
        match &*state {
            State::Waiting(_) | State::LookAgain => {
                match mem::replace(&mut *state, State::Told(word)) {
                    State::Waiting(waker) => Ok(Some(waker)),
                    _ => Ok(None),
                }
            }
            // Who was told has left the line, and hears nothing more.
            State::Told(_) | State::Gone => Err(word),
        }
    }

    /// What he was told, who leaves with it; or else he is woken by `waker`.
    pub(crate) fn ask(&self, waker: &Waker) -> Found<T> {
        let mut state = self.state();
        match &mut *state {
            State::Waiting(known) if known.will_wake(waker) => Found::Nothing,
            State::Waiting(known) => {
                let before = mem::replace(known, waker.clone());
                drop(state);
                drop(before);
                Found::Nothing
            }
            State::LookAgain => {
                *state = State::Waiting(waker.clone());
                Found::Change
            }
            State::Told(_) => match mem::replace(&mut *state, State::Gone) {
                State::Told(word) => Found::Word(word),
                _ => Found::Nothing,
            },
            State::Gone => Found::Nothing,
        }
    }

    /// He gives up.
    pub(crate) fn leave(&self) -> Left<T> {
        let state = mem::replace(&mut *self.state(), State::Gone);
        match state {
            State::Told(word) => Left::Told(word),
            State::LookAgain => Left::Roused,
            State::Waiting(_) | State::Gone => Left::Waiting,
        }
    }

    /// Has him look again, who is to be woken with nothing locked.
    pub(crate) fn rouse(&self) -> Option<Waker> {
        let mut state = self.state();
        match &*state {
            State::Waiting(_) => match mem::replace(&mut *state, State::LookAgain) {
                State::Waiting(waker) => Some(waker),
                _ => None,
            },
            _ => None,
        }
    }

    fn is_gone(&self) -> bool {
        matches!(*self.state(), State::Gone)
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn join(queue: &mut Queue<usize>, limit: Option<Duration>, at_head: bool) -> Arc<Place<usize>> {
        let deadline = limit.map(|limit| Instant::now() + limit);
        let place = Arc::new(Place::new(deadline, Waker::noop().clone()));
        queue.join(place.clone(), at_head);
        place
    }

    fn queue_of(count: usize) -> (Queue<usize>, Vec<Arc<Place<usize>>>) {
        let mut queue = Queue::new();
        let places = (0..count).map(|_| join(&mut queue, None, false)).collect();
        (queue, places)
    }

    /// As the slots do.
    fn give(queue: &mut Queue<usize>, it: usize) -> bool {
        while let Some(first) = queue.next() {
            match first.tell(Word::Given(it)) {
                Ok(_) => return true,
                Err(_) => queue.passed_over(),
            }
        }
        false
    }

    fn leave(queue: &mut Queue<usize>, place: &Place<usize>) -> Option<usize> {
        match place.leave() {
            Left::Told(Word::Given(it)) => return Some(it),
            Left::Told(_) => {}
            Left::Waiting | Left::Roused => queue.left(),
        }
        None
    }

    fn given(place: &Place<usize>) -> Option<usize> {
        match place.ask(Waker::noop()) {
            Found::Word(Word::Given(it)) => Some(it),
            _ => None,
        }
    }

    #[test]
    fn the_first_to_come_is_the_first_served() {
        let (mut queue, places) = queue_of(3);
        for it in 0..3 {
            assert!(give(&mut queue, it));
        }
        for (it, place) in places.iter().enumerate() {
            assert_eq!(given(place), Some(it));
        }
        assert!(!give(&mut queue, 7));
    }

    #[test]
    fn one_whose_turn_it_was_goes_back_to_the_head() {
        let (mut queue, _places) = queue_of(2);
        let first = join(&mut queue, None, true);
        assert!(give(&mut queue, 1));
        assert_eq!(given(&first), Some(1));
    }

    #[test]
    fn one_who_leaves_is_passed_over_and_takes_along_what_he_was_given() {
        let (mut queue, places) = queue_of(3);
        assert_eq!(leave(&mut queue, &places[0]), None);
        assert_eq!(queue.len(), 2);
        assert!(give(&mut queue, 1));
        assert_eq!(leave(&mut queue, &places[1]), Some(1));
        assert!(give(&mut queue, 2));
        assert_eq!(given(&places[2]), Some(2));
        assert!(queue.is_empty());
        assert_eq!(queue.gone, 0);
    }

    #[test]
    fn one_who_is_passed_over_before_he_has_said_that_he_left_is_counted_once() {
        let (mut queue, places) = queue_of(2);
        assert!(matches!(places[0].leave(), Left::Waiting));
        assert!(give(&mut queue, 1));
        queue.left();
        assert!(queue.is_empty());
        assert_eq!((queue.gone, given(&places[1])), (0, Some(1)));
    }

    #[test]
    fn those_who_come_and_go_leave_nothing_behind() {
        let (mut queue, _places) = queue_of(1);
        for _ in 0..10_000 {
            let place = join(&mut queue, None, false);
            leave(&mut queue, &place);
        }
        assert_eq!(queue.len(), 1);
        assert!(queue.line.len() < 100, "{}", queue.line.len());
    }

    #[test]
    fn a_line_that_all_have_left_is_empty() {
        let (mut queue, places) = queue_of(20);
        for place in places {
            leave(&mut queue, &place);
        }
        assert_eq!((queue.line.len(), queue.gone), (0, 0));
    }

    #[test]
    fn only_those_whose_time_is_up_are_told_so() {
        let mut queue: Queue<usize> = Queue::new();
        let late = join(&mut queue, Some(Duration::ZERO), false);
        let early = join(&mut queue, Some(Duration::from_secs(9)), false);
        let patient = join(&mut queue, None, false);
        let (wakers, next) = queue.expire(Instant::now());
        assert_eq!((wakers.len(), queue.len()), (1, 2));
        assert_eq!(next, early.deadline());
        assert!(matches!(
            late.ask(Waker::noop()),
            Found::Word(Word::TooLate)
        ));
        assert!(give(&mut queue, 1));
        assert!(give(&mut queue, 2));
        assert_eq!((given(&early), given(&patient)), (Some(1), Some(2)));
    }

    #[test]
    fn one_whose_time_is_up_before_he_looked_again_leaves_that_to_the_next() {
        let mut queue: Queue<usize> = Queue::new();
        let _late = join(&mut queue, Some(Duration::ZERO), false);
        let patient = join(&mut queue, None, false);
        assert_eq!(queue.rouse(1).len(), 1);
        let (wakers, _) = queue.expire(Instant::now());
        assert_eq!(wakers.len(), 1);
        assert!(matches!(patient.ask(Waker::noop()), Found::Change));
    }

    #[test]
    fn one_who_leaves_before_he_looked_again_says_so() {
        let (mut queue, places) = queue_of(2);
        queue.rouse(1);
        assert!(matches!(places[0].leave(), Left::Roused));
        assert!(matches!(places[1].leave(), Left::Waiting));
    }

    #[test]
    fn one_who_was_roused_keeps_his_place() {
        let (mut queue, places) = queue_of(2);
        assert_eq!(queue.rouse(1).len(), 1);
        assert_eq!(queue.len(), 2);
        assert!(matches!(places[0].ask(Waker::noop()), Found::Change));
        assert!(give(&mut queue, 1));
        assert_eq!(given(&places[0]), Some(1));
    }
}
