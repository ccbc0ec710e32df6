use respool_connect::{Dial, RedisDial, RedisLink, Wrapped};
use respool_core::{BackendEntry, BackendInfo, Capabilities, Pool, PoolConfig, PoolError};

use crate::slots::DeadpoolSlots;

/// This backend, for the facade, the command line and the kit.
pub const BACKEND: BackendEntry = BackendEntry {
    info: BackendInfo {
        name: "deadpool",
        library: "deadpool 0.13.1",
        redis_crate: "redis 1.8.1",
        known_failures: &[],
    },
    build,
};

/// What this backend can do beyond the rules that are a MUST for all.
pub const CAPABILITIES: Capabilities = RedisLink::CAPABILITIES;

/// A pool of deadpool's. Needs no runtime, and opens no connection
/// itself ([`BackendEntry::build`]).
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
    Wrapped::pool(
        dial,
        config,
        BACKEND.info,
        CAPABILITIES,
        |config, dialler| DeadpoolSlots::new(config.max_size, dialler, BACKEND.info.name),
    )
}
