//! Pools that don't notice, don't recover, don't move and don't end.

mod churn;
mod reckless;
mod renewal;
mod unfit;

use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use redis::{Cmd, RedisFuture, Value};
use respool_core::{
    Backend, CloseReason, Connection, Deadline, Pool, PoolError, Status, TimeoutKind,
};
use tokio::runtime::{Handle, Id};
use tokio::sync::{oneshot, watch};

use super::Mutant;
use super::cmd::IgnoresCondemn;
use super::forward::{
    ForwardConnection, Spoil, SpoilConnection, spoil, spoil_connections, spoil_pool,
};
use super::shared_connection::SharedConnection;
use churn::{KeepsWithoutClaiming, ReplacesOnCancel};
use reckless::{DialsForEach, Pauses, StormsAtTheReturn};
use renewal::{EndsWhatIsHeld, ExpiresWhenTaken, ReadyBesides, TakesMinIdleUnclaimed, misread};
use unfit::{BlamesTheNode, OverlooksTransactions, SwallowsTheReply};

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        rule: "LIFE-1",
        name: "does_not_look",
        defect: "idle connections are handed out as they are",
        wrap: |healthy| spoil(healthy, "does not look", DoesNotLook::default),
    },
    Mutant {
        rule: "LIFE-2",
        name: "fails_forever",
        defect: "after one lost connection every get fails",
        wrap: |healthy| {
            spoil(healthy, "fails forever", || {
                AfterAFailure::new(Aftermath::Fails)
            })
        },
    },
    Mutant {
        rule: "LIFE-2",
        name: "recovers_late",
        defect: "after a lost connection nothing is tried for a long time",
        wrap: |healthy| {
            spoil(healthy, "recovers late", || {
                AfterAFailure::new(Aftermath::Pauses)
            })
        },
    },
    Mutant {
        rule: "LIFE-3",
        name: "dials_for_each_asker",
        defect: "each caller has an attempt of its own under way",
        wrap: |healthy| spoil_pool(healthy, "dials for each asker", DialsForEach::new),
    },
    Mutant {
        rule: "LIFE-3",
        name: "never_pauses",
        defect: "dials again at once when it has failed",
        wrap: |healthy| spoil_pool(healthy, "never pauses", Pauses::never),
    },
    Mutant {
        rule: "LIFE-3",
        name: "pauses_without_chance",
        defect: "its pauses grow, and are the same each time",
        wrap: |healthy| spoil_pool(healthy, "pauses without chance", Pauses::without_chance),
    },
    Mutant {
        rule: "LIFE-3",
        name: "storms_at_the_return",
        defect: "opens a connection for each who waited when the server is back",
        wrap: |healthy| spoil_pool(healthy, "storms at the return", StormsAtTheReturn::new),
    },
    Mutant {
        rule: "LIFE-4",
        name: "forgets_idle_timeout",
        defect: "idle connections stay",
        wrap: |healthy| {
            misread(healthy, "forgets idle_timeout", |config| {
                config.idle_timeout = None
            })
        },
    },
    Mutant {
        rule: "LIFE-4",
        name: "forgets_max_lifetime",
        defect: "connections grow old",
        wrap: |healthy| {
            misread(healthy, "forgets max_lifetime", |config| {
                config.max_lifetime = None
            })
        },
    },
    Mutant {
        rule: "LIFE-4",
        name: "expires_when_taken",
        defect: "looks at the time only when a connection is taken",
        wrap: |healthy| spoil_pool(healthy, "expires when taken", ExpiresWhenTaken::new),
    },
    Mutant {
        rule: "LIFE-4",
        name: "ends_what_is_held",
        defect: "closes a connection under its holder when it is too old",
        wrap: |healthy| spoil_pool(healthy, "ends what is held", EndsWhatIsHeld::new),
    },
    Mutant {
        rule: "LIFE-4",
        name: "ends_all_together",
        defect: "connections opened together end together",
        wrap: |healthy| {
            misread(healthy, "ends all together", |config| {
                config.max_lifetime_jitter = 0.0
            })
        },
    },
    Mutant {
        rule: "LIFE-4",
        name: "opens_none_ahead",
        defect: "takes min_idle and opens nothing ahead",
        wrap: |healthy| misread(healthy, "opens none ahead", |config| config.min_idle = 0),
    },
    Mutant {
        rule: "LIFE-4",
        name: "opens_ahead_beyond_max_size",
        defect: "keeps connections ready besides max_size",
        wrap: |healthy| spoil_pool(healthy, "opens ahead beyond max_size", ReadyBesides::new),
    },
    Mutant {
        rule: "LIFE-4",
        name: "takes_min_idle_unclaimed",
        defect: "takes min_idle without claiming to keep it up",
        wrap: |healthy| {
            spoil(healthy, "takes min_idle unclaimed", || {
                TakesMinIdleUnclaimed
            })
        },
    },
    Mutant {
        rule: "LIFE-5",
        name: "knows_one_runtime",
        defect: "get fails on any runtime but the first",
        wrap: |healthy| spoil(healthy, "knows one runtime", KnowsOneRuntime::default),
    },
    Mutant {
        rule: "LIFE-5",
        name: "works_on_its_first_runtime",
        defect: "all requests are carried out by tasks of the first runtime",
        wrap: |healthy| spoil(healthy, "works on its first runtime", WorksAtHome::default),
    },
    Mutant {
        rule: "LIFE-5",
        name: "loses_slots_with_a_runtime",
        defect: "who connects is counted until the connecting task is done, which may never be",
        wrap: |healthy| {
            spoil_pool(healthy, "loses slots with a runtime", |pool, _| {
                LosesSlots {
                    pool: pool.clone(),
                    connecting: Arc::default(),
                }
            })
        },
    },
    Mutant {
        rule: "LIFE-6",
        name: "does_not_close",
        defect: "close does nothing",
        wrap: |healthy| spoil(healthy, "does not close", || DoesNotClose),
    },
    Mutant {
        rule: "LIFE-6",
        name: "leaves_sockets",
        defect: "close refuses newcomers and waits for holders, and closes no socket",
        wrap: |healthy| spoil(healthy, "leaves sockets", LeavesSockets::default),
    },
    Mutant {
        rule: "LIFE-6",
        name: "leaves_a_task",
        defect: "a task of the pool goes on after its end",
        wrap: |healthy| spoil(healthy, "leaves a task", LeavesATask::default),
    },
    Mutant {
        rule: "LIFE-6",
        name: "lets_waiters_wait",
        defect: "whoever waits hears of the end only after the holders' grace",
        wrap: |healthy| spoil(healthy, "lets waiters wait", || LetsWaitersWait),
    },
    Mutant {
        rule: "LIFE-6",
        name: "survives_its_last_handle",
        defect: "dropping the last handle closes nothing",
        wrap: |healthy| {
            spoil_pool(healthy, "survives its last handle", |pool, _| {
                mem::forget(pool.clone());
                SurvivesItsLastHandle
            })
        },
    },
    Mutant {
        rule: "LIFE-7",
        name: "keeps_unfit",
        defect: "condemn is ignored when the node is unfit",
        wrap: |healthy| {
            spoil_connections(healthy, "keeps unfit", || {
                IgnoresCondemn(CloseReason::NodeUnfit)
            })
        },
    },
    Mutant {
        rule: "LIFE-7",
        name: "keeps_unfit_after_transactions",
        defect: "a node that refuses a transaction is kept",
        wrap: |healthy| {
            spoil_connections(
                healthy,
                "keeps unfit after transactions",
                OverlooksTransactions::default,
            )
        },
    },
    Mutant {
        rule: "LIFE-7",
        name: "swallows_unfit_replies",
        defect: "what the unfit node said becomes a lost connection",
        wrap: |healthy| spoil_connections(healthy, "swallows unfit replies", || SwallowsTheReply),
    },
    Mutant {
        rule: "LIFE-7",
        name: "retires_on_every_error",
        defect: "every error reply counts as one of an unfit node",
        wrap: |healthy| spoil_connections(healthy, "retires on every error", || BlamesTheNode),
    },
    Mutant {
        rule: "LIFE-8",
        name: "replaces_on_cancel",
        defect: "each command that is given up costs its connection",
        wrap: |healthy| spoil(healthy, "replaces on cancel", || ReplacesOnCancel::every(1)),
    },
    Mutant {
        rule: "LIFE-8",
        name: "replaces_now_and_then",
        defect: "one of thirty commands that are given up costs its connection",
        wrap: |healthy| {
            spoil(healthy, "replaces now and then", || {
                ReplacesOnCancel::every(30)
            })
        },
    },
    Mutant {
        rule: "LIFE-8",
        name: "keeps_without_claiming",
        defect: "says that a cancelled command costs a connection, which it doesn't",
        wrap: |healthy| spoil(healthy, "keeps without claiming", || KeepsWithoutClaiming),
    },
];

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn backend_error(text: &'static str) -> PoolError {
    PoolError::backend("mutant", io::Error::other(text))
}

