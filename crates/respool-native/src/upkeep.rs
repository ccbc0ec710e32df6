use std::sync::Arc;
use std::time::Instant;

use respool_connect::{Kept, Ledger, Look};
use respool_core::CloseReason;

use crate::shared::Shared;

/// What the upkeep sees of a pool.
#[derive(Clone)]
pub(crate) struct Keeper(pub(crate) Arc<Shared>);

impl Kept for Keeper {
    fn ledger(&self) -> &Arc<Ledger> {
        &self.0.ledger
    }

    fn end_expired(&self, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        let expired: Vec<_> = {
            let mut slots = self.0.slots();
            slots
                .idle
                .extract_if(.., |connection| match connection.ends_at() {
                    Some(end) if end <= now => true,
                    end => {
                        next = [next, end].into_iter().flatten().min();
                        false
                    }
                })
                .collect()
        };
        for connection in expired {
            connection.end(CloseReason::Expired);
        }
        // One that is lent may be back in a moment, and be idle from then on.
        let idle_timeout = self.0.config.idle_timeout;
        let if_back_now = idle_timeout.and_then(|limit| now.checked_add(limit));
        let too_old = self.0.ledger.mark_too_old(now);
        [next, if_back_now, too_old].into_iter().flatten().min()
    }

    fn end_lost(&self) {
        let idle: Vec<_> = {
            let slots = self.0.slots();
            slots
                .idle
                .iter()
                .map(|idle| idle.socket().clone())
                .collect()
        };
        // Not under the lock: it asks the operating system.
        for socket in idle {
            if socket.look() == Look::Ended {
                let lost = {
                    let mut slots = self.0.slots();
                    let found = slots
                        .idle
                        .iter()
                        .position(|idle| Arc::ptr_eq(idle.socket(), &socket));
                    found.map(|index| slots.idle.remove(index))
                };
                if let Some(connection) = lost {
                    connection.end(CloseReason::Broken);
                }
            }
        }
    }

    fn wants_one_more_idle(&self) -> bool {
        let slots = self.0.slots();
        slots.idle.len() < self.0.min_idle() && slots.has_room()
    }

    async fn open_ahead(&self) -> Result<(), Instant> {
        self.0.open_ahead().await
    }
}
