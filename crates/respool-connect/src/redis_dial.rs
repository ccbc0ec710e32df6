use async_trait::async_trait;
use respool_core::{ConnectError, PoolConfig};

use crate::{Dial, Opening, RedisLink, Socket};

/// Opens [`RedisLink`]s to the server of a configuration.
#[derive(Debug)]
pub struct RedisDial {
    config: PoolConfig,
}

impl RedisDial {
    /// Dials what `config` says.
    pub fn new(config: &PoolConfig) -> Self {
        RedisDial {
            config: config.clone(),
        }
    }
}

#[async_trait]
impl Dial for RedisDial {
    type Link = RedisLink;

    async fn dial(&self, opening: Opening) -> Result<RedisLink, ConnectError> {
        let endpoint = &self.config.endpoint;
        let failed = |error: redis::RedisError| ConnectError::at(endpoint, error);
        let socket = Socket::connect(endpoint.connection_info().addr())
            .await
            .map_err(|error| failed(error.into()))?;
        RedisLink::open(socket, opening, &self.config)
            .await
            .map_err(failed)
    }
}
