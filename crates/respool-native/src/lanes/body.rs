use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use redis::{RedisResult, Value};
use respool_core::Connection;

use super::places::{News, Place, Told};
use super::unsent::{Entry, LARGE, Outgoing, Unsent};
use crate::connection::NativeConnection;

/// A lane, as far as its callers needn't lock it: they share [`super::Traffic`].
pub(crate) struct Body {
    pub(crate) number: u64,
    /// `None` once the lane has ended.
    core: Mutex<Option<Core>>,
    /// Its driver waits for the socket, and has to be woken for anything else.
    pub(crate) is_parked: AtomicBool,
    /// Commands and pipelines that were handed to the writer and not answered.
    pub(crate) in_flight: AtomicUsize,
    /// Replies that they still wait for.
    pub(crate) owed: AtomicU64,
    /// A large reply is arriving, which holds up those behind it.
    pub(crate) is_receiving_large: AtomicBool,
    /// A large command is on its way out, and the socket takes no more of it for now.
    pub(crate) is_sending_large: AtomicBool,
    /// How often its driver had a turn.
    pub(crate) turns: AtomicU64,
}

/// What only one at a time has to do with: the connection and what is on its way over it.
pub(crate) struct Core {
    pub(crate) connection: Box<NativeConnection>,
    /// Which driver is the present one.
    pub(crate) epoch: u32,
    pub(crate) in_flight: VecDeque<Entry>,
    pub(crate) outgoing: Outgoing,
    /// How many of those in flight were written together, and since when they are under way.
    batches: VecDeque<(usize, Instant)>,
    /// Since when nothing is under way, or the last that was.
    pub(crate) quiet_since: Instant,
}

impl Body {
    pub(crate) fn new(number: u64, connection: Box<NativeConnection>) -> Self {
        Body {
            number,
            core: Mutex::new(Some(Core {
                connection,
                epoch: 0,
                in_flight: VecDeque::new(),
                outgoing: Outgoing::default(),
                batches: VecDeque::new(),
                quiet_since: Instant::now(),
            })),
            is_parked: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            owed: AtomicU64::new(0),
            is_receiving_large: AtomicBool::new(false),
            is_sending_large: AtomicBool::new(false),
            turns: AtomicU64::new(0),
        }
    }

    /// To be locked before the traffic, where both are.
    pub(crate) fn core(&self) -> MutexGuard<'_, Option<Core>> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same unless somebody has it.
    pub(crate) fn try_core(&self) -> Option<MutexGuard<'_, Option<Core>>> {
        self.core.try_lock().ok()
    }

    /// Whether its driver is to be woken for something new. It is, at most once.
    pub(crate) fn must_be_woken(&self) -> bool {
        self.is_parked.load(Ordering::Acquire) && self.is_parked.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) == 0
    }

    pub(crate) fn note(&self, core: &Core) {
        self.owed.store(core.connection.owed(), Ordering::Relaxed);
        self.in_flight
            .store(core.in_flight.len(), Ordering::Release);
    }

    /// What a write has left.
    pub(crate) fn note_unwritten(&self, core: &Core) {
        self.is_sending_large
            .store(core.outgoing.has_large(), Ordering::Relaxed);
    }
}

impl Core {
    pub(crate) fn is_quiet(&self) -> bool {
        self.in_flight.is_empty() && self.outgoing.is_empty()
    }

    /// Before something is sent on a connection on which nothing is under way: whether it has ended,
    /// or said something that nobody asked for. True: it said something else, such as a message, and
    /// the socket doesn't know any more that it is to wake the driver.
    pub(crate) fn look(&mut self) -> RedisResult<bool> {
        if !self.is_quiet() {
            return Ok(false);
        }
        let wire = self.connection.wire();
        let heard = wire.heard();
        wire.look()?;
        Ok(wire.heard() != heard)
    }

    /// Takes over what waits to be sent.
    pub(crate) fn take(&mut self, unsent: &mut Unsent, now: Instant) {
        self.batches.push_back((unsent.entries.len(), now));
        self.connection.wire().owe(unsent.take_count());
        unsent.move_to(&mut self.outgoing, &mut self.in_flight);
    }

