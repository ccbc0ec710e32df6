//! Pools and connections as people use them today: their defaults, and the pool's size.

mod bb8_redis;
mod connection_manager;
mod deadpool_redis;
mod mobc_redis;

use std::error::Error;

use respool::PoolConfig;

use super::Mode;
use crate::compare::measure::Driver;

#[derive(Clone, Copy, Debug)]
pub(super) enum StockPool {
    Bb8Redis,
    ConnectionManager,
    DeadpoolRedis,
    MobcRedis,
}

impl StockPool {
    pub(super) const ALL: [StockPool; 4] = [
        StockPool::Bb8Redis,
        StockPool::DeadpoolRedis,
        StockPool::MobcRedis,
        StockPool::ConnectionManager,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            StockPool::Bb8Redis => "bb8-redis",
            StockPool::ConnectionManager => "ConnectionManager",
            StockPool::DeadpoolRedis => "deadpool-redis",
            StockPool::MobcRedis => "mobc-redis",
        }
    }

    pub(super) fn mode(self) -> Mode {
        match self {
            StockPool::ConnectionManager => Mode::Shared,
            StockPool::Bb8Redis | StockPool::DeadpoolRedis | StockPool::MobcRedis => Mode::Checkout,
        }
    }

    /// None of them tells its version. A test compares these with the lock file.
    pub(super) fn versions(self) -> &'static str {
        match self {
            StockPool::Bb8Redis => "bb8-redis 0.26.0, bb8 0.9.1, redis 1.8.1",
            StockPool::ConnectionManager => "redis 1.8.1",
            StockPool::DeadpoolRedis => "deadpool-redis 0.23.1, deadpool 0.13.1, redis 1.8.1",
            StockPool::MobcRedis => "mobc-redis 0.9.0, mobc 0.9.0, redis 0.28.2",
        }
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
