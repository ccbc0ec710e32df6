#![doc = include_str!("../../../README.md")]

mod backends;
mod shared;

pub use backends::{backends, build, connect};
pub use respool_core::{
    BackendEntry, BackendInfo, Capabilities, Client, CloseReason, ClosedCounts, CommandError,
    ConnectError, ConnectErrorKind, DetachedConnection, Endpoint, Get, KnownFailure, Pool,
    PoolConfig, PoolError, PooledConnection, PushHandler, Retry, Status, TimeoutKind, redis,
};
pub use shared::shared;
