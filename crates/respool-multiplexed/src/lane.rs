use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, Value};
use respool_connect::{Dialler, LaneOfPool, Ledger, Link, RedisDial, send_pipeline};
use respool_core::{
    CloseReason, CommandError, Deadline, Lane, PoolConfig, PoolError, TimeoutKind, Whereabouts,
};
use tokio::runtime::{Handle, Id};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::lane_set::LaneSet;
use crate::shared_connection::SharedConnection;
use crate::slots::{ExclusiveSlots, MakesRoom};

/// How long a newcomer waits for a lane to be opened beside those that are held up. Longer, and it
/// may as well wait with their commands.
const BESIDE_WITHIN: Duration = Duration::from_millis(100);

/// How long a lane of which nothing was heard for long may take to answer where the user set no limit.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// The shared connections of a pool: one for each runtime that asks, up to
/// `lanes`, and beside it as many as large replies hold up, while slots are free and nobody waits for one.
///
/// One for each runtime, because its driver is a task: a runtime that nobody drives must hold up
/// nobody else (LIFE-5), and within one runtime no wake-up has to cross threads.
pub(crate) struct Lanes {
    slots: ExclusiveSlots<RedisDial>,
    ledger: Arc<Ledger>,
    dialler: Dialler<RedisDial>,
    most: usize,
    max_size: usize,
    get_timeout: Option<Duration>,
    response_timeout: Option<Duration>,
    set: Mutex<LaneSet>,
    /// Told whenever an attempt to open a connection ends.
    opened: Notify,
}

/// What the pool holds of its [`Lanes`].
pub(crate) struct LanesHandle {
    lanes: Arc<Lanes>,
}

impl LanesHandle {
    /// Lanes that take their slots and connections from where the pool takes its own.
    pub(crate) fn new(
        config: &PoolConfig,
        slots: ExclusiveSlots<RedisDial>,
        ledger: Arc<Ledger>,
        dialler: Dialler<RedisDial>,
    ) -> Self {
        LanesHandle {
            lanes: Arc::new(Lanes {
                slots,
                ledger,
                dialler,
                most: config.lanes_of(config.max_size),
                max_size: config.max_size,
                get_timeout: config.get_timeout,
                response_timeout: config.response_timeout,
                set: Mutex::default(),
                opened: Notify::new(),
            }),
        }
    }

    /// For callers in line for a slot, who may take one from a lane that rests.
    pub(crate) fn as_room(&self) -> Weak<dyn MakesRoom> {
        let lanes: Arc<dyn MakesRoom> = self.lanes.clone();
        Arc::downgrade(&lanes)
    }
}

impl Lanes {
    async fn send<T>(
        self: &Arc<Self>,
        name: impl Fn() -> String,
        send: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
        unfit: impl FnOnce(&T) -> bool,
    ) -> RedisResult<T> {
        let Ok(here) = Handle::try_current().map(|here| here.id()) else {
            return Err(PoolError::NoRuntime.into());
        };
        let in_flight = loop {
            let in_flight = match self.ready(here) {
                Some(in_flight) => in_flight,
                None => {
                    let deadline = Deadline::after(self.get_timeout);
                    match deadline.limit(self.connection(here, deadline)).await {
                        Some(in_flight) => in_flight?,
                        None => return Err(self.timed_out(deadline).into()),
                    }
                }
            };
            if !in_flight.is_to_be_asked {
                break in_flight;
            }
            if self.answers(&in_flight.connection).await {
                in_flight.heard.set(true);
                break in_flight;
            }
        };
        let connection = &in_flight.connection;
        // Dropped here: the redis crate discards the reply, and the lane goes on.
        let request = send(connection.handle.clone());
        let reply = match self.response_timeout {
            None => request.await,
            Some(limit) => match tokio::time::timeout(limit, request).await {
                Ok(reply) => reply,
                Err(_) => {
                    self.retire(connection, CloseReason::TimedOut);
                    return Err(CommandError::no_reply(name(), limit).into());
                }
            },
        };
        in_flight.heard.set(true);
        match reply {
            Ok(reply) => {
                if unfit(&reply) {
                    self.leave(connection, CloseReason::NodeUnfit);
                }
                Ok(reply)
            }
            Err(error) if is_lost(&error) => {
                self.retire(connection, CloseReason::Broken);
                Err(CommandError::lost(name(), connection.explain(error)).into())
            }
            Err(error) => {
                if respool_core::error_says_unfit(&error) {
                    self.leave(connection, CloseReason::NodeUnfit);
                }
                Err(error)
            }
        }
    }

