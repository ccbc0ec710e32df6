//! Pools and connections as people use them today: their defaults, and the pool's size.

mod bb8_redis;
mod connection_manager;
mod deadpool_redis;
mod mobc_redis;
mod multiplexed_connection;
#[cfg(feature = "peers")]
mod peers;

use std::error::Error;

use redis::ConnectionAddr;
use respool::{Endpoint, PoolConfig};

use super::Mode;
use crate::compare::measure::Driver;

#[derive(Clone, Copy, Debug)]
pub(super) enum StockPool {
    Bb8Redis,
    ConnectionManager,
    DeadpoolRedis,
    MobcRedis,
    MultiplexedConnection,
    #[cfg(feature = "peers")]
    Fred,
    #[cfg(feature = "peers")]
    Rustis,
}

impl StockPool {
    pub(super) const ALL: &[StockPool] = &[
        StockPool::Bb8Redis,
        StockPool::DeadpoolRedis,
        StockPool::MobcRedis,
        StockPool::ConnectionManager,
        StockPool::MultiplexedConnection,
        #[cfg(feature = "peers")]
        StockPool::Fred,
        #[cfg(feature = "peers")]
        StockPool::Rustis,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            StockPool::Bb8Redis => "bb8-redis",
            StockPool::ConnectionManager => "ConnectionManager",
            StockPool::DeadpoolRedis => "deadpool-redis",
            StockPool::MobcRedis => "mobc-redis",
            StockPool::MultiplexedConnection => "MultiplexedConnection",
            #[cfg(feature = "peers")]
            StockPool::Fred => "fred",
            #[cfg(feature = "peers")]
            StockPool::Rustis => "rustis",
        }
    }

    pub(super) fn mode(self) -> Mode {
        match self {
            StockPool::Bb8Redis | StockPool::DeadpoolRedis | StockPool::MobcRedis => Mode::Checkout,
            _ => Mode::Shared,
        }
    }

    /// None of them tells its version. A test compares these with the lock file.
    pub(super) fn versions(self) -> &'static str {
        match self {
            StockPool::Bb8Redis => "bb8-redis 0.26.0, bb8 0.9.1, redis 1.8.1",
            StockPool::ConnectionManager | StockPool::MultiplexedConnection => "redis 1.8.1",
            StockPool::DeadpoolRedis => "deadpool-redis 0.23.1, deadpool 0.13.1, redis 1.8.1",
            StockPool::MobcRedis => "mobc-redis 0.9.0, mobc 0.9.0, redis 0.28.2",
            #[cfg(feature = "peers")]
            StockPool::Fred => "fred 10.1.0",
            #[cfg(feature = "peers")]
            StockPool::Rustis => "rustis 0.27.2",
        }
    }

    pub(super) fn goes_to(self, endpoint: &Endpoint) -> bool {
        let address = endpoint.connection_info().addr();
        // These are told the address in words of their own.
        let is_for_tcp_alone = matches!(self.name(), "fred" | "rustis");
        !is_for_tcp_alone || matches!(address, ConnectionAddr::Tcp(..))
    }

    pub(super) async fn open(
        self,
        config: &PoolConfig,
    ) -> Result<Box<dyn Driver>, Box<dyn Error + Send + Sync>> {
        Ok(match self {
            StockPool::Bb8Redis => Box::new(bb8_redis::open(config).await?),
            StockPool::ConnectionManager => Box::new(connection_manager::open(config).await?),
            StockPool::DeadpoolRedis => Box::new(deadpool_redis::open(config)?),
            StockPool::MobcRedis => Box::new(mobc_redis::open(config)?),
            StockPool::MultiplexedConnection => {
                Box::new(multiplexed_connection::open(config).await?)
            }
            #[cfg(feature = "peers")]
            StockPool::Fred => Box::new(peers::fred(config).await?),
            #[cfg(feature = "peers")]
            StockPool::Rustis => Box::new(peers::rustis(config).await?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_are_those_of_the_lock_file() {
        let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock"));
        for pool in StockPool::ALL {
            for library in pool.versions().split(", ") {
                let (name, version) = library.split_once(' ').unwrap();
                let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
                assert!(lock.contains(&entry), "{library} is not what is locked");
            }
        }
    }
}
