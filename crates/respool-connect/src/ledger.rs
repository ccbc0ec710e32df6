mod attempts;
mod permits;
mod place;

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures_util::future::select;
use respool_core::{CloseReason, ClosedCounts, PoolConfig, Status};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::farewell::{Farewells, Parting};
use crate::lifetime::{Limits, Moment};
use attempts::Attempts;
pub(crate) use permits::Permit;
use permits::Permits;
pub use place::Place;

/// The account of a pool's connections. Every change of state is one step under one lock, so that
/// any snapshot adds up (SEE-1, SEE-4), and a connection holds one of `max_size` permits from
/// before its first byte until the server has let go of it (GET-2).
///
/// The lock guards counters only: nothing waits, calls out or drops a connection under it.
pub struct Ledger {
    max_size: AtomicUsize,
    min_idle: usize,
    limits: Limits,
    counts: Mutex<Counts>,
    permits: Arc<Permits>,
    attempts: Attempts,
    farewells: Farewells,
    /// Told of every connection that comes back or ends once the pool is closed.
    left: Notify,
    /// Told when the upkeep has something to do sooner than it knew.
    upkeep: Notify,
    phase: watch::Sender<Phase>,
}

#[derive(Default)]
struct Counts {
    idle: usize,
    in_use: usize,
    connecting: usize,
    /// Callers that are in `get` and don't have their connection yet.
    callers: usize,
    /// Those of them that hold a slot and need a new connection for it.
    askers: usize,
    opened: u64,
    closed: ClosedCounts,
    next_place: u64,
    open_now: HashMap<u64, Arc<Entry>>,
}

/// What ledger and [`Place`] both know of an open connection. Written under the lock of the counts.
struct Entry {
    closer: Arc<dyn CloseNow>,
    /// Taken when the connection has ended on this side.
    permit: Mutex<Option<Permit>>,
    expires_at: Option<Instant>,
    lent: AtomicBool,
    idle_since: Moment,
    /// The ledger ended it while it was idle: it is in no account any more.
    ended: AtomicBool,
    /// Its time ran out while it was lent.
    is_too_old: AtomicBool,
}

impl Entry {
    fn take_permit(&self) -> Option<Permit> {
        self.permit
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take()
    }
}

/// The life of a pool.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Phase {
    Open,
    Closed,
}

/// Something whose socket can be closed from anywhere, while somebody else uses it.
pub trait CloseNow: Send + Sync {
    /// Ends the connection now: the server sees it end, and whoever uses it gets an error.
    fn close_now(&self);

    /// Ends the connection while nobody uses it, and gives what is left of it.
    fn part(self: Arc<Self>) -> Parting;

    /// Whether it has ended already, while nobody used it. False where that can't be seen.
    fn has_ended(&self) -> bool {
        false
    }
}

impl Ledger {
    /// The ledger of a pool of `config`.
    pub fn new(config: &PoolConfig) -> Arc<Self> {
        Arc::new(Ledger {
            max_size: AtomicUsize::new(config.max_size),
            min_idle: config.min_idle,
            limits: Limits::new(config),
            counts: Mutex::default(),
            permits: Permits::new(config.max_size),
            attempts: Attempts::default(),
            farewells: Farewells::default(),
            left: Notify::new(),
            upkeep: Notify::new(),
            phase: watch::Sender::new(Phase::Open),
        })
    }

    /// The most connections that may exist.
    pub fn max_size(&self) -> usize {
        self.max_size.load(Ordering::Relaxed)
    }

    /// The fewest connections that are to be idle.
    pub fn min_idle(&self) -> usize {
        self.min_idle
    }

    /// A snapshot whose figures add up.
    pub fn status(&self) -> Status {
        self.farewells.sweep();
        let is_closed = self.is_closed();
        let counts = self.counts();
        let mut status = Status::default();
        status.max_size = self.max_size();
        status.idle = counts.idle;
        status.in_use = counts.in_use;
        status.connecting = counts.connecting;
        // A caller for whom a connection is being opened is counted there, not here.
        status.waiting = counts.callers - counts.askers.min(counts.connecting).min(counts.callers);
        status.opened = counts.opened;
        status.closed = counts.closed;
        status.is_closed = is_closed;
        status
    }