    /// Whether a lane answers of which nothing was heard for long. If not, it is replaced.
    async fn answers(&self, connection: &Arc<SharedConnection>) -> bool {
        let mut handle = connection.handle.clone();
        let ping = redis::cmd("PING");
        let limit = self.response_timeout.unwrap_or(ANSWER_WITHIN);
        let answered = tokio::time::timeout(limit, handle.send_packed_command(&ping)).await;
        let reason = match answered {
            Ok(Ok(_)) => return true,
            Ok(Err(_)) => CloseReason::Broken,
            Err(_) => CloseReason::TimedOut,
        };
        self.retire(connection, reason);
        false
    }

    /// The lane of runtime `here`, if it is open and well: all that steady work needs.
    fn ready(&self, here: Id) -> Option<InFlight<'_>> {
        let free = {
            let set = self.set();
            if set.is_closed {
                return None;
            }
            set.free(here, || !self.slots.has_queue()).cloned()
        }?;
        self.begin(free)
    }

    /// Counts a newcomer's command under way on `lane`, unless that turns out to have ended.
    fn begin(&self, lane: Arc<SharedConnection>) -> Option<InFlight<'_>> {
        match lane.begin(self.response_timeout) {
            Some(is_to_be_asked) => Some(InFlight::new(lane, self, is_to_be_asked)),
            None => {
                self.forget(&lane);
                None
            }
        }
    }

    /// A connection that many share, opened where there is none. Dropping it loses nothing.
    async fn connection(
        self: &Arc<Self>,
        here: Id,
        deadline: Deadline,
    ) -> Result<InFlight<'_>, PoolError> {
        let mut beside_until = Instant::now() + BESIDE_WITHIN;
        loop {
            let changed = self.opened.notified();
            match self.choose(here, Instant::now() < beside_until)? {
                Choice::Use(lane) => {
                    if let Some(in_flight) = self.begin(lane) {
                        return Ok(in_flight);
                    }
                }
                Choice::Open(turn) => self.open(turn, here, deadline).await?,
                Choice::OpenBeside(turn, permit) => {
                    let _caller = self.ledger.caller();
                    let slots = self.slots.clone();
                    let fill = async move { slots.fill(permit).await };
                    match timeout_at(beside_until, self.ledger.attempt(fill)).await {
                        Ok(Some(Ok((link, permit)))) => {
                            // Used at once: it makes room for others when its first command ends.
                            let lane = self.add(link, permit, here);
                            if let Some(in_flight) = lane.and_then(|lane| self.begin(lane)) {
                                return Ok(in_flight);
                            }
                        }
                        // Whatever the reason, a lane that is held up is better than none.
                        Ok(Some(Err(_)) | None) | Err(_) => beside_until = Instant::now(),
                    }
                    drop(turn);
                }
                Choice::Wait => changed.await,
                Choice::WaitForOneBeside => {
                    // When that takes too long, the next choice is another.
                    let _ = timeout_at(beside_until, changed).await;
                }
            }
        }
    }

    /// Opens a lane in a task of its own: others wait for it, and must not depend on whether this caller
    /// is polled. Dropping it changes nothing.
    async fn open(
        self: &Arc<Self>,
        turn: Turn,
        here: Id,
        deadline: Deadline,
    ) -> Result<(), PoolError> {
        let opening = self.ledger.clone().spawn_attempt(async move {
            let lanes = &turn.lanes;
            let _caller = lanes.ledger.caller();
            let taken = tokio::select! {
                taken = deadline.limit(lanes.slots.take_apart()) => taken,
                () = lanes.ledger.closed() => return Err(PoolError::Closed),
                () = lanes.ledger.give_up_attempts_left() => None,
            };
            let (link, permit) = taken.ok_or_else(|| lanes.timed_out(deadline))??;
            lanes.add(link, permit, here);
            Ok(())
        });
        match opening.await {
            Ok(Some(opened)) => opened,
            // Given up, since this runtime was left for a while: whoever still wants it begins anew.
            Ok(None) => Ok(()),
            // Its runtime is ending.
            Err(_) => {
                tokio::task::yield_now().await;
                Ok(())
            }
        }
    }

    fn choose(self: &Arc<Self>, here: Id, waits_for_one_beside: bool) -> Result<Choice, PoolError> {
        // Whoever is in line for a slot comes first: what stands beside a lane gets no newcomers,
        // comes to rest, and makes room.
        let may_go_beside = !self.slots.has_queue();
        let mut set = self.set();
        if set.is_closed {
            return Err(PoolError::Closed);
        }
        if let Some(free) = set.free(here, || may_go_beside) {
            return Ok(Choice::Use(free.clone()));
        }
        let held_up = set.least_busy(here, may_go_beside).cloned();
        match held_up {
            Some(held_up) if !may_go_beside || !waits_for_one_beside => Ok(Choice::Use(held_up)),
            Some(_) if set.is_opening(here) => Ok(Choice::WaitForOneBeside),
            None if set.is_opening(here) => Ok(Choice::Wait),
            Some(held_up) => match self.slots.try_permit() {
                Some(permit) => Ok(Choice::OpenBeside(self.turn(&mut set, here), permit)),
                None => {
                    drop(set);
                    self.choose_again_with_room(here, held_up)
                }
            },
            // Where other runtimes have all the lanes, one that rests makes room; else one is shared.
            None => match set.any_of(self.most).cloned() {
                Some(any) => {
                    // Nor do large replies of other runtimes hold anybody up, while there is room.
                    if any.is_receiving_large_reply()
                        && waits_for_one_beside
                        && may_go_beside
                        && let Some(permit) = self.slots.try_permit()
                    {
                        return Ok(Choice::OpenBeside(self.turn(&mut set, here), permit));
                    }
                    drop(set);
                    self.choose_again_with_room(here, any)
                }
                None => Ok(Choice::Open(self.turn(&mut set, here))),
            },
        }
    }

    /// Chooses anew if a lane that rests could be closed; else `shared` must do.
    fn choose_again_with_room(
        self: &Arc<Self>,
        here: Id,
        shared: Arc<SharedConnection>,
    ) -> Result<Choice, PoolError> {
        match self.retire_one_that_rests(CloseReason::MadeRoom) {
            true => self.choose(here, true),
            false => Ok(Choice::Use(shared)),
        }
    }

    fn turn(self: &Arc<Self>, set: &mut LaneSet, home: Id) -> Turn {
        set.begin_opening(home);
        Turn {
            lanes: self.clone(),
            home,
        }
    }

    /// A lane on `link`, if that is fit for one.
    fn add(
        &self,
        mut link: <RedisDial as respool_connect::Dial>::Link,
        permit: OwnedSemaphorePermit,
        home: Id,
    ) -> Option<Arc<SharedConnection>> {
        if let respool_connect::Glance::Unfit(reason) = link.glance() {
            link.condemn(reason);
            return None;
        }
        let connection = Arc::new(SharedConnection::new(link.into_shared()?, permit, home));
        let mut set = self.set();
        if set.is_closed {
            drop(set);
            connection.retire(CloseReason::PoolClosed);
            return None;
        }
        set.add(connection.clone());
        Some(connection)
    }

    /// Closes a lane that has nothing to do, if there is one.
    fn retire_one_that_rests(&self, reason: CloseReason) -> bool {
        let open = self.set().newest_first();
        let rested = open.iter().find(|open| open.retire_if_idle(reason));
        if let Some(rested) = rested {
            self.forget(rested);
        }
        rested.is_some()
    }

    /// Has a lane end with what is under way on it, where all connections are lanes that never rest: no holder
    /// will give back another.
    fn free_one_of_all(&self) {
        let chosen = {
            let set = self.set();
            match set.newest() {
                Some(newest) if set.len() >= self.max_size => newest.clone(),
                _ => return,
            }
        };
        self.leave(&chosen, CloseReason::MadeRoom);
    }

    /// It takes no newcomers from now on; what is under way on it goes on.
    fn leave(&self, connection: &Arc<SharedConnection>, reason: CloseReason) {
        self.forget(connection);
        connection.leave(reason);
    }

    fn retire(&self, connection: &Arc<SharedConnection>, reason: CloseReason) {
        self.forget(connection);
        connection.retire(reason);
    }

    fn forget(&self, connection: &Arc<SharedConnection>) {
        self.set().forget(connection);
    }

    fn timed_out(&self, deadline: Deadline) -> PoolError {
        let phase = match self.ledger.is_exhausted() {
            true => TimeoutKind::Wait,
            false => TimeoutKind::Connect,
        };
        PoolError::timeout(
            phase,
            deadline.waited(),
            self.ledger.status(),
            self.dialler.last_error(),
        )
    }

    fn set(&self) -> MutexGuard<'_, LaneSet> {
        self.set
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Lane for LanesHandle {
    fn request<'a>(&'a self, command: &'a Cmd, _: &'a mut Whereabouts) -> RedisFuture<'a, Value> {
        Box::pin(self.lanes.send(
            || respool_core::command_name(command),
            async |mut connection| connection.send_packed_command(command).await,
            respool_core::reply_says_unfit,
        ))
    }

    fn request_pipeline<'a>(
        &'a self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
        _: &'a mut Whereabouts,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(self.lanes.send(
            || respool_core::pipeline_name(pipeline),
            async move |mut connection| {
                send_pipeline(&mut connection, pipeline, offset, count).await
            },
            |replies| respool_core::replies_say_unfit(pipeline, replies),
        ))
    }
}

