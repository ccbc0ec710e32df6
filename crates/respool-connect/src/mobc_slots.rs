use std::ops::{Deref, DerefMut};

use async_trait::async_trait;
use respool_core::PoolError;

use crate::{Dial, Dialler, Link, Slots, at_once, run_to_end};

/// [mobc](https://docs.rs/mobc) as [`Slots`], for the backends that wrap it: a fair semaphore and a
/// stack of idle links are mobc's, everything else is switched off.
pub struct MobcSlots<D: Dial> {
    pool: mobc::Pool<Manager<D>>,
    dialler: Dialler<D>,
    backend: &'static str,
}

impl<D: Dial> MobcSlots<D> {
    /// Slots for `max_size` links from `dialler`; errors of mobc's own name `backend`.
    pub fn new(max_size: usize, dialler: Dialler<D>, backend: &'static str) -> Self {
        MobcSlots {
            pool: mobc::Pool::builder()
                .max_open(max_size as u64)
                // In mobc's words zero is "no limit of its own": max_open remains.
                .max_idle(0)
                // What these would do, respool does for every backend.
                .get_timeout(None)
                .test_on_check_out(false)
                .build(Manager {
                    dialler: dialler.clone(),
                }),
            dialler,
            backend,
        }
    }

    /// The ledger's word for it: mobc's own state is two counts that may not fit together, which panics
    /// where overflows are checked.
    fn has_idle(&self) -> bool {
        self.dialler.ledger().has_idle()
    }
}

#[async_trait]
impl<D: Dial> Slots for MobcSlots<D> {
    type Dial = D;
    type Guard = Guard<D>;

    async fn take(&self) -> Result<Guard<D>, PoolError> {
        match self.pool.get().await {
            Ok(connection) => Ok(Guard(connection)),
            Err(mobc::Error::Inner(error)) => Err(error),
            Err(other) => Err(PoolError::backend(
                self.backend,
                std::io::Error::other(other.to_string()),
            )),
        }
    }

    /// mobc has no such call. Its `get` is fair and safe to drop, and comes to its end at the
    /// first poll when a connection is idle and nobody waits; asked for at other times it would
    /// begin to open one.
    fn try_take(&self) -> Option<Guard<D>> {
        if !self.has_idle() {
            return None;
        }
        at_once(self.pool.get())?.ok().map(Guard)
    }

    fn keep(guard: Guard<D>) -> D::Link {
        guard.0.into_inner()
    }
}

/// A link in a slot of mobc's.
#[allow(unreachable_pub, reason = "it is the type of Slots::Guard")]
pub struct Guard<D: Dial>(mobc::Connection<Manager<D>>);

impl<D: Dial> Deref for Guard<D> {
    type Target = D::Link;

    fn deref(&self) -> &D::Link {
        &self.0
    }
}

impl<D: Dial> DerefMut for Guard<D> {
    fn deref_mut(&mut self) -> &mut D::Link {
        &mut self.0
    }
}

/// What mobc opens its links with. Public in name only: a guard's type mentions it.
#[allow(
    unreachable_pub,
    reason = "it stands in the type behind a public guard"
)]
pub struct Manager<D: Dial> {
    dialler: Dialler<D>,
}

#[async_trait]
impl<D: Dial> mobc::Manager for Manager<D> {
    type Connection = D::Link;
    type Error = PoolError;

    /// mobc gives a connection back in a task that it spawns: later, and with a panic outside a
    /// runtime. All that task waits for is a lock that is held for a moment.
    fn spawn_task<T>(&self, task: T)
    where
        T: Future + Send + 'static,
        T::Output: Send + 'static,
    {
        run_to_end(task);
    }

    async fn connect(&self) -> Result<D::Link, PoolError> {
        self.dialler.connect().await
    }

    async fn check(&self, link: D::Link) -> Result<D::Link, PoolError> {
        Ok(link)
    }

    fn validate(&self, link: &mut D::Link) -> bool {
        !link.has_broken()
    }
}
