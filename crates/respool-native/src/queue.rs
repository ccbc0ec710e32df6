use std::collections::VecDeque;
use std::task::Waker;
use std::time::Instant;

use respool_core::ConnectError;

/// Who waits for a connection, first come first served. A place in it costs no allocation once the
/// queue has been as long before.
///
/// Generic over what is waited for, so that it can be put to the test without sockets.
pub(crate) struct Queue<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    /// Who waits, with the turn of the place at that time: one who has gone leaves its entry behind.
    line: VecDeque<Ticket>,
    waiting: usize,
}

/// A place in the queue, of one who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) place: u32,
    pub(crate) turn: u32,
}

struct Place<T> {
    turn: u32,
    deadline: Option<Instant>,
    state: State<T>,
}

enum State<T> {
    Free,
    Waiting(Waker),
    /// Woken to look again; still in line.
    LookAgain,
    Told(Word<T>),
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

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Queue {
            places: Vec::new(),
            free: Vec::new(),
            line: VecDeque::new(),
            waiting: 0,
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Joins the line: at its end, or at its head for one whose turn it was before.
    pub(crate) fn join(
        &mut self,
        waker: Waker,
        deadline: Option<Instant>,
        at_head: bool,
    ) -> Ticket {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place {
                turn: 0,
                deadline: None,
                state: State::Free,
            });
            u32::try_from(self.places.len() - 1).expect("fewer than 2^32 wait")
        });
        let slot = &mut self.places[place as usize];
        slot.state = State::Waiting(waker);
        slot.deadline = deadline;
        let ticket = Ticket {
            place,
            turn: slot.turn,
        };
        self.waiting += 1;
        match at_head {
            true => self.line.push_front(ticket),
            false => self.line.push_back(ticket),
        }
        ticket
    }

    /// Gives `it` to the first who waits; gives it back if nobody does. The waker is to be woken
    /// once the lock is released.
    pub(crate) fn give(&mut self, it: T) -> Result<Option<Waker>, T> {
        if self.waiting == 0 {
            return Err(it);
        }
        while let Some(ticket) = self.line.pop_front() {
            let place = &mut self.places[ticket.place as usize];
            if place.turn == ticket.turn && place.state.is_in_line() {
                self.waiting -= 1;
                return Ok(place.tell(Word::Given(it)));
            }
        }
        Err(it)
    }

    /// Tells everybody who waits.
    pub(crate) fn tell_all(&mut self, word: impl Fn() -> Word<T>) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for ticket in std::mem::take(&mut self.line) {
            let place = &mut self.places[ticket.place as usize];
            if place.turn == ticket.turn && place.state.is_in_line() {
                wakers.extend(place.tell(word()));
            }
        }
        self.waiting = 0;
        wakers
    }

    /// Tells those whose time is up at `now`, and says when the next one's will be.
    pub(crate) fn expire(&mut self, now: Instant) -> (Vec<Waker>, Option<Instant>) {
        let mut wakers = Vec::new();
        let mut next: Option<Instant> = None;
        for ticket in &self.line {
            let place = &mut self.places[ticket.place as usize];
            if place.turn != ticket.turn || !place.state.is_in_line() {
                continue;
            }
            match place.deadline {
                Some(deadline) if deadline <= now => {
                    self.waiting -= 1;
                    wakers.extend(place.tell(Word::TooLate));
                }
                deadline => next = [next, deadline].into_iter().flatten().min(),
            }
        }
        (wakers, next)
    }

    /// Has up to `many` look again, the first in line first. They keep their places.
    pub(crate) fn rouse(&mut self, many: usize) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for ticket in &self.line {
            if wakers.len() >= many {
                break;
            }
            let place = &mut self.places[ticket.place as usize];
            if place.turn == ticket.turn && matches!(place.state, State::Waiting(_)) {
                let waiting = std::mem::replace(&mut place.state, State::LookAgain);
                if let State::Waiting(waker) = waiting {
                    wakers.push(waker);
                }
            }
        }
        wakers
    }

    /// What the holder of `ticket` was told, who leaves with it; or else has it woken by `waker`.
    pub(crate) fn ask(&mut self, ticket: Ticket, waker: &Waker) -> Option<Word<T>> {
        let state = &mut self.places[ticket.place as usize].state;
        match state {
            State::Told(_) => self.leave(ticket),
            State::Waiting(known) if known.will_wake(waker) => None,
            _ => {
                *state = State::Waiting(waker.clone());
                None
            }
        }
    }

    /// Leaves the queue, with what the holder of `ticket` was told already: that is to be passed on.
    pub(crate) fn leave(&mut self, ticket: Ticket) -> Option<Word<T>> {
        let place = &mut self.places[ticket.place as usize];
        place.turn = place.turn.wrapping_add(1);
        let state = std::mem::replace(&mut place.state, State::Free);
        self.free.push(ticket.place);
        if state.is_in_line() {
            self.waiting -= 1;
            self.forget_the_gone();
        }
        match state {
            State::Told(word) => Some(word),
            _ => None,
        }
    }

    /// Keeps the line from growing by those who come and go while nobody is served.
    fn forget_the_gone(&mut self) {
        if self.waiting == 0 {
            self.line.clear();
        } else if self.line.len() > 2 * self.waiting + 64 {
            let places = &self.places;
            self.line.retain(|ticket| {
                let place = &places[ticket.place as usize];
                place.turn == ticket.turn && place.state.is_in_line()
            });
        }
    }
}

