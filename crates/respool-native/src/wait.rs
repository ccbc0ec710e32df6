use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use respool_connect::Glance;
use respool_core::{
    CloseReason, Connection, Deadline, Line, PlaceInLine, PoolError, Taken, TimeoutKind,
};
use tokio::runtime::{Handle, Id};

use crate::backend::Native;
use crate::connection::NativeConnection;
use crate::queue::{Found, LOOK_AGAIN, Left, Word};
use crate::shared::Shared;
use crate::slots::Joined;
use crate::{homes, places};

use crate::places::Place;

impl Line for Native {
    fn poll_take<'a>(
        &'a self,
        place: &mut Option<PlaceInLine>,
        limit: Option<Duration>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Taken<'a>, PoolError>> {
        let Some(known) = place else {
            return self.poll_join(place, limit, context);
        };
        let Some(known) = known.of::<Place>() else {
            debug_assert!(false, "a place in another line");
            return Poll::Ready(Err(PoolError::Closed));
        };
        match self.shared.ask(known, context) {
            Asked::Wait => Poll::Pending,
            Asked::Refused(error) => {
                if let Some(place) = place.take() {
                    self.leave(place);
                }
                Poll::Ready(Err(error))
            }
            Asked::Told(word) => {
                let deadline = known.deadline();
                if let Some(own) = place.take().and_then(PlaceInLine::into) {
                    places::put_by(own);
                }
                Poll::Ready(self.answer(word, || Deadline::ending(deadline, limit)))
            }
        }
    }

    fn leave(&self, place: PlaceInLine) {
        if let Some(place) = place.of::<Place>() {
            self.shared.leave(place);
        }
    }
}

impl Native {
    /// Joins the line, unless there is something to be had at once.
    #[inline(never)]
    fn poll_join<'a>(
        &'a self,
        place: &mut Option<PlaceInLine>,
        limit: Option<Duration>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Taken<'a>, PoolError>> {
        let (deadline, is_new_tick) = self.shared.clock.deadline(limit);
        // One that is idle and not warm takes no place.
        if !self.shared.is_crowded()
            && let Some(connection) = self.shared.pop()
        {
            return Poll::Ready(self.answer(Word::Given(connection), || deadline));
        }
        let Some(here) = homes::here(context.waker()) else {
            return Poll::Ready(match self.shared.pop() {
                Some(connection) => self.answer(Word::Given(connection), || deadline),
                None => Err(PoolError::NoRuntime),
            });
        };
        let own = places::take(deadline.at(), context.waker());
        match self.shared.join(&own, here, false) {
            Ok(()) => {
                *place = Some(PlaceInLine::new(own));
                // In a crowd, once a tick is enough to see that its runtime drives it.
                if is_new_tick || !self.upkeep.runs() {
                    self.upkeep.ensure_at(deadline.started());
                }
                Poll::Pending
            }
            Err(Unjoined::Word(word)) => Poll::Ready(self.answer(word, || deadline)),
            Err(Unjoined::NoRuntime) => Poll::Ready(Err(PoolError::NoRuntime)),
        }
    }

    fn answer(
        &self,
        word: Word<Box<NativeConnection>>,
        deadline: impl FnOnce() -> Deadline,
    ) -> Result<Taken<'_>, PoolError> {
        match word {
            Word::Given(mut connection) => {
                match self.shared.is_warm(&mut connection) && self.upkeep.runs() {
                    true => Ok(Taken::Connection(connection)),
                    false => Ok(self.see_to(connection, deadline())),
                }
            }
            Word::Failed(error) => Err((*error).into()),
            Word::Closed => Err(PoolError::Closed),
            Word::TooLate => Err(self.shared.timed_out(deadline())),
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
        let checks = AtomicBool::new(false);
        let taken = self.shared.take_fit_noting(first, deadline, &checks);
        let taken = pin!(deadline.limit(taken));
        // Who is not in line is told of the end by nobody else.
        let closed = pin!(self.shared.ledger.closed());
        match select(closed, taken).await {
            Either::Left(((), _)) => Err(PoolError::Closed),
            Either::Right((Some(Ok(connection)), _)) => Ok(connection),
            Either::Right((Some(Err(error)), _)) => Err(error),
            Either::Right((None, _)) if checks.load(Ordering::Relaxed) => {
                Err(self.shared.timed_out_in(TimeoutKind::Check, deadline))
            }
            Either::Right((None, _)) => Err(self.shared.timed_out(deadline)),
        }
    }
}

