use respool_connect::{Dial, Dialler, Ledger, MobcSlots, Wrapped};
use respool_core::{
    BackendEntry, BackendInfo, Capabilities, KnownFailure, Pool, PoolConfig, PoolError,
};

use crate::link::StockDial;

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

/// A pool of mobc's with the stock manager of mobc-redis. Opens no connection and needs no runtime.
///
/// # Errors
///
/// [`PoolError::Config`], which names the setting.
pub fn build(config: PoolConfig) -> Result<Pool, PoolError> {
    let dial = StockDial::new(&config)?;
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
    let slots = MobcSlots::new(config.max_size, dialler.clone(), BACKEND.info.name);
    let backend = Wrapped::new(slots, dialler, ledger, BACKEND.info, CAPABILITIES);
    Ok(Pool::new(backend, config))
}