/// Has a store of its own, from which a connection goes to its next holder unseen.
#[derive(Clone, Default)]
struct DoesNotLook {
    idle: Arc<Mutex<Vec<Box<dyn Connection>>>>,
}

#[async_trait]
impl Spoil for DoesNotLook {
    fn try_get(&self, healthy: &dyn Backend) -> Option<Box<dyn Connection>> {
        let idle = lock(&self.idle).pop();
        idle.or_else(|| healthy.try_get())
    }

    fn lend(&self, healthy: Box<dyn Connection>) -> Box<dyn Connection> {
        let stored = Stored {
            store: self.clone(),
            condemned: false,
        };
        ForwardConnection::boxed(healthy, stored)
    }

    fn status(&self, healthy: &dyn Backend) -> Status {
        let mut status = healthy.status();
        let idle = lock(&self.idle).len();
        status.idle += idle;
        status.in_use -= idle;
        status
    }
}

struct Stored {
    store: DoesNotLook,
    condemned: bool,
}

impl SpoilConnection for Stored {
    fn condemn(&mut self, healthy: &mut dyn Connection, reason: CloseReason) {
        self.condemned = true;
        healthy.condemn(reason);
    }

    fn give_back(&mut self, healthy: Box<dyn Connection>) {
        if !self.condemned {
            lock(&self.store.idle).push(healthy);
        }
    }
}