    /// Whether every slot has its connection handed out: who waits now waits for a slot.
    pub fn is_exhausted(&self) -> bool {
        self.counts().in_use >= self.max_size()
    }

    /// Whether a connection is open that nobody holds.
    pub fn has_idle(&self) -> bool {
        self.counts().idle > 0
    }

    /// Counts a caller of `get` until the guard is dropped.
    pub fn caller(self: &Arc<Self>) -> Caller {
        self.counts().callers += 1;
        Caller {
            ledger: self.clone(),
        }
    }

    /// Counts a caller that needs a new connection until the guard is dropped.
    pub(crate) fn asker(self: &Arc<Self>) -> AskerCount {
        self.counts().askers += 1;
        AskerCount {
            ledger: self.clone(),
        }
    }

    /// Waits until one more connection may exist at the server, and counts it as connecting until
    /// the [`Opening`] becomes a [`Place`] or is dropped. Dropping the future changes nothing.
    ///
    /// A connection that was closed makes room only when the server has let go of it: otherwise
    /// the server would see `max_size` and the newcomer. An [attempt](Ledger::attempt) on a runtime
    /// that nobody drives any more is given up for whoever waits here.
    pub async fn opening(self: &Arc<Self>) -> Opening {
        let mut left = pin!(self.attempts.give_up_those_left());
        let permit = loop {
            let freed = pin!(self.permits.freed());
            self.farewells.sweep();
            if let Some(permit) = self.permits.take() {
                break permit;
            }
            let ended = pin!(self.farewells.one_ends());
            select(select(freed, ended), left.as_mut()).await;
        };
        self.counts().connecting += 1;
        Opening {
            ledger: self.clone(),
            permit: Some(permit),
        }
    }

