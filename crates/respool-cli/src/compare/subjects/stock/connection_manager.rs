use redis::aio::ConnectionManager;
use redis::{Client, RedisResult};
use respool::PoolConfig;

use crate::compare::measure::Caller;
use crate::compare::subjects::commands;

pub(super) async fn open(config: &PoolConfig) -> RedisResult<ConnectionManager> {
    let client = Client::open(config.endpoint.connection_info().clone())?;
    ConnectionManager::new(client).await
}

impl Caller for ConnectionManager {
    async fn read(&mut self, key: &str) -> Result<(), String> {
        commands::get(self, key).await
    }

    async fn write(&mut self, key: &str, value: &[u8]) -> Result<(), String> {
        commands::set(self, key, value).await
    }
}