    /// Writes what is on its way. Where that fails, replies that have come before are still read.
    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<RedisResult<()>> {
        let flushed = self.poll_write(context);
        if let Poll::Ready(Err(_)) = &flushed {
            self.connection.wire().hear_out();
        }
        flushed
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<RedisResult<()>> {
        let wire = self.connection.wire();
        while let Some(rest) = self.outgoing.rest() {
            let count = ready!(wire.poll_write(rest, context))?;
            self.outgoing.wrote(count);
        }
        wire.poll_flush(context)
    }

    /// Reads what has come, and notes in `news` what those who asked for it are to be told; says how
    /// many replies there were.
    pub(crate) fn read(
        &mut self,
        now: Instant,
        context: &mut Context<'_>,
        news: &mut News,
    ) -> usize {
        let in_flight = &mut self.in_flight;
        let wire = self.connection.wire();
        let (mut replies, before) = (0, in_flight.len());
        // Until there is a reply: where only a message came, the socket is to wake the driver again.
        while replies == 0 && matches!(wire.poll_arrival(context), Poll::Ready(Ok(()))) {
            loop {
                while let Some(text) = wire.take_text() {
                    replies += 1;
                    let length = wire.take_length();
                    match in_flight.front() {
                        Some(entry) if entry.replies.is_none() && length <= LARGE => {
                            news.texts.push((entry.place, text));
                            in_flight.pop_front();
                        }
                        _ => news
                            .others
                            .extend(answer(in_flight, Value::BulkString(text), length)),
                    }
                }
                let Ok(Some(value)) = wire.take_reply() else {
                    break;
                };
                replies += 1;
                news.say_unfit |= respool_core::reply_says_unfit(&value);
                let length = wire.take_length();
                news.others.extend(answer(in_flight, value, length));
            }
        }
        let ended = before - in_flight.len();
        self.count_answered(ended, now);
        replies
    }

    fn count_answered(&mut self, mut ended: usize, now: Instant) {
        if ended > 0 {
            self.quiet_since = now;
        }
        while ended > 0
            && let Some((count, _)) = self.batches.front_mut()
        {
            let some = ended.min(*count);
            *count -= some;
            ended -= some;
            if *count == 0 {
                self.batches.pop_front();
            }
        }
    }

    /// Since when the first of those in flight waits for its reply.
    pub(crate) fn waits_since(&self) -> Option<Instant> {
        self.batches.front().map(|(_, since)| *since)
    }

    /// Those in flight, in order, each with whether anything of it may have been written.
    pub(crate) fn under_way(&mut self) -> Vec<(Entry, bool)> {
        let mut unwritten = self.outgoing.unwritten();
        let mut entries = Vec::with_capacity(self.in_flight.len());
        for entry in self.in_flight.drain(..).rev() {
            let is_unwritten = entry.length <= unwritten;
            unwritten = unwritten.saturating_sub(entry.length);
            entries.push((entry, !is_unwritten));
        }
        entries.reverse();
        entries
    }

    /// The connection as one that others may take out, with what is still to be done.
    pub(crate) fn into_connection(mut self) -> Box<NativeConnection> {
        while let Some(rest) = self.outgoing.rest() {
            let count = rest.len();
            self.connection.wire().send_packed(rest, 0);
            self.outgoing.wrote(count);
        }
        if !self.in_flight.is_empty() {
            self.connection.owe_reply();
        }
        self.connection
    }
}

/// What the first of those in flight is told, if `value` was the last that it waited for.
fn answer(in_flight: &mut VecDeque<Entry>, value: Value, length: usize) -> Option<(Place, Told)> {
    let entry = in_flight.front_mut()?;
    let place = entry.place;
    let told = match &mut entry.replies {
        None if length > LARGE => Told::LargeReply(value),
        None => Told::Reply(value),
        Some(replies) => {
            replies.values.push(value);
            replies.missing -= 1;
            if replies.missing > 0 {
                return None;
            }
            Told::Replies(std::mem::take(&mut replies.values))
        }
    };
    in_flight.pop_front();
    Some((place, told))
}

/// How long a lane keeps its connection while nothing is under way.
pub(crate) const REST: Duration = Duration::from_millis(50);