impl Shared {
    pub(crate) fn timed_out(&self, deadline: Deadline) -> PoolError {
        let status = self.status();
        let renewing;
        let (last_error, dials) = {
            let slots = self.slots();
            renewing = slots.renewals.len();
            (slots.last_error.clone(), slots.dialling_in_all() > 0)
        };
        // A holder whose connection is being replaced has his slot all the time.
        let phase = if status.in_use + renewing >= status.max_size {
            TimeoutKind::Wait
        } else if dials || status.connecting > 0 || last_error.is_some() {
            TimeoutKind::Connect
        } else {
            TimeoutKind::Check
        };
        PoolError::timeout(phase, deadline.waited(), status, last_error)
    }

    /// The same where it is known what ran out.
    pub(crate) fn timed_out_in(&self, phase: TimeoutKind, deadline: Deadline) -> PoolError {
        let last_error = self.slots().last_error.clone();
        PoolError::timeout(phase, deadline.waited(), self.status(), last_error)
    }
}

impl Shared {
    /// Takes connections, `first` before others, until one is fit. Whatever it holds when it is dropped
    /// goes back.
    pub(crate) async fn take_fit(
        self: &Arc<Self>,
        first: Option<Box<NativeConnection>>,
        deadline: Deadline,
    ) -> Result<Box<NativeConnection>, PoolError> {
        let checks = AtomicBool::new(false);
        self.take_fit_noting(first, deadline, &checks).await
    }

    /// The same; `checks` tells whether it waits for one to answer.
    async fn take_fit_noting(
        self: &Arc<Self>,
        first: Option<Box<NativeConnection>>,
        deadline: Deadline,
        checks: &AtomicBool,
    ) -> Result<Box<NativeConnection>, PoolError> {
        let mut held = Held(first);
        if held.0.is_none() {
            held = Held(Some(self.wait(deadline).await?));
        }
        loop {
            let unfit = match held.glance() {
                Glance::Fit => None,
                Glance::Unfit(reason) => Some(reason),
                Glance::Unsettled => {
                    // One that is fit costs no wait.
                    if held.is_owed()
                        && let Some(other) = self.pop().and_then(|other| self.fit(other))
                    {
                        return Ok(other);
                    }
                    // Dropped here: it goes back and is settled by whoever takes it next.
                    checks.store(true, Ordering::Relaxed);
                    let is_settled = held.settle().await;
                    checks.store(false, Ordering::Relaxed);
                    match is_settled {
                        true => None,
                        false => Some(CloseReason::TimedOut),
                    }
                }
            };
            if let Some(reason) = unfit {
                held = Held(Some(self.wait_in_place_of(held, reason, deadline).await?));
            } else if let Some(mut connection) = held.0.take() {
                connection.lend();
                return Ok(connection);
            }
        }
    }

    async fn wait(
        self: &Arc<Self>,
        deadline: Deadline,
    ) -> Result<Box<NativeConnection>, PoolError> {
        let waiting = self.waiting(false, deadline);
        self.given(waiting.await?, deadline)
    }

    /// Waits for another connection than the one that he holds, which ends. He is the first in line before
    /// there is room for another: nobody who came later has it before him (GET-4).
    async fn wait_in_place_of(
        self: &Arc<Self>,
        mut held: Held,
        reason: CloseReason,
        deadline: Deadline,
    ) -> Result<Box<NativeConnection>, PoolError> {
        let mut waiting = pin!(self.waiting(true, deadline));
        let joined = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await;
        held.end(reason);
        let word = match joined {
            Poll::Ready(word) => word?,
            Poll::Pending => waiting.await?,
        };
        self.given(word, deadline)
    }

