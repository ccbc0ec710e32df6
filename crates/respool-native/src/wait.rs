use std::pin::Pin;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use respool_connect::Glance;
use respool_core::{CloseReason, Connection, Deadline, Line, PlaceInLine, PoolError, Taken};
use tokio::runtime::{Handle, Id};

use crate::backend::Native;
use crate::connection::NativeConnection;
use crate::queue::{Ticket, Word};
use crate::shared::Shared;
use crate::slots::Slots;

impl Line for Native {
    fn poll_take<'a>(
        &'a self,
        place: &mut Option<PlaceInLine>,
        limit: Option<Duration>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Taken<'a>, PoolError>> {
        match *place {
            None => {
                let mut slots = self.shared.slots();
                if let Some(mut connection) = self.shared.pop_from(&mut slots) {
                    drop(slots);
                    if connection.is_warm() && self.upkeep.runs() {
                        return Poll::Ready(Ok(Taken::Connection(connection)));
                    }
                    return Poll::Ready(Ok(self.see_to(connection, Deadline::after(limit))));
                }
                let Some(here) = slots.homes.here() else {
                    return Poll::Ready(Err(PoolError::NoRuntime));
                };
                let (deadline, is_new_tick) = slots.clock.deadline(limit);
                match self.shared.join(slots, here, false, deadline, context) {
                    Ok(ticket) => {
                        *place = Some(PlaceInLine {
                            number: ticket.place,
                            turn: ticket.turn,
                            deadline,
                        });
                        // In a crowd, once a tick is enough to see that its runtime drives it.
                        if is_new_tick || !self.upkeep.runs() {
                            self.upkeep.ensure_at(deadline.started());
                        }
                        Poll::Pending
                    }
                    Err(word) => Poll::Ready(self.answer(word, deadline)),
                }
            }
            Some(PlaceInLine {
                number,
                turn,
                deadline,
            }) => {
                let ticket = Ticket {
                    place: number,
                    turn,
                };
                match self.shared.ask(ticket, context) {
                    Asked::Wait => Poll::Pending,
                    Asked::Refused(error) => Poll::Ready(Err(error)),
                    Asked::Told(word) => {
                        *place = None;
                        Poll::Ready(self.answer(word, deadline))
                    }
                }
            }
        }
    }

    fn leave(&self, place: PlaceInLine) {
        self.shared.leave(Ticket {
            place: place.number,
            turn: place.turn,
        });
    }
}

impl Native {
    fn answer(
        &self,
        word: Word<Box<NativeConnection>>,
        deadline: Deadline,
    ) -> Result<Taken<'_>, PoolError> {
        match word {
            Word::Given(mut connection) => match connection.is_warm() {
                true => Ok(Taken::Connection(connection)),
                false => Ok(self.see_to(connection, deadline)),
            },
            Word::Failed(error) => Err((*error).into()),
            Word::Closed => Err(PoolError::Closed),
            Word::TooLate => Err(self.timed_out(deadline)),
        }
    }

    /// A connection that has been idle for a while, or is owed something.
    #[cold]
    fn see_to(&self, mut connection: Box<NativeConnection>, deadline: Deadline) -> Taken<'_> {
        self.upkeep.ensure();
        match connection.glance() {
            Glance::Fit => {
                connection.lend();
                Taken::Connection(connection)
            }
            _ => Taken::Later(Box::pin(self.take(Some(connection), deadline))),
        }
    }

    /// Takes connections, `first` before others, until one is fit. Whatever it holds when it is
    /// dropped goes back.
    pub(crate) async fn take(
        &self,
        first: Option<Box<NativeConnection>>,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        if Handle::try_current().is_err() {
            return Err(PoolError::NoRuntime);
        }
        match deadline.limit(self.take_fit(first, deadline)).await {
            Some(Ok(connection)) => Ok(connection),
            Some(Err(error)) => Err(error),
            None => Err(self.timed_out(deadline)),
        }
    }

    pub(crate) async fn take_fit(
        &self,
        first: Option<Box<NativeConnection>>,
        deadline: Deadline,
    ) -> Result<Box<NativeConnection>, PoolError> {
        let mut at_head = first.is_some();
        let mut first = Held(first);
        loop {
            let mut held = match first.0.take() {
                Some(connection) => Held(Some(connection)),
                None => Held(Some(self.wait(at_head, deadline).await?)),
            };
            at_head = true;
            match held.glance() {
                Glance::Fit => {}
                Glance::Unfit(reason) => {
                    held.end(reason);
                    continue;
                }
                Glance::Unsettled => {
                    // Dropped here: it goes back and is settled by whoever takes it next.
                    if !held.settle().await {
                        held.end(CloseReason::TimedOut);
                        continue;
                    }
                }
            }
            if let Some(mut connection) = held.0.take() {
                connection.lend();
                return Ok(connection);
            }
        }
    }

    async fn wait(
        &self,
        at_head: bool,
        deadline: Deadline,
    ) -> Result<Box<NativeConnection>, PoolError> {
        let waiting = Waiting {
            shared: &self.shared,
            ticket: None,
            at_head,
            deadline,
        };
        match waiting.await? {
            Word::Given(connection) => Ok(connection),
            Word::Failed(error) => Err((*error).into()),
            Word::Closed => Err(PoolError::Closed),
            Word::TooLate => Err(self.timed_out(deadline)),
        }
    }
}

