use std::error::Error;

use bb8_redis::RedisConnectionManager;
use bb8_redis::bb8::Pool;
use respool::PoolConfig;

use crate::compare::measure::Caller;
use crate::compare::subjects::commands;

#[derive(Clone)]
pub(super) struct Bb8Redis {
    pool: Pool<RedisConnectionManager>,
}

pub(super) async fn open(config: &PoolConfig) -> Result<Bb8Redis, Box<dyn Error + Send + Sync>> {
    let manager = RedisConnectionManager::new(config.endpoint.connection_info().clone())?;
    let size = u32::try_from(config.max_size)?;
    let pool = Pool::builder().max_size(size).build(manager).await?;
    Ok(Bb8Redis { pool })
}

impl Caller for Bb8Redis {
    async fn read(&mut self, key: &str) -> Result<(), String> {
        let mut connection = self.pool.get().await.map_err(|error| error.to_string())?;
        commands::get(&mut *connection, key).await
    }

    async fn write(&mut self, key: &str, value: &[u8]) -> Result<(), String> {
        let mut connection = self.pool.get().await.map_err(|error| error.to_string())?;
        commands::set(&mut *connection, key, value).await
    }
}