/// Remembers that a connection was lost.
#[derive(Clone)]
struct AfterAFailure {
    aftermath: Aftermath,
    failed_at: Arc<Mutex<Option<Instant>>>,
}

#[derive(Clone, Copy)]
enum Aftermath {
    Fails,
    Pauses,
}

impl AfterAFailure {
    fn new(aftermath: Aftermath) -> Self {
        AfterAFailure {
            aftermath,
            failed_at: Arc::default(),
        }
    }
}

#[async_trait]
impl Spoil for AfterAFailure {
    fn try_get(&self, healthy: &dyn Backend) -> Option<Box<dyn Connection>> {
        match *lock(&self.failed_at) {
            Some(_) => None,
            None => healthy.try_get(),
        }
    }

    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let failed_at = *lock(&self.failed_at);
        match (failed_at, self.aftermath) {
            (None, _) => {}
            (Some(_), Aftermath::Fails) => return Err(backend_error("a connection was lost once")),
            (Some(failed_at), Aftermath::Pauses) => {
                let next_try = failed_at + Duration::from_secs(9);
                tokio::time::sleep_until(next_try.into()).await;
            }
        }
        healthy.get(deadline).await
    }

    fn lend(&self, healthy: Box<dyn Connection>) -> Box<dyn Connection> {
        ForwardConnection::boxed(healthy, self.clone())
    }
}

impl SpoilConnection for AfterAFailure {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let reply = healthy.req_packed_command(command).await;
            if reply.as_ref().is_err_and(|error| error.is_io_error()) {
                lock(&self.failed_at).get_or_insert_with(Instant::now);
            }
            reply
        })
    }
}

#[derive(Default)]
struct KnowsOneRuntime {
    home: OnceLock<Id>,
}

