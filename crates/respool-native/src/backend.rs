use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use respool_connect::Upkeep;
use respool_core::{
    Backend, BackendEntry, BackendInfo, Capabilities, Connection, Deadline, Lane, Line, Pool,
    PoolConfig, PoolError, Status,
};

use crate::lanes::Lanes;
use crate::shared::Shared;
use crate::slots::lasting::Lock;
use crate::upkeep::Keeper;

/// This backend, for the facade, the command line and the kit.
pub const BACKEND: BackendEntry = BackendEntry {
    info: BackendInfo {
        name: "native",
        library: "respool-native 0.1.0",
        redis_crate: "redis 1.8.1",
        known_failures: &[],
    },
    build,
};

/// What this backend can do beyond the rules that are a MUST for all.
pub const CAPABILITIES: Capabilities = {
    let mut capabilities = Capabilities::NONE;
    capabilities.lanes = true;
    capabilities.detach = true;
    capabilities.keeps_connection_on_cancel = true;
    capabilities.sees_closed_sockets = true;
    capabilities.unix_sockets = cfg!(unix);
    capabilities.min_idle = true;
    capabilities.resizes = true;
    capabilities.messages = true;
    capabilities
};

/// How long `close` waits for the server to notice that a connection has ended, and for holders to give
/// up what is opened for them.
const FAREWELL: Duration = Duration::from_secs(1);

/// A pool of the native engine. Needs no runtime, and opens no connection itself
/// ([`BackendEntry::build`]).
///
/// # Errors
///
/// [`PoolError::Config`], which names the setting.
pub fn build(config: PoolConfig) -> Result<Pool, PoolError> {
    let config = config.checked()?;
    let shared = Shared::new(config.clone())?;
    let lanes = Lanes::new(shared.clone());
    shared.has_lanes(&lanes);
    let backend = Native {
        upkeep: Upkeep::new(Keeper(shared.clone())),
        lanes,
        lock: shared.lock(),
        shared,
    };
    backend.upkeep.ensure();
    Ok(Pool::new(backend, config))
}

pub(crate) struct Native {
    pub(crate) shared: Arc<Shared>,
    /// The lock of its slots, at hand.
    lock: &'static Lock,
    pub(crate) upkeep: Upkeep<Keeper>,
    pub(crate) lanes: Arc<Lanes>,
}

#[async_trait]
impl Backend for Native {
    fn try_get(&self) -> Option<Box<dyn Connection>> {
        let mut connection = match self.shared.pop() {
            Some(connection) => connection,
            // A lane may rest on one.
            None if self.lanes.make_room() => self.shared.pop()?,
            None => return None,
        };
        if self.shared.is_warm(&mut connection) && self.upkeep.runs() {
            return Some(connection);
        }
        self.upkeep.ensure();
        Some(self.shared.fit(connection)?)
    }

    fn take_at_once(&self) -> Option<Box<dyn Connection>> {
        // In a crowd nothing is idle, as a rule: what waiting takes is made before the lock is taken.
        if self.lock.is_crowded() || !self.upkeep.runs() {
            return None;
        }
        Some(self.shared.pop_warm(self.lock)?)
    }

    async fn get(&self, deadline: Deadline) -> Result<Box<dyn Connection>, PoolError> {
        self.upkeep.ensure();
        self.take(None, deadline).await
    }

    fn line(&self) -> Option<&dyn Line> {
        Some(self)
    }

    fn lane(&self) -> Option<&dyn Lane> {
        Some(self)
    }

    fn status(&self) -> Status {
        self.shared.status()
    }

    fn set_max_size(&self, max_size: usize) -> Result<(), PoolError> {
        if self.shared.ledger.is_closed() {
            return Err(PoolError::Closed);
        }
        self.shared.set_max_size(max_size);
        self.lanes.resized();
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn info(&self) -> &BackendInfo {
        &BACKEND.info
    }

    async fn close(&self, grace: Duration) {
        self.lanes.shut();
        self.shared.shut();
        let _ = tokio::time::timeout(grace, self.shared.unused()).await;
        self.lanes.end_all();
        self.shared.ledger.close_all_sockets();
        // What is opened is given up as soon as whoever opens it is polled.
        let _ = tokio::time::timeout(FAREWELL, self.shared.openings_ended()).await;
        self.shared.ledger.farewells(FAREWELL).await;
        // Its runtime may not be driven by anybody.
        let _ = tokio::time::timeout(FAREWELL, self.upkeep.end()).await;
    }

    fn close_now(&self) {
        self.lanes.end_all();
        self.shared.shut();
        self.shared.ledger.close_all_sockets();
        self.upkeep.end_now();
        self.shared.ledger.forget_farewells();
    }
}

impl fmt::Debug for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Native")
            .field("status", &format_args!("{}", self.status()))
            .finish_non_exhaustive()
    }
}
