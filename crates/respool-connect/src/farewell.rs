use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::Socket;

/// How long a server may take to notice that a connection has ended. Past that it is taken for
/// gone, so that a server that has stopped holds up nothing.
const PATIENCE: Duration = Duration::from_millis(250);

/// How long a connection whose socket can't be watched is taken to live on at the server.
const BLIND_PATIENCE: Duration = Duration::from_millis(20);

/// What is left of a connection that was closed on this side.
pub enum Parting {
    /// Its socket: the server's own end of stream tells that it has let go.
    Watched(Arc<Socket>),
    /// Nothing that can be watched.
    Blind,
}

/// Connections closed on this side that the server may still count, with their permits.
///
/// There is no task for them: whoever opens the next connection waits for the oldest, on the
/// runtime that it runs on. A task could be stuck on a runtime that nobody drives any more.
#[derive(Default)]
pub(crate) struct Farewells {
    parting: Mutex<VecDeque<Farewell>>,
    added: Notify,
}

struct Farewell {
    parting: Parting,
    since: Instant,
    permit: OwnedSemaphorePermit,
}

impl Farewells {
    pub(crate) fn add(&self, parting: Parting, permit: OwnedSemaphorePermit) {
        self.parting().push_back(Farewell {
            parting,
            since: Instant::now(),
            permit,
        });
        self.added.notify_waiters();
    }

    /// Lets go of those that the server has let go of.
    pub(crate) fn sweep(&self) {
        let mut parting = self.parting();
        if !parting.is_empty() {
            parting.retain(|farewell| !farewell.is_over());
        }
    }

    /// One of `permits`: a free one, or that of a connection that the server lets go of.
    pub(crate) async fn permit(&self, permits: &Arc<Semaphore>) -> OwnedSemaphorePermit {
        loop {
            let added = self.added.notified();
            self.sweep();
            if let Ok(permit) = permits.clone().try_acquire_owned() {
                return permit;
            }
            let oldest = self.parting().pop_front();
            match oldest {
                Some(farewell) => return farewell.end().await,
                None => {
                    let permit = pin!(permits.clone().acquire_owned());
                    if let Either::Left((permit, _)) = select(permit, pin!(added)).await {
                        return permit.expect("the semaphore of a ledger is never closed");
                    }
                }
            }
        }
    }

    pub(crate) async fn all(&self, limit: Duration) {
        let _ = tokio::time::timeout(limit, async {
            loop {
                let Some(farewell) = self.parting().pop_front() else {
                    return;
                };
                drop(farewell.end().await);
            }
        })
        .await;
    }

    pub(crate) fn forget(&self) {
        let forgotten = std::mem::take(&mut *self.parting());
        drop(forgotten);
    }

    fn parting(&self) -> MutexGuard<'_, VecDeque<Farewell>> {
        self.parting
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Farewell {
    fn is_over(&self) -> bool {
        match &self.parting {
            Parting::Watched(socket) => {
                self.since.elapsed() >= PATIENCE || socket.server_has_let_go()
            }
            Parting::Blind => self.since.elapsed() >= BLIND_PATIENCE,
        }
    }

    async fn end(self) -> OwnedSemaphorePermit {
        match &self.parting {
            Parting::Watched(socket) => {
                let patience = PATIENCE.saturating_sub(self.since.elapsed());
                let _ = tokio::time::timeout(patience, socket.until_server_lets_go()).await;
            }
            Parting::Blind => {
                tokio::time::sleep(BLIND_PATIENCE.saturating_sub(self.since.elapsed())).await;
            }
        }
        self.permit
    }
}
