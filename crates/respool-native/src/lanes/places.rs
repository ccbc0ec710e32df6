use std::task::{Context, Poll, Waker};

use redis::{RedisError, Value};

use super::unsent::Entry;

/// How many places are kept when nobody has one.
const KEPT: usize = 1024;

/// Where the replies to what is under way go, and who is to be woken for each: one place for each
/// command, or pipeline, of all lanes.
///
/// A place is free again once nobody waits at it and nothing that is to be answered has its number.
/// Nothing is woken here, and no waker dropped: that is for the caller, with nothing locked.
#[derive(Default)]
pub(crate) struct Places {
    places: Vec<State>,
    free: Vec<Place>,
}

/// The number of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u32);

enum State {
    Free,
    Waiting(Option<Waker>),
    Told(Told),
    GivenUp,
}

/// What becomes of what somebody asked.
#[derive(Debug)]
pub(crate) enum Told {
    /// The reply to a command, where it is a string.
    Text(Vec<u8>),
    /// Any other reply to a command.
    Reply(Value),
    /// A large reply to a command.
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
    /// Another runtime drives the lane from now on, and may be left by everybody: whoever waits is to look
    /// after it himself.
    Moved,
}

impl Told {
    /// Whether he who waits hears nothing more.
    fn is_last(&self) -> bool {
        !matches!(self, Told::Orphaned | Told::Moved)
    }
}

/// What those who have a place are to be told, at one go. Most are told a string, which is moved less
/// than anything else.
#[derive(Default)]
pub(crate) struct News {
    /// Strings that are not large.
    pub(crate) texts: Vec<(Place, Vec<u8>)>,
    pub(crate) others: Vec<(Place, Told)>,
    /// Whether one of them says that the node no longer serves.
    pub(crate) say_unfit: bool,
}

impl News {
    pub(crate) fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.others.is_empty()
    }
}

