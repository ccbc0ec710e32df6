use respool_connect::{Dial, Dialler, Ledger, RedisDial, Wrapped};
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
    let mut capabilities = Capabilities::NONE;
    capabilities.lanes = true;
    capabilities.detach = true;
    capabilities.keeps_connection_on_cancel = true;
    capabilities.sees_closed_sockets = true;
    capabilities.unix_sockets = cfg!(unix);
    capabilities
};

/// A pool whose clients share connections. Opens no connection and needs no runtime.
///
/// # Errors
///
/// [`PoolError::Config`], which names the setting.
pub fn build(config: PoolConfig) -> Result<Pool, PoolError> {
    let (config, ledger, dialler) = parts(RedisDial::new(&config), config)?;
    let slots = ExclusiveSlots::new(config.max_size, dialler.clone());
    let lanes = LanesHandle::new(&config, slots.clone(), ledger.clone(), dialler.clone());
    slots.make_room_from(&lanes);
    let backend = Wrapped::new(slots, dialler, ledger, BACKEND.info, CAPABILITIES).with_lane(lanes);
    Ok(Pool::new(backend, config))
}

/// Exclusive connections of another kind, without lanes. For benches and tests.
///
/// # Errors
///
/// As [`build`].
pub fn over<D: Dial>(dial: D, config: PoolConfig) -> Result<Pool, PoolError> {
    let (config, ledger, dialler) = parts(dial, config)?;
    let slots = ExclusiveSlots::new(config.max_size, dialler.clone());
    let mut capabilities = CAPABILITIES;
    capabilities.lanes = false;
    let backend = Wrapped::new(slots, dialler, ledger, BACKEND.info, capabilities);
    Ok(Pool::new(backend, config))
}

fn parts<D: Dial>(
    dial: D,
    config: PoolConfig,
) -> Result<(PoolConfig, std::sync::Arc<Ledger>, Dialler<D>), PoolError> {
    let config = Wrapped::<ExclusiveSlots<D>>::check(config, &BACKEND.info, CAPABILITIES)?;
    let ledger = Ledger::new(config.max_size);
    let dialler = Dialler::new(dial, &config, ledger.clone());
    Ok((config, ledger, dialler))
}
