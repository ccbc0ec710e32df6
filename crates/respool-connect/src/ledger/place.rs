use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use respool_core::CloseReason;

use super::{Entry, Ledger};
use crate::{Glance, Parting};

/// An open connection's place in the ledger; lives in the connection. Dropping it counts the
/// connection as closed.
pub struct Place {
    ledger: Arc<Ledger>,
    id: u64,
    entry: Arc<Entry>,
    idle_since: Instant,
    lent: bool,
    reason: Option<CloseReason>,
    parting: Option<Parting>,
}

impl Place {
    pub(super) fn new(ledger: Arc<Ledger>, id: u64, entry: Arc<Entry>, now: Instant) -> Self {
        Place {
            ledger,
            id,
            entry,
            idle_since: now,
            lent: false,
            reason: None,
            parting: None,
        }
    }

    /// It was handed out. To be looked at after this, not before: until now its time may run out.
    pub fn lend(&mut self) {
        if self.lent {
            return;
        }
        let mut counts = self.ledger.counts();
        if self.entry.ended.load(Ordering::Relaxed) {
            return;
        }
        self.lent = true;
        self.entry.lent.store(true, Ordering::Relaxed);
        counts.idle -= 1;
        counts.in_use += 1;
        self.ledger.tell_upkeep_if_short(&counts);
    }

    /// It came back. Says whether somebody waits for a connection to be opened, who might as well
    /// have this one.
    pub fn give_back(&mut self) -> bool {
        if self.lent {
            self.idle_since = Instant::now();
            self.entry.idle_since.set(self.idle_since);
        }
        self.put_back()
    }

    /// The same for one that was taken out and not used: it has been idle all the time.
    pub fn put_back(&mut self) -> bool {
        if !std::mem::replace(&mut self.lent, false) {
            return false;
        }
        let mut counts = self.ledger.counts();
        self.entry.lent.store(false, Ordering::Relaxed);
        counts.in_use -= 1;
        counts.idle += 1;
        let wanted = counts.askers > 0;
        drop(counts);
        self.ledger.tell_that_one_left();
        wanted
    }

    /// What time says of it: whether its own is up, or it was idle for so long that it has to be
    /// asked first.
    pub fn glance(&self) -> Glance {
        if self.entry.ended.load(Ordering::Relaxed) {
            return Glance::Unfit(CloseReason::Expired);
        }
        let limits = &self.ledger.limits;
        limits.glance(self.idle_since, self.entry.expires_at)
    }

    /// When its own time is up, whatever it does.
    pub fn expires_at(&self) -> Option<Instant> {
        self.entry.expires_at
    }

    /// Whether the upkeep found, while it was lent, that its time is up. One load.
    #[inline]
    pub fn is_too_old(&self) -> bool {
        self.entry.is_too_old.load(Ordering::Relaxed)
    }

    /// What time says of it to a pool that keeps its own account of who is idle.
    pub fn glance_since(&self, idle_since: Instant) -> Glance {
        let limits = &self.ledger.limits;
        limits.glance(idle_since, self.entry.expires_at)
    }

    /// When its time is up, if it has been idle since then and stays so.
    pub fn ends_at(&self, idle_since: Instant) -> Option<Instant> {
        self.ledger.limits.end(idle_since, self.entry.expires_at)
    }

    /// Whether it is older than its lifetime, and not to be used by anybody after its holder.
    pub fn has_outlived(&self) -> bool {
        self.entry
            .expires_at
            .is_some_and(|end| Instant::now() >= end)
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
        let mut counts = self.ledger.counts();
        if counts.open_now.remove(&self.id).is_none() {
            // The ledger has ended it before.
            return;
        }
        if self.lent {
            counts.in_use -= 1;
        } else {
            counts.idle -= 1;
        }
        counts.closed.add(reason);
        self.ledger.tell_upkeep_if_short(&counts);
        drop(counts);
        tracing::debug!(%reason, "connection closed");
        if let (Some(parting), Some(permit)) = (self.parting.take(), self.entry.take_permit()) {
            self.ledger.farewells.add(parting, permit);
        }
        self.ledger.tell_that_one_left();
    }
}
