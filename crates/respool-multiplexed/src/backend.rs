use respool_connect::{Dial, Dialler, Ledger, RedisDial, RedisLink, Wrapped};
use respool_core::{BackendEntry, BackendInfo, Capabilities, Pool, PoolConfig, PoolError};

use crate::lane::LanesHandle;
use crate::slots::ExclusiveSlots;

/// This backend, for the facade, the command line and the kit.
pub const BACKEND: BackendEntry = BackendEntry {
    info: BackendInfo {
        name: "multiplexed",
        library: "redis 1.8.1",
        redis_crate: "redis 1.8.1",
        known_failures: &[],
    },
    build,
};

/// What this backend can do beyond the rules that are a MUST for all.
pub const CAPABILITIES: Capabilities = {
    let mut capabilities = RedisLink::CAPABILITIES;
    capabilities.lanes = true;
    capabilities
};

/// A pool whose clients share connections. Needs no runtime, and opens no connection
/// itself ([`BackendEntry::build`]).
///
/// # Errors
///
/// [`PoolError::Config`], which names the setting.
pub fn build(config: PoolConfig) -> Result<Pool, PoolError> {
    let config = Wrapped::<ExclusiveSlots<RedisDial>>::check(config, &BACKEND.info, CAPABILITIES)?;
    let dial = RedisDial::new(&config);
    dial.check()?;
    let ledger = Ledger::new(&config);
    let dialler = Dialler::new(dial, &config, ledger.clone());
    let slots = ExclusiveSlots::new(config.max_size, dialler.clone());
    let lanes = LanesHandle::new(&config, slots.clone(), ledger, dialler.clone());
    slots.make_room_from(&lanes);
    let backend = Wrapped::new(slots, dialler, BACKEND.info, CAPABILITIES).with_lane(lanes);
    Ok(Pool::new(backend, config))
}

/// Exclusive connections of another kind, without lanes. For benches and tests.
///
/// # Errors
///
/// As [`build`].
pub fn over<D: Dial>(dial: D, config: PoolConfig) -> Result<Pool, PoolError> {
    Wrapped::pool(
        dial,
        config,
        BACKEND.info,
        RedisLink::CAPABILITIES,
        |config, dialler| ExclusiveSlots::new(config.max_size, dialler),
    )
}
