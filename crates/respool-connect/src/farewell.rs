use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::Socket;
use crate::ledger::Permit;

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
/// There is no task for them: whoever opens the next connection watches the oldest that nobody else
/// does, on the runtime that it runs on. A task could be stuck on a runtime that nobody drives any more;
/// one that watches and is stuck keeps nobody from looking.
#[derive(Default)]
pub(crate) struct Farewells {
    parting: Mutex<VecDeque<Farewell>>,
    added: Notify,
}

struct Farewell {
    parting: Arc<Parting>,
    since: Instant,
    is_watched: bool,
    /// Free again when this is dropped.
    _permit: Permit,
}

impl Farewells {
    pub(crate) fn add(&self, parting: Parting, permit: Permit) {
        self.parting().push_back(Farewell {
            parting: Arc::new(parting),
            since: Instant::now(),
            is_watched: false,
            _permit: permit,
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

    /// Ends when it may be time for another sweep. Dropping it changes nothing.
    pub(crate) async fn one_ends(&self) {
        loop {
            let added = self.added.notified();
            match self.watch() {
                Watch::This(watched) => return watched.end().await,
                Watch::Others(until) => return tokio::time::sleep_until(until.into()).await,
                Watch::Nothing => added.await,
            }
        }
    }

    fn watch(&self) -> Watch<'_> {
        let mut parting = self.parting();
        if let Some(oldest) = parting.iter_mut().find(|farewell| !farewell.is_watched) {
            oldest.is_watched = true;
            return Watch::This(Watched {
                farewells: self,
                parting: oldest.parting.clone(),
                since: oldest.since,
            });
        }
        match parting.iter().map(Farewell::is_over_at).min() {
            Some(first) => Watch::Others(first),
            None => Watch::Nothing,
        }
    }

    /// Waits for all of them, for up to `limit`.
    pub(crate) async fn all(&self, limit: Duration) {
        let _ = tokio::time::timeout(limit, async {
            loop {
                self.sweep();
                match self.watch() {
                    Watch::This(watched) => watched.end().await,
                    Watch::Others(until) => tokio::time::sleep_until(until.into()).await,
                    Watch::Nothing => return,
                }
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

enum Watch<'a> {
    This(Watched<'a>),
    /// All are watched by others; the first of them is over by then.
    Others(Instant),
    Nothing,
}

/// The one that somebody watches, until he ends or drops it.
struct Watched<'a> {
    farewells: &'a Farewells,
    parting: Arc<Parting>,
    since: Instant,
}

impl Watched<'_> {
    async fn end(self) {
        let patience = self.parting.patience().saturating_sub(self.since.elapsed());
        match &*self.parting {
            Parting::Watched(socket) => {
                let _ = tokio::time::timeout(patience, socket.until_server_lets_go()).await;
            }
            Parting::Blind => tokio::time::sleep(patience).await,
        }
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let mut parting = self.farewells.parting();
        let this = |farewell: &&mut Farewell| Arc::ptr_eq(&farewell.parting, &self.parting);
        if let Some(farewell) = parting.iter_mut().find(this) {
            farewell.is_watched = false;
        }
    }
}

impl Parting {
    fn patience(&self) -> Duration {
        match self {
            Parting::Watched(_) => PATIENCE,
            Parting::Blind => BLIND_PATIENCE,
        }
    }
}

impl Farewell {
    fn is_over_at(&self) -> Instant {
        self.since + self.parting.patience()
    }

    fn is_over(&self) -> bool {
        let is_seen = match &*self.parting {
            Parting::Watched(socket) => socket.server_has_let_go(),
            Parting::Blind => false,
        };
        is_seen || self.since.elapsed() >= self.parting.patience()
    }
}