impl LaneOfPool for LanesHandle {
    fn lane(&self) -> &dyn Lane {
        self
    }

    fn refuse_newcomers(&self) {
        self.lanes.set().is_closed = true;
        while self.lanes.retire_one_that_rests(CloseReason::PoolClosed) {}
        self.lanes.opened.notify_waiters();
    }

    fn close_now(&self) {
        let open = {
            let mut set = self.lanes.set();
            set.is_closed = true;
            set.forget_all()
        };
        for connection in open {
            connection.retire(CloseReason::PoolClosed);
        }
        self.lanes.opened.notify_waiters();
    }
}

impl MakesRoom for Lanes {
    fn make_room(&self) {
        if !self.retire_one_that_rests(CloseReason::MadeRoom) {
            self.free_one_of_all();
        }
    }
}

enum Choice {
    Use(Arc<SharedConnection>),
    Open(Turn),
    /// Open another, in a slot that is free, beside those that are held up.
    OpenBeside(Turn, OwnedSemaphorePermit),
    /// Somebody on this runtime is opening one.
    Wait,
    /// The same, beside those that are held up.
    WaitForOneBeside,
}

/// The right to open a connection on one runtime. However the attempt ends, others hear of it.
struct Turn {
    lanes: Arc<Lanes>,
    home: Id,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.lanes.set().end_opening(self.home);
        self.lanes.opened.notify_waiters();
    }
}

/// A command under way on a shared connection, until it ends or is given up.
struct InFlight<'a> {
    connection: Arc<SharedConnection>,
    lanes: &'a Lanes,
    /// Whether its reply came.
    heard: Cell<bool>,
    /// Nothing was heard from the connection for long.
    is_to_be_asked: bool,
}

impl<'a> InFlight<'a> {
    fn new(connection: Arc<SharedConnection>, lanes: &'a Lanes, is_to_be_asked: bool) -> Self {
        InFlight {
            connection,
            lanes,
            heard: Cell::new(false),
            is_to_be_asked,
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if self.connection.end(self.heard.get()) > 0 {
            if self.lanes.slots.has_queue() {
                self.lanes.free_one_of_all();
            }
            return;
        }
        if self.lanes.ledger.is_closed() {
            self.lanes.retire_one_that_rests(CloseReason::PoolClosed);
        } else if self.lanes.slots.has_queue() {
            self.lanes.make_room();
        }
    }
}

fn is_lost(error: &RedisError) -> bool {
    error.is_io_error() || error.kind() == ErrorKind::Parse
}
