use std::fmt;

use async_trait::async_trait;
use redis::aio::{
    ConnectionLike, ConnectionManager, ConnectionManagerConfig, MultiplexedConnection,
};
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult};
use respool_core::{BackendInfo, PoolConfig, PoolError};

use super::backend::{StockPool, Taken};
use super::connected_once::ConnectedOnce;
use super::{ENDS_WITH_ITS_CONNECTION, SHARES, refused, subject};
use crate::Subject;

const MANAGER: BackendInfo = BackendInfo {
    name: "redis-connection-manager",
    library: "redis 1.8.1 (ConnectionManager)",
    redis_crate: "redis 1.8.1",
    known_failures: &[],
};

const MULTIPLEXED: BackendInfo = BackendInfo {
    name: "redis-multiplexed",
    library: "redis 1.8.1 (MultiplexedConnection)",
    ..MANAGER
};

/// The manager connects again by itself, the bare connection never does.
pub(super) fn subjects() -> Vec<Subject> {
    vec![
        subject(MANAGER, SHARES, Shared::<ConnectionManager>::open),
        subject(
            MULTIPLEXED,
            ENDS_WITH_ITS_CONNECTION,
            Shared::<MultiplexedConnection>::open,
        ),
    ]
}

/// One connection for all. Users have clones of it.
///
/// It is told: `connect_timeout`, `response_timeout`.
///
/// It can't be told: `get_timeout` (the manager tries to connect six times by default), and whatever
/// concerns more than one connection.
struct Shared<C> {
    client: Client,
    config: PoolConfig,
    connection: ConnectedOnce<C, RedisError>,
}

impl<C: Connect> Shared<C> {
    fn open(config: &PoolConfig) -> Result<Self, PoolError> {
        Ok(Shared {
            client: Client::open(config.endpoint.connection_info().clone()).map_err(refused)?,
            config: config.clone(),
            connection: ConnectedOnce::new(),
        })
    }
}

/// Of what a user of the library holds.
impl<C> fmt::Debug for Shared<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.client)
    }
}

#[async_trait]
impl<C: Connect> StockPool for Shared<C> {
    async fn take(&self, name: &'static str) -> Result<Taken, PoolError> {
        let connection = self
            .connection
            .get(|| C::connect(self.client.clone(), self.config.clone()))
            .await
            .map_err(|error| PoolError::backend(name, error))?;
        Ok(Box::new(connection))
    }
}

trait Connect: ConnectionLike + Clone + Send + Sync + 'static {
    fn connect(
        client: Client,
        config: PoolConfig,
    ) -> impl Future<Output = RedisResult<Self>> + Send + 'static;
}

impl Connect for ConnectionManager {
    async fn connect(client: Client, config: PoolConfig) -> RedisResult<Self> {
        let settings = ConnectionManagerConfig::new()
            .set_connection_timeout(config.connect_timeout)
            .set_response_timeout(config.response_timeout);
        ConnectionManager::new_with_config(client, settings).await
    }
}

impl Connect for MultiplexedConnection {
    async fn connect(client: Client, config: PoolConfig) -> RedisResult<Self> {
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(config.connect_timeout)
            .set_response_timeout(config.response_timeout);
        client
            .get_multiplexed_async_connection_with_config(&settings)
            .await
    }
}
