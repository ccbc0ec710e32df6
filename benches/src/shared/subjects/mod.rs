//! What is measured: one trait for every shared client, so that each is called in the same way.

pub(crate) mod bare;
mod like;
#[cfg(feature = "peers")]
mod peers;
pub(crate) mod redis_crate;

use serde::{Deserialize, Serialize};

pub(crate) use like::{Like, ours};
#[cfg(feature = "peers")]
pub(crate) use peers::{Fred, Rustis};

/// The key of the value that most GETs ask for, and that SETs write.
pub(crate) const KEY: &str = "respool:shared";
/// The length of its value.
pub(crate) const VALUE: usize = 100;
/// The key of the large value.
pub(crate) const LARGE_KEY: &str = "respool:large";

/// A client that tasks have clones of.
pub(crate) trait Shares: Clone + Send + Sync + 'static {
    /// Whether its callers build a [`redis::Cmd`], whose allocations are theirs.
    const TAKES_CMD: bool;

    /// GETs `key`: the length of its value, which is dropped.
    fn get(&mut self, key: &'static str) -> impl Future<Output = usize> + Send;

    /// SETs [`KEY`].
    fn set(&mut self, value: &'static str) -> impl Future<Output = ()> + Send;
}

/// The subjects by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Subject {
    /// The `Client` of the backend that was asked for.
    Ours,
    /// That of the backend `multiplexed`.
    Multiplexed,
    /// `MultiplexedConnection` as it comes.
    RedisPlain,
    /// The same with its settings for many callers.
    RedisTuned,
    ConnectionManager,
    /// A pool of one.
    Fred,
    Rustis,
    /// A buffer, a queue, two tasks: what a shared client can't do without.
    BareLane,
    /// redis-benchmark, which is written in C and prepares its requests once.
    RedisBenchmark,
}

impl Subject {
    /// As it is called in the table.
    pub(crate) fn name(self, backend: &str) -> String {
        let name = match self {
            Subject::Ours => return format!("respool {backend}"),
            Subject::Multiplexed => "respool multiplexed",
            Subject::RedisPlain => "redis multiplexed",
            Subject::RedisTuned => "redis multiplexed, tuned",
            Subject::ConnectionManager => "ConnectionManager",
            Subject::Fred => "fred",
            Subject::Rustis => "rustis",
            Subject::BareLane => "bare lane",
            Subject::RedisBenchmark => "redis-benchmark",
        };
        name.to_owned()
    }

    /// Whether it is compiled only with the feature `peers`.
    pub(crate) fn needs_peers(self) -> bool {
        matches!(self, Subject::Fred | Subject::Rustis)
    }
}

impl respool_benches::table::Subject for Subject {
    const OURS: Subject = Subject::Ours;

    fn is_peer(self) -> bool {
        let no_peers = [
            Subject::Ours,
            Subject::Multiplexed,
            Subject::BareLane,
            Subject::RedisBenchmark,
        ];
        !no_peers.contains(&self)
    }
}
