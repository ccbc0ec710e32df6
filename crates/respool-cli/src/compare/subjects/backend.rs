//! Any backend of respool, through the contract.

use respool::{BackendEntry, Client, Pool, PoolConfig};

use super::{Mode, commands};
use crate::compare::measure::{Caller, Driver};
use crate::failure::Failure;

pub(super) fn open(
    entry: &BackendEntry,
    mode: Mode,
    config: &PoolConfig,
) -> Result<Box<dyn Driver>, Failure> {
    let pool = (entry.build)(config.clone())?;
    Ok(match mode {
        Mode::Checkout => Box::new(pool),
        Mode::Shared => Box::new(pool.client()),
    })
}

impl Caller for Pool {
    async fn read(&mut self, key: &str) -> Result<(), String> {
        let mut connection = self.get().await.map_err(|error| error.to_string())?;
        commands::get(&mut connection, key).await
    }

    async fn write(&mut self, key: &str, value: &[u8]) -> Result<(), String> {
        let mut connection = self.get().await.map_err(|error| error.to_string())?;
        commands::set(&mut connection, key, value).await
    }
}

impl Caller for Client {
    async fn read(&mut self, key: &str) -> Result<(), String> {
        commands::get(self, key).await
    }

    async fn write(&mut self, key: &str, value: &[u8]) -> Result<(), String> {
        commands::set(self, key, value).await
    }
}
