use std::error::Error;

use deadpool_redis::{Manager, Pool, Runtime};
use respool::PoolConfig;

use crate::compare::measure::Caller;
use crate::compare::subjects::commands;

#[derive(Clone)]
pub(super) struct DeadpoolRedis {
    pool: Pool,
}

pub(super) fn open(config: &PoolConfig) -> Result<DeadpoolRedis, Box<dyn Error + Send + Sync>> {
    let manager = Manager::new(config.endpoint.connection_info().clone())?;
    let pool = Pool::builder(manager)
        .max_size(config.max_size)
        .runtime(Runtime::Tokio1)
        .build()?;
    Ok(DeadpoolRedis { pool })
}

impl Caller for DeadpoolRedis {
    async fn read(&mut self, key: &str) -> Result<(), String> {
        let mut connection = self.pool.get().await.map_err(|error| error.to_string())?;
        commands::get(&mut connection, key).await
    }

    async fn write(&mut self, key: &str, value: &[u8]) -> Result<(), String> {
        let mut connection = self.pool.get().await.map_err(|error| error.to_string())?;
        commands::set(&mut connection, key, value).await
    }
}
