use std::ops::{Deref, DerefMut};

use async_trait::async_trait;
use mobc_redis::mobc;
use respool_connect::{Dialler, Glance, Ledger, Link, Slots, Wrapped};
use respool_core::{
    BackendEntry, BackendInfo, Capabilities, KnownFailure, Pool, PoolConfig, PoolError,
};

use crate::link::{StockDial, StockLink};

/// This backend, for the facade, the command line and the kit.
pub const BACKEND: BackendEntry = BackendEntry {
    info: BackendInfo {
        name: "mobc-redis",
        library: "mobc-redis 0.9.0",
        redis_crate: "redis 0.28.2",
        known_failures: &[KnownFailure {
            rule: "LIFE-1",
            reason: "the stock manager opens its socket itself: that the server has closed it shows \
                     only by a PING, which is sent after validate_after, not before each use",
            link: "https://docs.rs/mobc-redis/0.9.0/src/mobc_redis/lib.rs.html",
        }],
    },
    build,
};

/// What this backend can do beyond the rules that are a MUST for all.
pub const CAPABILITIES: Capabilities = {
    let mut capabilities = Capabilities::NONE;
    capabilities.detach = true;
    capabilities.keeps_connection_on_cancel = true;
    capabilities.unix_sockets = cfg!(unix);
    capabilities
};

/// A pool of mobc's. Opens no connection and needs no runtime.
///
/// # Errors
///
/// [`PoolError::Config`], which names the setting.
pub fn build(config: PoolConfig) -> Result<Pool, PoolError> {
    let config = Wrapped::<MobcSlots>::check(config, &BACKEND.info, CAPABILITIES)?;
    let dial = StockDial::new(&config)?;
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

struct MobcSlots {
    pool: mobc::Pool<Manager>,
}

#[async_trait]
impl Slots for MobcSlots {
    type Dial = StockDial;
    type Guard = Guard;

    async fn take(&self) -> Result<Guard, PoolError> {
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
    fn try_take(&self) -> Option<Guard> {
        let idle = self.pool_has_idle();
        idle.then(|| respool_connect::at_once(self.pool.get()))?
            .and_then(Result::ok)
            .map(Guard)
    }

    fn keep(guard: Guard) -> StockLink {
        guard.0.into_inner()
    }
}

impl MobcSlots {
    fn pool_has_idle(&self) -> bool {
        respool_connect::at_once(self.pool.state()).is_some_and(|state| state.idle > 0)
    }
}

struct Guard(mobc::Connection<Manager>);

impl Deref for Guard {
    type Target = StockLink;

    fn deref(&self) -> &StockLink {
        &self.0
    }
}

impl DerefMut for Guard {
    fn deref_mut(&mut self) -> &mut StockLink {
        &mut self.0
    }
}

struct Manager {
    dialler: Dialler<StockDial>,
}

#[async_trait]
impl mobc::Manager for Manager {
    type Connection = StockLink;
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

    async fn connect(&self) -> Result<StockLink, PoolError> {
        self.dialler.connect().await
    }

    async fn check(&self, link: StockLink) -> Result<StockLink, PoolError> {
        Ok(link)
    }

    fn validate(&self, link: &mut StockLink) -> bool {
        !matches!(link.glance(), Glance::Unfit(_))
    }
}