    fn waiting(self: &Arc<Self>, at_head: bool, deadline: Deadline) -> Waiting<'_> {
        Waiting {
            shared: self,
            place: None,
            at_head,
            deadline,
        }
    }

    fn given(
        &self,
        word: Word<Box<NativeConnection>>,
        deadline: Deadline,
    ) -> Result<Box<NativeConnection>, PoolError> {
        match word {
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
    fn glance(&mut self) -> Glance {
        let connection = self.0.as_mut();
        connection.map_or(Glance::Unfit(CloseReason::Broken), |it| it.glance())
    }

    fn is_owed(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|connection| connection.is_owed())
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

/// Why somebody didn't join the line.
enum Unjoined {
    /// There was something for him at once.
    Word(Word<Box<NativeConnection>>),
    NoRuntime,
}

impl Shared {
    /// Joins the line, and dials where that is needed; or why not. `home` is the runtime that the
    /// caller seems to be on.
    fn join(self: &Arc<Self>, place: &Arc<Place>, home: Id, at_head: bool) -> Result<(), Unjoined> {
        let mut slots = self.slots();
        let mut home = home;
        let deadline = place.deadline();
        if slots.idle.is_empty() {
            if slots.has_room()
                && let Some(error) = slots.refusal()
            {
                return Err(Unjoined::Word(Word::Failed(Box::new(error))));
            }
            // He may have entered another runtime, and what is spawned goes there.
            let spawns = deadline.is_some() && !slots.has_timekeeper(home);
            if spawns || slots.wants_one_more(home, 1) {
                let here = Handle::try_current().map_err(|_| Unjoined::NoRuntime)?;
                home = here.id();
            }
        }
        match slots.join(place, at_head) {
            Joined::Line => {}
            Joined::Served(connection) => {
                self.watch_idle(slots.idle.len());
                return Err(Unjoined::Word(Word::Given(connection)));
            }
            Joined::Closed => return Err(Unjoined::Word(Word::Closed)),
        }
        self.note_crowd();
        let keeper = match deadline {
            Some(at) => Some((home, at)),
            // It looks after what others have left undone, too.
            None => Handle::try_current()
                .ok()
                .map(|here| (here.id(), Instant::now() + LOOK_AGAIN)),
        };
        let keeper = keeper.map(|(home, at)| (home, slots.needs_timekeeper(home, at)));
        let dials = slots.needs_one_more(home);
        drop(slots);
        if let Some((home, timekeeper)) = keeper {
            self.keep_time(home, timekeeper);
        }
        if dials {
            self.dial(home);
        } else if let Some(lanes) = self.lanes() {
            lanes.make_room();
        }
        Ok(())
    }

    /// What the one at `place` was told. One who was roused may have to dial.
    fn ask(self: &Arc<Self>, place: &Place, context: &Context<'_>) -> Asked {
        match place.ask(context.waker()) {
            Found::Word(word) => return Asked::Told(word),
            Found::Nothing => return Asked::Wait,
            Found::Change => {}
        }
        let mut slots = self.slots();
        if slots.has_room() {
            if let Some(error) = slots.refusal() {
                drop(slots);
                // As he leaves, the next one is told.
                place.rouse();
                return Asked::Refused(error.into());
            }
            let Ok(here) = Handle::try_current().map(|here| here.id()) else {
                drop(slots);
                // What he can't make use of is passed on as he leaves.
                place.rouse();
                return Asked::Refused(PoolError::NoRuntime);
            };
            if slots.needs_one_more(here) {
                drop(slots);
                self.dial(here);
            }
        }
        Asked::Wait
    }

    fn leave(&self, place: &Place) {
        match place.leave() {
            Left::Waiting => self.slots().queue.left(),
            Left::Roused => {
                self.slots().queue.left();
                Shared::rouse_one_more(self.lock());
            }
            Left::Told(Word::Given(connection)) => Shared::take_back(connection),
            Left::Told(_) => {}
        }
    }
}

/// A caller that waits in line, as a future. Dropped, it leaves.
struct Waiting<'a> {
    shared: &'a Arc<Shared>,
    place: Option<Arc<Place>>,
    at_head: bool,
    deadline: Deadline,
}

impl Future for Waiting<'_> {
    type Output = Result<Word<Box<NativeConnection>>, PoolError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(place) = &self.place else {
            let home = Handle::current().id();
            let place = Arc::new(Place::new(self.deadline.at(), context.waker().clone()));
            return match self.shared.join(&place, home, self.at_head) {
                Ok(()) => {
                    self.place = Some(place);
                    Poll::Pending
                }
                Err(Unjoined::Word(word)) => Poll::Ready(Ok(word)),
                Err(Unjoined::NoRuntime) => Poll::Ready(Err(PoolError::NoRuntime)),
            };
        };
        match self.shared.ask(place, context) {
            Asked::Wait => Poll::Pending,
            Asked::Refused(error) => Poll::Ready(Err(error)),
            Asked::Told(word) => {
                self.place = None;
                Poll::Ready(Ok(word))
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.shared.leave(&place);
        }
    }
}
