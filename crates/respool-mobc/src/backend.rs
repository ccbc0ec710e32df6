use respool_connect::{Dial, Dialler, Ledger, MobcSlots, RedisDial, Wrapped};
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
    let slots = MobcSlots::new(config.max_size, dialler.clone(), BACKEND.info.name);
    let backend = Wrapped::new(slots, dialler, ledger, BACKEND.info, CAPABILITIES);
    Ok(Pool::new(backend, config))
}
