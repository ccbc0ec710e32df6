use respool_connect::{Dial, MobcSlots, RedisDial, RedisLink, Wrapped};
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
pub const CAPABILITIES: Capabilities = RedisLink::CAPABILITIES;

/// A pool of mobc's. Needs no runtime, and opens no connection
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
        |config, dialler| MobcSlots::new(config.max_size, dialler, BACKEND.info.name),
    )
}
