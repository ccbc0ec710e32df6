use redis::aio::MultiplexedConnection;
use redis::{Client, RedisResult};
use respool::PoolConfig;

use crate::compare::measure::Caller;
use crate::compare::subjects::commands;

pub(super) async fn open(config: &PoolConfig) -> RedisResult<MultiplexedConnection> {
    let client = Client::open(config.endpoint.connection_info().clone())?;
    client.get_multiplexed_async_connection().await
}

impl Caller for MultiplexedConnection {
    async fn read(&mut self, key: &str) -> Result<(), String> {
        commands::get(self, key).await
    }

    async fn write(&mut self, key: &str, value: &[u8]) -> Result<(), String> {
        commands::set(self, key, value).await
    }
}
