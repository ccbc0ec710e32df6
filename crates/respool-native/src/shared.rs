use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard, OnceLock, Weak};
use std::time::Duration;

use respool_connect::{Glance, Ledger, Route};
use respool_core::{CloseReason, ConnectError, PoolConfig, PoolError, Status};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::clock::{Clock, Tick};
use crate::connection::NativeConnection;
use crate::dial_rate::DialRate;
use crate::lanes::Lanes;
use crate::queue::Word;
use crate::slots::lasting::{LastingSlots, Lock};
use crate::slots::{Returned, Slots};

/// The longest tick of an operating system's coarse clock. Limits below it are kept by the fine one.
const LONGEST_TICK: Duration = Duration::from_millis(20);

/// How many who wait look again when something has changed: as many as could make use of it, and
/// some more, for a runtime that nobody drives.
const ROUSED: usize = 32;

/// How many idle connections that have to be settled are passed over for one that hasn't.
const MOST_UNSETTLED: usize = 3;

/// What the pool and its connections share.
///
/// Idle connections hold it and it holds them: closing the pool, which its last handle does, lets
/// them go.
pub(crate) struct Shared {
    pub(crate) config: PoolConfig,
    pub(crate) route: Route,
    pub(crate) ledger: Arc<Ledger>,
    /// Whether a limit is so short that the coarse clock can't tell.
    pub(crate) needs_fine_clock: bool,
    pub(crate) dial_rate: DialRate,
    pub(crate) clock: Clock,
    slots: LastingSlots,
    min_idle: AtomicUsize,
    /// How many lanes there are, for those who ask without their lock.
    pub(crate) open_lanes: AtomicUsize,
    lanes: OnceLock<Weak<Lanes>>,
    /// Told of every connection that ends, or is no longer being opened or replaced, once the pool is
    /// closed.
    left: Notify,
    /// Told when somebody's time is up before a timekeeper would notice.
    pub(crate) hurry: Notify,
}

impl Shared {
    pub(crate) fn new(config: PoolConfig) -> Result<Arc<Self>, PoolError> {
        let is_short =
            |limit: Option<Duration>| limit.is_some_and(|limit| limit < 2 * LONGEST_TICK);
        Ok(Arc::new(Shared {
            route: Route::new(&config)?,
            ledger: Ledger::new(&config),
            needs_fine_clock: is_short(config.idle_timeout)
                || is_short(config.max_lifetime)
                || is_short(config.validate_after),
            dial_rate: DialRate::new(),
            clock: Clock::new(),
            slots: LastingSlots::new(config.max_size),
            min_idle: AtomicUsize::new(config.min_idle),
            open_lanes: AtomicUsize::new(0),
            lanes: OnceLock::new(),
            left: Notify::new(),
            hurry: Notify::new(),
            config,
        }))
    }