impl Places {
    /// A place at which `waker` waits.
    #[inline]
    pub(crate) fn take(&mut self, waker: Option<&Waker>) -> Place {
        let Some(place) = self.free.pop() else {
            self.places.push(State::Waiting(waker.cloned()));
            return Place(u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX));
        };
        *self.at(place) = State::Waiting(waker.cloned());
        place
    }

    /// Tells all of it. Whoever is to be woken is added to `woken`.
    pub(crate) fn tell_all(&mut self, news: &mut News, woken: &mut Vec<Waker>) {
        for (place, text) in news.texts.drain(..) {
            let state = self.at(place);
            match state {
                State::Waiting(waker) => {
                    woken.extend(waker.take());
                    *state = State::Told(Told::Text(text));
                }
                _ => woken.extend(self.tell(place, Told::Text(text))),
            }
        }
        for (place, told) in news.others.drain(..) {
            woken.extend(self.tell(place, told));
        }
    }

    /// Tells whoever waits, who is to be woken. Nobody may wait any more.
    #[must_use]
    pub(crate) fn tell(&mut self, place: Place, told: Told) -> Option<Waker> {
        let is_last = told.is_last();
        let state = self.at(place);
        match state {
            State::Waiting(waker) => {
                let waker = waker.take();
                *state = State::Told(told);
                waker
            }
            State::Told(before) if !before.is_last() => {
                *state = State::Told(told);
                None
            }
            State::GivenUp if is_last => {
                self.free(place);
                None
            }
            State::Told(_) | State::GivenUp => None,
            State::Free => {
                debug_assert!(false, "nothing under way has the number of a free place");
                None
            }
        }
    }

    /// The string that somebody was told, whose place is free then.
    #[inline]
    pub(crate) fn take_text(&mut self, place: Place) -> Option<Vec<u8>> {
        let State::Told(Told::Text(text)) = self.at(place) else {
            return None;
        };
        let text = std::mem::take(text);
        self.free(place);
        Some(text)
    }

    /// What somebody was told, whose place is free then unless there is more to come. Else the waker
    /// of `context` waits from now on, and the one that did before is put into `before`.
    #[inline]
    pub(crate) fn poll_told(
        &mut self,
        place: Place,
        context: &Context<'_>,
        before: &mut Option<Waker>,
    ) -> Poll<Told> {
        let state = self.at(place);
        match state {
            State::Told(told) if !told.is_last() => {
                match std::mem::replace(state, State::Waiting(None)) {
                    State::Told(told) => Poll::Ready(told),
                    _ => Poll::Pending,
                }
            }
            State::Told(_) => match std::mem::replace(state, State::Free) {
                State::Told(told) => {
                    self.free(place);
                    Poll::Ready(told)
                }
                _ => Poll::Pending,
            },
            State::Waiting(Some(waker)) if waker.will_wake(context.waker()) => Poll::Pending,
            State::Waiting(waker) => {
                *before = waker.replace(context.waker().clone());
                Poll::Pending
            }
            State::GivenUp | State::Free => Poll::Pending,
        }
    }

    /// Nobody waits at `place` any more. What is left of it is for the caller to drop.
    #[must_use]
    pub(crate) fn give_up(&mut self, place: Place) -> impl Sized + use<> {
        let state = self.at(place);
        let left = std::mem::replace(state, State::GivenUp);
        if matches!(&left, State::Told(told) if told.is_last()) {
            self.free(place);
        }
        left
    }

    pub(crate) fn was_given_up(&self, place: Place) -> bool {
        let state = self.places.get(place.0 as usize);
        matches!(state, Some(State::GivenUp))
    }

    /// Whether nobody waits for any of `entries`, which are not to be answered then.
    pub(crate) fn were_given_up<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry> + Clone,
    ) -> bool {
        let are_all = (entries.clone()).all(|entry| self.was_given_up(entry.place));
        if are_all {
            entries.for_each(|entry| self.free(entry.place));
        }
        are_all
    }

    /// What was given up at `place` is not to be answered.
    pub(crate) fn free(&mut self, place: Place) {
        *self.at(place) = State::Free;
        self.free.push(place);
        if self.free.len() == self.places.len() && self.places.len() > KEPT {
            *self = Places::default();
        }
    }

    fn at(&mut self, place: Place) -> &mut State {
        &mut self.places[place.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(places: &mut Places, place: Place) -> Poll<Told> {
        let context = Context::from_waker(Waker::noop());
        places.poll_told(place, &context, &mut None)
    }

    fn are_all_free(places: &Places) -> bool {
        places.free.len() == places.places.len()
    }

    #[test]
    fn a_place_is_free_once_its_reply_was_taken() {
        let mut places = Places::default();
        let place = places.take(Some(Waker::noop()));
        assert!(poll(&mut places, place).is_pending());
        assert!(places.tell(place, Told::Reply(Value::Okay)).is_some());
        assert!(!are_all_free(&places));
        assert!(matches!(
            poll(&mut places, place),
            Poll::Ready(Told::Reply(Value::Okay))
        ));
        assert!(are_all_free(&places));
        assert_eq!(places.take(None), place);
    }

    #[test]
    fn a_place_that_was_given_up_is_free_once_its_reply_has_come() {
        let mut places = Places::default();
        let place = places.take(None);
        let _ = places.give_up(place);
        assert!(places.was_given_up(place));
        assert!(places.tell(place, Told::Orphaned).is_none());
        assert!(!are_all_free(&places));
        assert!(places.tell(place, Told::Reply(Value::Okay)).is_none());
        assert!(are_all_free(&places));
    }

    #[test]
    fn a_place_is_free_when_it_is_given_up_after_the_reply() {
        let mut places = Places::default();
        let place = places.take(None);
        let _ = places.tell(place, Told::NotSent);
        let _ = places.give_up(place);
        assert!(are_all_free(&places));
    }

    #[test]
    fn who_hears_that_nobody_drives_goes_on_waiting() {
        let mut places = Places::default();
        let (first, second) = (places.take(None), places.take(None));
        for place in [first, second] {
            assert!(places.tell(place, Told::Orphaned).is_none());
        }
        assert!(matches!(
            poll(&mut places, first),
            Poll::Ready(Told::Orphaned)
        ));
        assert!(poll(&mut places, first).is_pending());
        assert!(places.tell(first, Told::NoReply).is_some());
        assert!(matches!(
            poll(&mut places, first),
            Poll::Ready(Told::NoReply)
        ));
        let _ = places.give_up(second);
        assert!(!are_all_free(&places));
        let _ = places.tell(second, Told::NoReply);
        assert!(are_all_free(&places));
    }

    #[test]
    fn who_hears_that_his_lane_has_moved_goes_on_waiting() {
        let mut places = Places::default();
        let place = places.take(Some(Waker::noop()));
        assert!(places.tell(place, Told::Orphaned).is_some());
        assert!(places.tell(place, Told::Moved).is_none());
        assert!(matches!(poll(&mut places, place), Poll::Ready(Told::Moved)));
        assert!(poll(&mut places, place).is_pending());
        assert!(places.tell(place, Told::Reply(Value::Okay)).is_some());
        assert!(poll(&mut places, place).is_ready());
        assert!(are_all_free(&places));
    }

    #[test]
    fn a_crowd_leaves_little_behind() {
        let mut places = Places::default();
        let taken: Vec<_> = (0..=KEPT).map(|_| places.take(None)).collect();
        for place in taken {
            let _ = places.tell(place, Told::NotSent);
            assert!(poll(&mut places, place).is_ready());
        }
        assert_eq!(places.places.capacity(), 0);
    }
}