    /// Makes an attempt, such as to open a connection, so that from now on it can be given up for others
    /// when its runtime is left, with all that it holds: then there is no outcome. Dropping the future
    /// gives up, too.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn attempt<F>(&self, attempt: F) -> impl Future<Output = Option<F::Output>> + Send + use<F>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.attempts.make(attempt)
    }

    /// Makes it in a task of its own.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn spawn_attempt<F>(&self, attempt: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        tokio::spawn(self.attempts.make(attempt))
    }

    /// Gives up all attempts.
    pub fn give_up_attempts(&self) {
        self.attempts.give_up_all();
    }

    /// Gives up the [attempts](Ledger::attempt) of runtimes that nobody drives any more, again and again,
    /// for somebody who waits meanwhile. Never ends; dropping it changes nothing.
    pub async fn give_up_attempts_left(&self) {
        self.attempts.give_up_those_left().await;
    }

    /// Refuses newcomers from now on. Says whether the pool was open.
    pub fn close(&self) -> bool {
        let was_open = self
            .phase
            .send_if_modified(|phase| std::mem::replace(phase, Phase::Closed) == Phase::Open);
        self.upkeep.notify_one();
        was_open
    }

    /// Whether the pool was closed.
    pub fn is_closed(&self) -> bool {
        *self.phase.borrow() == Phase::Closed
    }

    /// Ends when the pool is closed. Dropping it changes nothing.
    pub async fn closed(&self) {
        // The sender lives as long as `self`.
        let _ = self
            .phase
            .subscribe()
            .wait_for(|phase| *phase == Phase::Closed)
            .await;
    }

    /// Waits until no connection is handed out or being opened. Dropping it changes nothing.
    pub async fn unused(&self) {
        loop {
            let left = self.left.notified();
            let (in_use, connecting) = {
                let counts = self.counts();
                (counts.in_use, counts.connecting)
            };
            if in_use == 0 && connecting == 0 {
                return;
            }
            left.await;
        }
    }

    /// Closes the socket of every connection, whoever uses it, and gives up those that are being opened.
    pub fn close_all_sockets(&self) {
        self.attempts.give_up_all();
        // Taken out first: closing may call back into the ledger.
        let open: Vec<_> = self.counts().open_now.values().cloned().collect();
        for connection in open {
            connection.closer.close_now();
        }
    }

    /// Ends the idle connections whose time is up at `now`, and says when the next one's may be.
    pub(crate) fn end_expired(&self, now: Instant) -> Option<Instant> {
        let mut expired = Vec::new();
        let mut next: Option<Instant> = None;
        let mut counts = self.counts();
        counts.open_now.retain(|_, entry| {
            let lent = entry.lent.load(Ordering::Relaxed);
            // One that is lent may be back in a moment, and be idle from then on.
            let idle_since = if lent { now } else { entry.idle_since.get() };
            match self.limits.end(idle_since, entry.expires_at) {
                Some(end) if end <= now => {
                    if !lent {
                        entry.ended.store(true, Ordering::Relaxed);
                        expired.push(entry.clone());
                    }
                    lent
                }
                end => {
                    next = [next, end].into_iter().flatten().min();
                    true
                }
            }
        });
        self.let_go(counts, expired, CloseReason::Expired);
        next
    }

    /// Marks the connections that are too old at `now`, and says when the next one will be.
    pub fn mark_too_old(&self, now: Instant) -> Option<Instant> {
        let counts = self.counts();
        let mut next: Option<Instant> = None;
        for entry in counts.open_now.values() {
            match entry.expires_at {
                Some(end) if end <= now => entry.is_too_old.store(true, Ordering::Relaxed),
                end => next = [next, end].into_iter().flatten().min(),
            }
        }
        next
    }

    /// Ends the idle connections that the server has ended: nobody may come to notice it, and
    /// `min_idle` counts on them.
    pub(crate) fn end_lost(&self) {
        let mut lost: Vec<_> = {
            let counts = self.counts();
            let entries = counts.open_now.iter();
            entries.map(|(id, entry)| (*id, entry.clone())).collect()
        };
        // Not under the lock: it asks the operating system.
        lost.retain(|(_, entry)| !entry.lent.load(Ordering::Relaxed) && entry.closer.has_ended());
        let mut counts = self.counts();
        let mut ended = Vec::new();
        for (id, entry) in lost {
            // Somebody may have taken it meanwhile.
            if !entry.lent.load(Ordering::Relaxed) && counts.open_now.remove(&id).is_some() {
                entry.ended.store(true, Ordering::Relaxed);
                ended.push(entry);
            }
        }
        self.let_go(counts, ended, CloseReason::Broken);
    }

    /// Counts connections as closed that were idle until now, and takes leave of them.
    fn let_go(
        &self,
        mut counts: MutexGuard<'_, Counts>,
        ended: Vec<Arc<Entry>>,
        reason: CloseReason,
    ) {
        for _ in &ended {
            counts.idle -= 1;
            counts.closed.add(reason);
        }
        drop(counts);
        for entry in ended {
            tracing::debug!(%reason, "connection closed");
            let parting = entry.closer.clone().part();
            if let Some(permit) = entry.take_permit() {
                self.farewells.add(parting, permit);
            }
        }
    }

    /// Whether some are to be idle at all times.
    pub fn keeps_some_idle(&self) -> bool {
        self.min_idle > 0
    }

    /// Whether fewer connections are idle than `min_idle` asks for, and one more may be opened.
    pub(crate) fn wants_one_more_idle(&self) -> bool {
        let counts = self.counts();
        let size = counts.idle + counts.in_use + counts.connecting;
        counts.idle < self.min_idle && size < self.max_size()
    }

    /// Whether connections end by themselves, or are opened ahead.
    pub(crate) fn needs_upkeep(&self) -> bool {
        self.keeps_some_idle() || self.limits.end_connections()
    }

    /// Tells the upkeep that it has something to do.
    pub fn want_upkeep(&self) {
        self.upkeep.notify_one();
    }

    /// Allows for `max_size` connections from now on. Those above it keep their permits until they
    /// end, and none is opened before.
    pub fn set_max_size(&self, max_size: usize) {
        // Under the lock, so that two who do this at once agree on what it was before.
        let _counts = self.counts();
        let before = self.max_size.swap(max_size, Ordering::Relaxed);
        self.permits.resize(before, max_size);
    }

    /// Ends when the upkeep has something to do sooner than it knew. One waits at a time.
    pub(crate) fn upkeep_wanted(&self) -> Notified<'_> {
        self.upkeep.notified()
    }

    /// Waits until the server has let go of what was closed, for up to `limit`.
    pub async fn farewells(&self, limit: Duration) {
        self.farewells.all(limit).await;
    }

    /// Drops what the server has not let go of yet, without waiting.
    pub fn forget_farewells(&self) {
        self.farewells.forget();
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Nothing under this lock can panic half-way.
        self.counts
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn tell_upkeep_if_short(&self, counts: &Counts) {
        if counts.idle < self.min_idle {
            self.upkeep.notify_one();
        }
    }

    fn tell_that_one_left(&self) {
        if self.is_closed() {
            self.left.notify_waiters();
        }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ledger({})", self.status())
    }
}