    /// The lock of the slots, which is there for as long as this is.
    #[inline]
    pub(crate) fn lock(&self) -> &'static Lock {
        self.slots.lock()
    }

    /// Whether callers seem to wait, who get what comes back before any newcomer.
    #[inline]
    pub(crate) fn is_crowded(&self) -> bool {
        self.slots.lock().is_crowded()
    }

    /// Whether `connection` can be handed out as it is.
    pub(crate) fn is_warm(&self, connection: &mut NativeConnection) -> bool {
        !self.needs_fine_clock && connection.is_warm(Tick::now())
    }

    /// Somebody waits from now on.
    pub(crate) fn note_crowd(&self) {
        self.slots.lock().note_crowd(true);
    }

    #[inline]
    pub(crate) fn slots(&self) -> MutexGuard<'static, Slots<Box<NativeConnection>>> {
        self.slots.lock().slots()
    }

    /// Makes the lanes known that take their connections from here.
    pub(crate) fn has_lanes(&self, lanes: &Arc<Lanes>) {
        let _ = self.lanes.set(Arc::downgrade(lanes));
    }

    /// The lanes, if there are any.
    pub(crate) fn lanes(&self) -> Option<Arc<Lanes>> {
        if self.open_lanes.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.lanes.get()?.upgrade()
    }

    /// What an attempt to open a connection would only say again, for now, if there is room for one.
    pub(crate) fn refusal(&self) -> Option<ConnectError> {
        let slots = self.slots();
        match slots.idle.is_empty() && slots.has_room() {
            true => slots.refusal(),
            false => None,
        }
    }

    /// Whether there are more connections than there may be from now on.
    pub(crate) fn is_oversized(&self) -> bool {
        let slots = self.slots();
        slots.open > slots.max_size
    }

    /// Whether anybody waits for a connection.
    pub(crate) fn has_line(&self) -> bool {
        !self.slots().queue.is_empty()
    }

    /// Whether a connection could be had at once, or opened, that nobody waits for.
    pub(crate) fn has_room_beside(&self) -> bool {
        let slots = self.slots();
        slots.queue.is_empty() && (!slots.idle.is_empty() || slots.has_room())
    }

    /// The idle connection that came back last. Waits for nothing.
    pub(crate) fn pop(&self) -> Option<Box<NativeConnection>> {
        self.pop_from(&mut self.slots())
    }

    /// The same if it can be handed out as it is; else it stays where it is.
    #[inline]
    pub(crate) fn pop_warm(&self, lock: &'static Lock) -> Option<Box<NativeConnection>> {
        if self.needs_fine_clock {
            return None;
        }
        // Nobody is to wait for what it costs to ask.
        let now = Tick::now();
        let mut slots = lock.slots();
        match slots.idle.last_mut()?.is_warm(now) {
            true => self.pop_from(&mut slots),
            false => None,
        }
    }

    #[inline]
    pub(crate) fn pop_from(
        &self,
        slots: &mut Slots<Box<NativeConnection>>,
    ) -> Option<Box<NativeConnection>> {
        let connection = slots.idle.pop()?;
        self.watch_idle(slots.idle.len());
        Some(connection)
    }

    /// An idle connection that can be handed out as it is, `connection` if it is one. Those that are to be
    /// settled first stay idle; it looks at a few of them at most.
    pub(crate) fn fit(
        &self,
        mut connection: Box<NativeConnection>,
    ) -> Option<Box<NativeConnection>> {
        let mut unsettled = Vec::new();
        let fit = loop {
            match connection.glance() {
                Glance::Fit => {
                    connection.lend();
                    break Some(connection);
                }
                Glance::Unfit(reason) => connection.end(reason),
                Glance::Unsettled => unsettled.push(connection),
            }
            if unsettled.len() > MOST_UNSETTLED {
                break None;
            }
            match self.pop() {
                Some(next) => connection = next,
                None => break None,
            }
        };
        // The warm end stays where it was.
        for connection in unsettled.into_iter().rev() {
            Shared::take_back(connection);
        }
        fit
    }

    /// Takes back a connection that is fit: to whoever waits first, or to the idle ones.
    pub(crate) fn take_back(connection: Box<NativeConnection>) {
        let lock = connection.lock();
        let mut slots = lock.slots();
        let returned = slots.take_back(connection);
        if let Returned::Kept = returned {
            lock.note_crowd(false);
            return;
        }
        drop(slots);
        Shared::settle_return(returned);
    }

    /// With nothing locked.
    #[inline(never)]
    pub(crate) fn settle_return(mut returned: Returned<Box<NativeConnection>>) {
        loop {
            match returned {
                Returned::Kept => return,
                Returned::For(first, connection) => {
                    let lock = connection.lock();
                    match first.tell(Word::Given(connection)) {
                        Ok(Some(waker)) => return waker.wake(),
                        Ok(None) => return Shared::rouse_one_more(lock),
                        Err(Word::Given(connection)) => {
                            returned = lock.slots().take_back_again(connection);
                        }
                        Err(_) => return,
                    }
                }
                Returned::Closed(connection) => return connection.end(CloseReason::PoolClosed),
                Returned::Surplus(connection) => return connection.end(CloseReason::Resized),
            }
        }
    }

    /// One who was roused makes no use of it, in slots that may be another pool's by now: whoever comes
    /// after him may.
    #[cold]
    pub(crate) fn rouse_one_more(lock: &'static Lock) {
        let roused = {
            let mut slots = lock.slots();
            match slots.has_room() {
                true => slots.queue.rouse(1),
                false => return,
            }
        };
        for waker in roused {
            waker.wake();
        }
    }

    /// A connection has ended: there is room for another, which those who wait may want.
    pub(crate) fn one_ended(&self) {
        let roused = {
            let mut slots = self.slots();
            slots.open -= 1;
            slots.queue.rouse(ROUSED)
        };
        for waker in roused {
            waker.wake();
        }
        self.tell_that_one_left();
        if self.ledger.keeps_some_idle() {
            self.ledger.want_upkeep();
        }
    }

    /// Takes note of a task, which closing the pool ends.
    pub(crate) fn note_task(&self, task: AbortHandle) {
        let mut slots = self.slots();
        if slots.closed {
            task.abort();
        }
        slots.tasks.retain(|task| !task.is_finished());
        slots.tasks.push(task);
    }

    /// Has those who wait look again: something changed that they may make use of.
    pub(crate) fn rouse(&self) {
        let roused = self.slots().queue.rouse(ROUSED);
        for waker in roused {
            waker.wake();
        }
    }

    /// The same where those who wait could open a connection.
    pub(crate) fn rouse_if_there_is_room(&self) {
        let has_room = self.slots().has_room();
        if has_room {
            self.rouse();
        }
    }

    pub(crate) fn watch_idle(&self, idle: usize) {
        if idle < self.min_idle.load(Ordering::Relaxed) {
            self.ledger.want_upkeep();
        }
    }

    pub(crate) fn min_idle(&self) -> usize {
        self.min_idle.load(Ordering::Relaxed)
    }

    /// A snapshot whose figures add up. The ledger knows how many there are, the slots who is idle.
    pub(crate) fn status(&self) -> Status {
        // What rests on a lane is idle, too.
        let resting = self.lanes().map_or(0, |lanes| lanes.resting());
        let slots = self.slots();
        let mut status = self.ledger.status();
        let open = status.idle + status.in_use;
        status.max_size = slots.max_size;
        status.idle = (slots.idle.len() + resting).min(open);
        status.in_use = open - status.idle;
        let waiting = slots.queue.len();
        // One for whom a connection is being opened is counted there. Holders whose connections are being
        // replaced wait for none.
        let for_others = status.connecting.saturating_sub(slots.renewals.len());
        status.waiting = waiting - waiting.min(for_others);
        status
    }

    /// Allows for another number of connections from now on.
    pub(crate) fn set_max_size(&self, max_size: usize) {
        self.min_idle
            .store(self.config.min_idle.min(max_size), Ordering::Relaxed);
        let surplus = {
            let mut slots = self.slots();
            slots.max_size = max_size;
            self.ledger.set_max_size(max_size);
            let surplus = slots.open.saturating_sub(max_size).min(slots.idle.len());
            // Those that were idle for longest.
            slots.idle.drain(..surplus).collect::<Vec<_>>()
        };
        for connection in surplus {
            connection.end(CloseReason::Resized);
        }
        self.rouse();
        self.ledger.want_upkeep();
    }

    /// Refuses newcomers and those who wait, and ends what nobody holds.
    pub(crate) fn shut(&self) {
        self.ledger.close();
        let (idle, tasks, told) = {
            let mut slots = self.slots();
            slots.closed = true;
            (
                std::mem::take(&mut slots.idle),
                std::mem::take(&mut slots.tasks),
                slots.queue.tell_all(|| Word::Closed),
            )
        };
        for task in tasks {
            task.abort();
        }
        self.ledger.give_up_attempts();
        for connection in idle {
            connection.end(CloseReason::PoolClosed);
        }
        for waker in told {
            waker.wake();
        }
    }

    /// Waits until no connection is left. Dropping it changes nothing.
    pub(crate) async fn unused(&self) {
        self.until(|slots| slots.open == 0).await;
    }

    /// Waits until none is being opened, nor that of a holder replaced. Dropping it changes nothing.
    pub(crate) async fn openings_ended(&self) {
        self.until(|slots| slots.dialling_in_all() == 0 && slots.renewals.is_empty())
            .await;
    }

    async fn until(&self, is_so: impl Fn(&Slots<Box<NativeConnection>>) -> bool) {
        loop {
            let left = self.left.notified();
            if is_so(&self.slots()) {
                return;
            }
            left.await;
        }
    }

    pub(crate) fn tell_that_one_left(&self) {
        if self.ledger.is_closed() {
            self.left.notify_waiters();
        }
    }
}