/// A connection between the slots and its holder. Dropped, it goes back.
struct Held(Option<Box<NativeConnection>>);

impl Held {
    fn glance(&self) -> Glance {
        let connection = self.0.as_ref();
        connection.map_or(Glance::Unfit(CloseReason::Broken), |it| it.glance())
    }

    async fn settle(&mut self) -> bool {
        match &mut self.0 {
            Some(connection) => connection.settle().await,
            None => false,
        }
    }

    fn end(&mut self, reason: CloseReason) {
        if let Some(connection) = self.0.take() {
            connection.end(reason);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            Shared::take_back(connection);
        }
    }
}

enum Asked {
    Wait,
    Told(Word<Box<NativeConnection>>),
    /// Still in line, but a new attempt to connect would only fail again.
    Refused(PoolError),
}

impl Shared {
    /// Joins the line, and dials where that is needed; or what there was to be had instead.
    fn join(
        self: &Arc<Self>,
        mut slots: MutexGuard<'_, Slots<Box<NativeConnection>>>,
        home: Id,
        at_head: bool,
        deadline: Deadline,
        context: &Context<'_>,
    ) -> Result<Ticket, Word<Box<NativeConnection>>> {
        let has_room = slots.has_room();
        if has_room
            && slots.idle.is_empty()
            && let Some(error) = slots.refusal()
        {
            return Err(Word::Failed(Box::new(error)));
        }
        let ticket = slots.join(context.waker(), deadline.at(), at_head)?;
        let timekeeper = deadline.at().map(|at| slots.needs_timekeeper(home, at));
        let dials = has_room && slots.needs_one_more(home);
        drop(slots);
        if let Some(timekeeper) = timekeeper {
            self.keep_time(home, timekeeper);
        }
        if dials {
            self.dial(home);
        } else if let Some(lanes) = self.lanes() {
            lanes.make_room();
        }
        Ok(ticket)
    }

    /// What the holder of `ticket` was told. One who was roused may have to dial.
    fn ask(self: &Arc<Self>, ticket: Ticket, context: &Context<'_>) -> Asked {
        let mut slots = self.slots();
        if let Some(word) = slots.queue.ask(ticket, context.waker()) {
            return Asked::Told(word);
        }
        if slots.has_room() {
            if let Some(error) = slots.refusal() {
                return Asked::Refused(error.into());
            }
            let here = Handle::current().id();
            if slots.needs_one_more(here) {
                drop(slots);
                self.dial(here);
            }
        }
        Asked::Wait
    }

    fn leave(&self, ticket: Ticket) {
        let word = self.slots().queue.leave(ticket);
        if let Some(Word::Given(connection)) = word {
            Shared::take_back(connection);
        }
    }
}

/// A caller that waits in line, as a future. Dropped, it leaves.
struct Waiting<'a> {
    shared: &'a Arc<Shared>,
    ticket: Option<Ticket>,
    at_head: bool,
    deadline: Deadline,
}

impl Future for Waiting<'_> {
    type Output = Result<Word<Box<NativeConnection>>, PoolError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(ticket) = self.ticket else {
            let slots = self.shared.slots();
            let home = Handle::current().id();
            let joined = self
                .shared
                .join(slots, home, self.at_head, self.deadline, context);
            return match joined {
                Ok(ticket) => {
                    self.ticket = Some(ticket);
                    Poll::Pending
                }
                Err(word) => Poll::Ready(Ok(word)),
            };
        };
        match self.shared.ask(ticket, context) {
            Asked::Wait => Poll::Pending,
            Asked::Refused(error) => Poll::Ready(Err(error)),
            Asked::Told(word) => {
                self.ticket = None;
                Poll::Ready(Ok(word))
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.leave(ticket);
        }
    }
}
