use std::ops::{Deref, DerefMut};

use async_trait::async_trait;
use respool_connect::{Dial, Dialler, Glance, Ledger, Link, RedisDial, Slots, Wrapped};
use respool_core::{BackendEntry, BackendInfo, Capabilities, Pool, PoolConfig, PoolError};

/// This backend, for the facade, the command line and the kit.
pub const BACKEND: BackendEntry = BackendEntry {
    info: BackendInfo {
        name: "mobc",
        library: "mobc 0.9.0",
        redis_crate: "redis 1.8.1",
        known_failures: &[],
    },
    build,
};

/// What this backend can do beyond the rules that are a MUST for all.
pub const CAPABILITIES: Capabilities = {
    let mut capabilities = Capabilities::NONE;
    capabilities.detach = true;
    capabilities.keeps_connection_on_cancel = true;
    capabilities.sees_closed_sockets = true;
    capabilities.unix_sockets = cfg!(unix);
    capabilities
};

/// A pool of mobc's. Opens no connection and needs no runtime.
///
/// # Errors
///
/// [`PoolError::Config`], which names the setting.
pub fn build(config: PoolConfig) -> Result<Pool, PoolError> {
    let dial = RedisDial::new(&config);
    over(dial, config)
}

/// The same with connections of another kind. For benches and tests.
///
/// # Errors
///
/// As [`build`].
pub fn over<D: Dial>(dial: D, config: PoolConfig) -> Result<Pool, PoolError> {
    let config = Wrapped::<MobcSlots<D>>::check(config, &BACKEND.info, CAPABILITIES)?;
    let ledger = Ledger::new(config.max_size);
    let dialler = Dialler::new(dial, &config, ledger.clone());
    let slots = MobcSlots {
        pool: mobc::Pool::builder()
            .max_open(config.max_size as u64)
            // In mobc's words zero is "no limit of its own": max_open remains.
            .max_idle(0)
            // What these would do, respool does for every backend.
            .get_timeout(None)
            .test_on_check_out(false)
            .build(Manager {
                dialler: dialler.clone(),
            }),
    };
    let backend = Wrapped::new(slots, dialler, ledger, BACKEND.info, CAPABILITIES);
    Ok(Pool::new(backend, config))
}

struct MobcSlots<D: Dial> {
    pool: mobc::Pool<Manager<D>>,
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
                BACKEND.info.name,
                std::io::Error::other(other.to_string()),
            )),
        }
    }

    /// mobc has no such call. Its `get` is fair and safe to drop, and comes to its end at the
    /// first poll when a connection is idle and nobody waits; asked for at other times it would
    /// begin to open one.
    fn try_take(&self) -> Option<Guard<D>> {
        let idle = self.pool_has_idle();
        idle.then(|| respool_connect::at_once(self.pool.get()))?
            .and_then(Result::ok)
            .map(Guard)
    }

    fn keep(guard: Guard<D>) -> D::Link {
        guard.0.into_inner()
    }
}

impl<D: Dial> MobcSlots<D> {
    fn pool_has_idle(&self) -> bool {
        respool_connect::at_once(self.pool.state()).is_some_and(|state| state.idle > 0)
    }
}

struct Guard<D: Dial>(mobc::Connection<Manager<D>>);

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

struct Manager<D: Dial> {
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
        respool_connect::run_to_end(task);
    }

    async fn connect(&self) -> Result<D::Link, PoolError> {
        self.dialler.connect().await
    }

    async fn check(&self, link: D::Link) -> Result<D::Link, PoolError> {
        Ok(link)
    }

    fn validate(&self, link: &mut D::Link) -> bool {
        !matches!(link.glance(), Glance::Unfit(_))
    }
}
