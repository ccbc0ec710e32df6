use respool_connect::{RedisDial, Wrapped};
use respool_core::{BackendEntry, BackendInfo, Capabilities, Pool, PoolConfig, PoolError};

use crate::slots::{Next, SwimSlots};

/// What the kit has to know of swim.
pub(crate) const BACKEND: BackendEntry = BackendEntry {
    info: BackendInfo {
        name: "swim",
        library: "swim 0.1.0",
        redis_crate: "redis 1.8.1",
        known_failures: &[],
    },
    build,
};

/// No `detach`: the checks assert that it is refused.
const CAPABILITIES: Capabilities = {
    let mut capabilities = Capabilities::NONE;
    capabilities.keeps_connection_on_cancel = true;
    capabilities.sees_closed_sockets = true;
    capabilities.unix_sockets = cfg!(unix);
    capabilities
};

fn build(config: PoolConfig) -> Result<Pool, PoolError> {
    build_lending(Vec::pop, config)
}

/// A pool that lends the connection that `next` takes from those that are idle.
pub(crate) fn build_lending(next: Next, config: PoolConfig) -> Result<Pool, PoolError> {
    Wrapped::pool(
        RedisDial::new(&config),
        config,
        BACKEND.info,
        CAPABILITIES,
        |config, dialler| SwimSlots::new(config.max_size, next, dialler),
    )
}