/// A caller of `get`, counted until dropped.
pub struct Caller {
    ledger: Arc<Ledger>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.ledger.counts().callers -= 1;
    }
}

pub(crate) struct AskerCount {
    ledger: Arc<Ledger>,
}

impl Drop for AskerCount {
    fn drop(&mut self) {
        self.ledger.counts().askers -= 1;
    }
}

/// A connection that is being opened. Dropping it gives up.
pub struct Opening {
    ledger: Arc<Ledger>,
    /// `None` once it was passed on.
    permit: Option<Permit>,
}

impl Opening {
    /// Waits for `connecting`, with which the server may come to know of the connection: given up
    /// meanwhile, the permit stays taken for a moment.
    pub async fn until<T>(self, connecting: impl Future<Output = T>) -> (T, Opening) {
        let mut half_open = HalfOpen(Some(self));
        let outcome = connecting.await;
        let opening = half_open.0.take();
        (outcome, opening.expect("it is there until then"))
    }

    /// The connection is open and idle. `closer` closes its socket when the pool is closed, or
    /// its time is up.
    pub fn opened(mut self, closer: Arc<dyn CloseNow>) -> Place {
        let now = Instant::now();
        let ledger = self.ledger.clone();
        let entry = Arc::new(Entry {
            closer,
            permit: Mutex::new(self.permit.take()),
            expires_at: ledger.limits.expires_at(now),
            lent: AtomicBool::new(false),
            idle_since: Moment::new(now),
            ended: AtomicBool::new(false),
            is_too_old: AtomicBool::new(false),
        });
        let mut counts = ledger.counts();
        counts.connecting -= 1;
        counts.idle += 1;
        counts.opened += 1;
        counts.next_place += 1;
        let id = counts.next_place;
        counts.open_now.insert(id, entry.clone());
        drop(counts);
        // It has an end that the upkeep doesn't know of.
        ledger.upkeep.notify_one();
        Place::new(ledger, id, entry, now)
    }

    /// It could not be opened, but the server may know of it: its permit stays taken until the
    /// server has let go.
    pub fn failed(mut self, parting: Parting) {
        if let Some(permit) = self.permit.take() {
            self.ledger.counts().connecting -= 1;
            self.ledger.farewells.add(parting, permit);
            self.ledger.tell_that_one_left();
        }
    }
}

/// Something that is being opened, and given up when this is dropped.
struct HalfOpen(Option<Opening>);

impl Drop for HalfOpen {
    fn drop(&mut self) {
        if let Some(opening) = self.0.take() {
            opening.failed(Parting::Blind);
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if self.permit.is_some() {
            self.ledger.counts().connecting -= 1;
            self.ledger.tell_that_one_left();
        }
    }
}