impl<T> Place<T> {
    fn tell(&mut self, word: Word<T>) -> Option<Waker> {
        match std::mem::replace(&mut self.state, State::Told(word)) {
            State::Waiting(waker) => Some(waker),
            _ => None,
        }
    }
}

impl<T> State<T> {
    fn is_in_line(&self) -> bool {
        matches!(self, State::Waiting(_) | State::LookAgain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue_of(count: usize) -> (Queue<usize>, Vec<Ticket>) {
        let mut queue = Queue::new();
        let tickets = (0..count)
            .map(|_| queue.join(Waker::noop().clone(), None, false))
            .collect();
        (queue, tickets)
    }

    fn given(queue: &mut Queue<usize>, ticket: Ticket) -> Option<usize> {
        match queue.ask(ticket, Waker::noop()) {
            Some(Word::Given(it)) => Some(it),
            _ => None,
        }
    }

    #[test]
    fn the_first_to_come_is_the_first_served() {
        let (mut queue, tickets) = queue_of(3);
        for it in 0..3 {
            assert!(queue.give(it).is_ok());
        }
        for (it, ticket) in tickets.into_iter().enumerate() {
            assert_eq!(given(&mut queue, ticket), Some(it));
        }
        assert_eq!(queue.give(7).unwrap_err(), 7);
    }

    #[test]
    fn one_whose_turn_it_was_goes_back_to_the_head() {
        let (mut queue, _) = queue_of(2);
        let first = queue.join(Waker::noop().clone(), None, true);
        assert!(queue.give(1).is_ok());
        assert_eq!(given(&mut queue, first), Some(1));
    }

    #[test]
    fn one_who_leaves_is_passed_over_and_takes_along_what_he_was_given() {
        let (mut queue, tickets) = queue_of(3);
        assert!(queue.leave(tickets[0]).is_none());
        assert!(queue.give(1).is_ok());
        assert!(matches!(queue.leave(tickets[1]), Some(Word::Given(1))));
        assert!(queue.give(2).is_ok());
        assert_eq!(given(&mut queue, tickets[2]), Some(2));
        assert!(queue.is_empty());
    }

    #[test]
    fn a_place_that_is_taken_again_is_not_served_by_the_ticket_before() {
        let (mut queue, tickets) = queue_of(2);
        queue.leave(tickets[0]);
        let newcomer = queue.join(Waker::noop().clone(), None, false);
        assert!(queue.give(1).is_ok());
        assert_eq!(given(&mut queue, newcomer), None);
        assert_eq!(given(&mut queue, tickets[1]), Some(1));
    }

    #[test]
    fn those_who_come_and_go_leave_nothing_behind() {
        let (mut queue, _) = queue_of(1);
        for _ in 0..10_000 {
            let ticket = queue.join(Waker::noop().clone(), None, false);
            queue.leave(ticket);
        }
        assert_eq!(queue.len(), 1);
        assert!(queue.line.len() < 100, "{}", queue.line.len());
        assert!(queue.places.len() < 10, "{}", queue.places.len());
    }

    #[test]
    fn only_those_whose_time_is_up_are_told_so() {
        let now = Instant::now();
        let later = now + std::time::Duration::from_secs(1);
        let mut queue: Queue<usize> = Queue::new();
        let late = queue.join(Waker::noop().clone(), Some(now), false);
        let early = queue.join(Waker::noop().clone(), Some(later), false);
        let patient = queue.join(Waker::noop().clone(), None, false);
        let (wakers, next) = queue.expire(now);
        assert_eq!((wakers.len(), next, queue.len()), (1, Some(later), 2));
        assert!(matches!(
            queue.ask(late, Waker::noop()),
            Some(Word::TooLate)
        ));
        assert!(queue.give(1).is_ok());
        assert!(queue.give(2).is_ok());
        assert_eq!(given(&mut queue, early), Some(1));
        assert_eq!(given(&mut queue, patient), Some(2));
    }

    #[test]
    fn one_who_was_roused_keeps_his_place() {
        let (mut queue, tickets) = queue_of(2);
        assert_eq!(queue.rouse(1).len(), 1);
        assert_eq!(queue.len(), 2);
        assert!(queue.give(1).is_ok());
        assert_eq!(given(&mut queue, tickets[0]), Some(1));
    }
}
