use respool_connect::{Dial, MobcSlots, Wrapped};
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
        known_failures: KNOWN_FAILURES,
    },
    build,
};

/// All for one reason: the stock manager opens its sockets itself and leaves each to a task of
/// redis 0.28.
const KNOWN_FAILURES: &[KnownFailure] = &[
    KnownFailure {
        rule: "CMD-5",
        reason: "what redis 0.28 reads can't be looked at first: its parser waits for lengths that \
                 no server means, and takes any negative one for nil",
        link: "https://docs.rs/redis/0.28.2/src/redis/parser.rs.html",
    },
    KnownFailure {
        rule: "CMD-6",
        reason: "a reply that came unasked and was not read before the next request is sent is \
                 taken for its reply, and without the socket nobody can look",
        link: "https://docs.rs/redis/0.28.2/src/redis/aio/multiplexed_connection.rs.html",
    },
    KnownFailure {
        rule: "LIFE-1",
        reason: "the stock manager opens its socket itself: that the server has closed it shows \
                 only by a PING, which is sent after validate_after, not before each use",
        link: "https://docs.rs/mobc-redis/0.9.0/src/mobc_redis/lib.rs.html",
    },
    KnownFailure {
        rule: "LIFE-5",
        reason: "redis 0.28 drives a connection by a task on the runtime that opened it: held \
                 across runtimes, it gets no reply while nobody drives that one",
        link: "https://docs.rs/redis/0.28.2/redis/aio/struct.MultiplexedConnection.html",
    },
    KnownFailure {
        rule: "LIFE-6",
        reason: "the socket belongs to that task, which ends only when its runtime runs: dropped \
                 outside of it, the last handle leaves the sockets open until then",
        link: "https://github.com/redis-rs/redis-rs/issues/1236",
    },
];

/// What this backend can do beyond the rules that are a MUST for all.
pub const CAPABILITIES: Capabilities = {
    let mut capabilities = Capabilities::NONE;
    capabilities.detach = true;
    capabilities.keeps_connection_on_cancel = true;
    capabilities.unix_sockets = cfg!(unix);
    capabilities.min_idle = true;
    capabilities
};

/// A pool of mobc's with the stock manager of mobc-redis. Needs no runtime, and opens no connection
/// itself ([`BackendEntry::build`]).
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
    Wrapped::pool(
        dial,
        config,
        BACKEND.info,
        CAPABILITIES,
        |config, dialler| MobcSlots::new(config.max_size, dialler, BACKEND.info.name),
    )
}
