use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use respool_core::{CloseReason, ClosedCounts, Status};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use crate::farewell::{Farewells, Parting};

/// The account of a pool's connections. Every change of state is one step under one lock, so that
/// any snapshot adds up (SEE-1, SEE-4), and a connection holds one of `max_size` permits from
/// before its first byte until the server has let go of it (GET-2).
///
/// The lock guards counters only: nothing waits, calls out or drops a connection under it.
pub struct Ledger {
    max_size: usize,
    counts: Mutex<Counts>,
    permits: Arc<Semaphore>,
    farewells: Farewells,
    /// Told of every connection that comes back or ends once the pool is closed.
    left: Notify,
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
    open_now: HashMap<u64, Arc<dyn CloseNow>>,
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
}

impl Ledger {
    /// The ledger of a pool of at most `max_size` connections.
    pub fn new(max_size: usize) -> Arc<Self> {
        Arc::new(Ledger {
            max_size,
            counts: Mutex::default(),
            permits: Arc::new(Semaphore::new(max_size)),
            farewells: Farewells::default(),
            left: Notify::new(),
            phase: watch::Sender::new(Phase::Open),
        })
    }

    /// A snapshot whose figures add up.
    pub fn status(&self) -> Status {
        self.farewells.sweep();
        let is_closed = self.is_closed();
        let counts = self.counts();
        let mut status = Status::default();
        status.max_size = self.max_size;
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
        self.counts().in_use >= self.max_size
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
    /// the server would see `max_size` and the newcomer.
    pub async fn opening(self: &Arc<Self>) -> Opening {
        let permit = self.farewells.permit(&self.permits).await;
        self.counts().connecting += 1;
        Opening {
            ledger: self.clone(),
            permit: Some(permit),
        }
    }

    /// Refuses newcomers from now on. Says whether the pool was open.
    pub fn close(&self) -> bool {
        self.phase
            .send_if_modified(|phase| std::mem::replace(phase, Phase::Closed) == Phase::Open)
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

    /// Closes the socket of every connection, whoever uses it.
    pub fn close_all_sockets(&self) {
        // Taken out first: closing may call back into the ledger.
        let open: Vec<_> = self.counts().open_now.values().cloned().collect();
        for connection in open {
            connection.close_now();
        }
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
    permit: Option<OwnedSemaphorePermit>,
}

impl Opening {
    /// The connection is open and idle. `closer` closes its socket when the pool is closed.
    pub fn opened(mut self, closer: Arc<dyn CloseNow>) -> Place {
        let permit = self.permit.take();
        let mut counts = self.ledger.counts();
        counts.connecting -= 1;
        counts.idle += 1;
        counts.opened += 1;
        counts.next_place += 1;
        let id = counts.next_place;
        counts.open_now.insert(id, closer);
        drop(counts);
        Place {
            ledger: self.ledger.clone(),
            id,
            lent: false,
            reason: None,
            permit,
            parting: None,
        }
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

impl Drop for Opening {
    fn drop(&mut self) {
        if self.permit.is_some() {
            self.ledger.counts().connecting -= 1;
            self.ledger.tell_that_one_left();
        }
    }
}

/// An open connection's place in the ledger; lives in the connection. Dropping it counts the
/// connection as closed.
pub struct Place {
    ledger: Arc<Ledger>,
    id: u64,
    lent: bool,
    reason: Option<CloseReason>,
    permit: Option<OwnedSemaphorePermit>,
    parting: Option<Parting>,
}

impl Place {
    /// It was handed out.
    pub fn lend(&mut self) {
        if !std::mem::replace(&mut self.lent, true) {
            let mut counts = self.ledger.counts();
            counts.idle -= 1;
            counts.in_use += 1;
        }
    }

    /// It came back. Says whether somebody waits for a connection to be opened, who might as well
    /// have this one.
    pub fn give_back(&mut self) -> bool {
        if !std::mem::replace(&mut self.lent, false) {
            return false;
        }
        let mut counts = self.ledger.counts();
        counts.in_use -= 1;
        counts.idle += 1;
        let wanted = counts.askers > 0;
        drop(counts);
        self.ledger.tell_that_one_left();
        wanted
    }

    /// Why it is about to end. The first reason counts.
    pub fn set_reason(&mut self, reason: CloseReason) {
        self.reason.get_or_insert(reason);
    }

    /// Why it is about to end, once that is known.
    pub fn reason(&self) -> Option<CloseReason> {
        self.reason
    }

    /// What is left of the connection when its place is dropped: until the server has let go of
    /// it, no other takes its place.
    pub fn part(&mut self, parting: Parting) {
        self.parting = Some(parting);
    }

    /// Whether the pool was closed.
    pub fn pool_is_closed(&self) -> bool {
        self.ledger.is_closed()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let by_default = if self.ledger.is_closed() {
            CloseReason::PoolClosed
        } else {
            CloseReason::Broken
        };
        let reason = self.reason.unwrap_or(by_default);
        tracing::debug!(%reason, "connection closed");
        let mut counts = self.ledger.counts();
        if self.lent {
            counts.in_use -= 1;
        } else {
            counts.idle -= 1;
        }
        counts.closed.add(reason);
        let closer = counts.open_now.remove(&self.id);
        drop(counts);
        drop(closer);
        if let (Some(parting), Some(permit)) = (self.parting.take(), self.permit.take()) {
            self.ledger.farewells.add(parting, permit);
        }
        self.ledger.tell_that_one_left();
    }
}
