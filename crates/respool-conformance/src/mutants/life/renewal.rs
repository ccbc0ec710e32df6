//! Pools for which time doesn't pass as it should.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::{Cmd, RedisFuture, Value};
use respool_core::{
    Backend, BackendInfo, Capabilities, CloseReason, Connection, Pool, PoolConfig, Status,
};

use crate::Subject;
use crate::mutants::forward::{ForwardConnection, Spoil, SpoilConnection};

/// The subject that `healthy` becomes when it is built with other settings than were asked for.
pub(super) fn misread(healthy: &Subject, name: &str, misread: fn(&mut PoolConfig)) -> Subject {
    let maker = healthy.clone();
    let info = BackendInfo {
        known_failures: &[],
        ..healthy.info
    };
    let name = format!("{} that {name}", healthy.name);
    Subject::new(name, info, move |mut config| {
        misread(&mut config);
        maker.pool(config)
    })
}

/// Has a store of its own, in which nothing ends until somebody takes it.
#[derive(Clone)]
pub(super) struct ExpiresWhenTaken {
    limit: Option<Duration>,
    idle: Arc<Mutex<Vec<Idle>>>,
}

struct Idle {
    connection: Box<dyn Connection>,
    opened: Instant,
    since: Instant,
}

impl ExpiresWhenTaken {
    pub(super) fn new(pool: &Pool, _maker: &Subject) -> Self {
        let config = pool.config();
        ExpiresWhenTaken {
            limit: config.idle_timeout.or(config.max_lifetime),
            idle: Arc::default(),
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spoil for ExpiresWhenTaken {
    fn try_get(&self, healthy: &dyn Backend) -> Option<Box<dyn Connection>> {
        loop {
            let Some(mut idle) = self.idle().pop() else {
                return healthy.try_get();
            };
            let age = idle.opened.min(idle.since).elapsed();
            if self.limit.is_none_or(|limit| age < limit) {
                return Some(idle.connection);
            }
            idle.connection.condemn(CloseReason::Expired);
        }
    }

    fn lend(&self, healthy: Box<dyn Connection>) -> Box<dyn Connection> {
        let stored = Stored {
            store: self.clone(),
            opened: Instant::now(),
            condemned: false,
        };
        ForwardConnection::boxed(healthy, stored)
    }

    fn status(&self, healthy: &dyn Backend) -> Status {
        let mut status = healthy.status();
        let idle = self.idle().len();
        status.idle += idle;
        status.in_use -= idle;
        status
    }
}

struct Stored {
    store: ExpiresWhenTaken,
    opened: Instant,
    condemned: bool,
}

impl SpoilConnection for Stored {
    fn condemn(&mut self, healthy: &mut dyn Connection, reason: CloseReason) {
        self.condemned = true;
        healthy.condemn(reason);
    }

    fn give_back(&mut self, connection: Box<dyn Connection>) {
        if !self.condemned {
            self.store.idle().push(Idle {
                connection,
                opened: self.opened,
                since: Instant::now(),
            });
        }
    }
}

/// Ends connections under their holders.
#[derive(Clone)]
pub(super) struct EndsWhatIsHeld {
    max_lifetime: Option<Duration>,
    lent: Instant,
}

impl EndsWhatIsHeld {
    pub(super) fn new(pool: &Pool, _maker: &Subject) -> Self {
        EndsWhatIsHeld {
            max_lifetime: pool.config().max_lifetime,
            lent: Instant::now(),
        }
    }
}

impl Spoil for EndsWhatIsHeld {
    fn lend(&self, healthy: Box<dyn Connection>) -> Box<dyn Connection> {
        let lent = Instant::now();
        ForwardConnection::boxed(
            healthy,
            EndsWhatIsHeld {
                lent,
                ..self.clone()
            },
        )
    }
}

impl SpoilConnection for EndsWhatIsHeld {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        if self
            .max_lifetime
            .is_some_and(|limit| self.lent.elapsed() >= limit)
        {
            healthy.condemn(CloseReason::Expired);
        }
        healthy.req_packed_command(command)
    }
}

/// Keeps connections ready in a pool of their own, which nobody counts.
pub(super) struct ReadyBesides {
    _ready: Option<Pool>,
}

impl ReadyBesides {
    pub(super) fn new(pool: &Pool, maker: &Subject) -> Self {
        let config = pool.config().clone();
        ReadyBesides {
            _ready: (config.min_idle > 0).then(|| {
                maker
                    .pool(config)
                    .expect("what was built once can be built again")
            }),
        }
    }
}

impl Spoil for ReadyBesides {}

pub(super) struct TakesMinIdleUnclaimed;

impl Spoil for TakesMinIdleUnclaimed {
    fn capabilities(&self, healthy: &dyn Backend) -> Capabilities {
        let mut capabilities = healthy.capabilities();
        capabilities.min_idle = false;
        capabilities
    }
}