impl KnowsOneRuntime {
    fn is_home(&self) -> bool {
        let here = Handle::try_current().map(|here| here.id());
        here.is_ok_and(|here| *self.home.get_or_init(|| here) == here)
    }
}

#[async_trait]
impl Spoil for KnowsOneRuntime {
    fn try_get(&self, healthy: &dyn Backend) -> Option<Box<dyn Connection>> {
        self.is_home().then(|| healthy.try_get())?
    }

    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        match self.is_home() {
            true => healthy.get(deadline).await,
            false => Err(backend_error("not the runtime that this pool is used on")),
        }
    }
}

#[derive(Default)]
struct WorksAtHome {
    home: OnceLock<Handle>,
}

impl Spoil for WorksAtHome {
    fn lend(&self, healthy: Box<dyn Connection>) -> Box<dyn Connection> {
        let home = match (self.home.get(), Handle::try_current()) {
            (Some(home), _) => home,
            (None, Ok(here)) => self.home.get_or_init(|| here),
            (None, Err(_)) => return healthy,
        };
        Box::new(SharedConnection::with_tasks_on(healthy, home.clone()))
    }
}

/// What happens when a replenishing task, spawned on the caller's runtime, ends with it.
struct LosesSlots {
    pool: Pool,
    connecting: Arc<AtomicUsize>,
}

#[async_trait]
impl Spoil for LosesSlots {
    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let has_slot = async || self.connecting.load(Ordering::SeqCst) < 4;
        let waiting = async {
            while !has_slot().await {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        if deadline.limit(waiting).await.is_none() {
            let (phase, waited) = (TimeoutKind::Wait, deadline.waited());
            return Err(PoolError::timeout(phase, waited, healthy.status(), None));
        }
        self.connecting.fetch_add(1, Ordering::SeqCst);
        let (pool, connecting) = (self.pool.clone(), self.connecting.clone());
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            let outcome = pool.backend().get(deadline).await;
            connecting.fetch_sub(1, Ordering::SeqCst);
            let _ = sender.send(outcome);
        });
        receiver
            .await
            .unwrap_or_else(|_| Err(backend_error("the runtime ended")))
    }
}

struct DoesNotClose;

#[async_trait]
impl Spoil for DoesNotClose {
    async fn close(&self, _healthy: &dyn Backend, _grace: Duration) {}
}

struct LeavesSockets {
    closed: watch::Sender<bool>,
}

impl Default for LeavesSockets {
    fn default() -> Self {
        LeavesSockets {
            closed: watch::Sender::new(false),
        }
    }
}

#[async_trait]
impl Spoil for LeavesSockets {
    fn try_get(&self, healthy: &dyn Backend) -> Option<Box<dyn Connection>> {
        match *self.closed.borrow() {
            true => None,
            false => healthy.try_get(),
        }
    }

    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => Err(PoolError::Closed),
            outcome = healthy.get(deadline) => outcome,
        }
    }

    fn status(&self, healthy: &dyn Backend) -> Status {
        let mut status = healthy.status();
        status.is_closed = *self.closed.borrow();
        status
    }

    async fn close(&self, healthy: &dyn Backend, grace: Duration) {
        self.closed.send_replace(true);
        let holders_end = async {
            while healthy.status().in_use > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let _ = tokio::time::timeout(grace, holders_end).await;
    }
}

#[derive(Default)]
struct LeavesATask {
    spawned: AtomicBool,
}

#[async_trait]
impl Spoil for LeavesATask {
    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        if !self.spawned.swap(true, Ordering::Relaxed) {
            tokio::spawn(std::future::pending::<()>());
        }
        healthy.get(deadline).await
    }
}

struct LetsWaitersWait;

#[async_trait]
impl Spoil for LetsWaitersWait {
    async fn close(&self, healthy: &dyn Backend, grace: Duration) {
        tokio::time::sleep(grace).await;
        healthy.close(Duration::ZERO).await;
    }
}

/// A handle of the healthy pool that nobody drops.
struct SurvivesItsLastHandle;

impl Spoil for SurvivesItsLastHandle {
    fn close_now(&self, _healthy: &dyn Backend) {}
}
