use async_trait::async_trait;
use respool_core::{ConnectError, PoolConfig, PoolError};

use crate::{Dial, Opening, RedisLink, Route};

/// Opens [`RedisLink`]s to the server of a configuration.
#[derive(Debug)]
pub struct RedisDial {
    config: PoolConfig,
    route: Result<Route, PoolError>,
}

impl RedisDial {
    /// Dials what `config` says. [`Dial::check`] tells if that can't be done.
    pub fn new(config: &PoolConfig) -> Self {
        RedisDial {
            config: config.clone(),
            route: Route::new(config),
        }
    }
}

#[async_trait]
impl Dial for RedisDial {
    type Link = RedisLink;

    fn check(&self) -> Result<(), PoolError> {
        self.route.as_ref().map(drop).map_err(Clone::clone)
    }

    async fn dial(&self, opening: Opening) -> Result<RedisLink, ConnectError> {
        let failed = |error: redis::RedisError| ConnectError::at(&self.config.endpoint, error);
        let route = self
            .route
            .as_ref()
            .map_err(|error| failed(error.clone().into()))?;
        let (connected, opening) = opening.until(route.connect()).await;
        let socket = connected.map_err(|error| failed(error.into()))?;
        match RedisLink::open(socket.clone(), route, opening, &self.config).await {
            Ok(link) => Ok(link),
            Err(error) => Err(route.why(&socket, error).await),
        }
    }
}
