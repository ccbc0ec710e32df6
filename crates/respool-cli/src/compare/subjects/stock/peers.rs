//! The shared clients with a protocol of their own, each called by its own API.

use std::error::Error;

use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::config::ServerConfig;
use redis::ConnectionAddr;
use respool::PoolConfig;
use rustis::commands::StringCommands;
use rustis::resp::{BulkString, RefBulkString};

use crate::compare::measure::Caller;

type Failure = Box<dyn Error + Send + Sync>;

/// A pool of one, which all share.
pub(super) async fn fred(config: &PoolConfig) -> Result<fred::clients::Pool, Failure> {
    let (host, port) = address(config)?;
    let login = config.endpoint.connection_info().redis_settings();
    let theirs = fred::types::config::Config {
        server: ServerConfig::new_centralized(host, port),
        username: login.username().map(str::to_owned),
        password: login.password().map(str::to_owned),
        database: Some(u8::try_from(login.db())?),
        ..Default::default()
    };
    let pool = fred::types::Builder::from_config(theirs).build_pool(1)?;
    pool.init().await?;
    Ok(pool)
}

/// The client that all share.
pub(super) async fn rustis(config: &PoolConfig) -> Result<rustis::client::Client, Failure> {
    let (host, port) = address(config)?;
    let login = config.endpoint.connection_info().redis_settings();
    let mut theirs = rustis::client::Config::default();
    theirs.server = rustis::client::ServerConfig::Standalone { host, port };
    theirs.username = login.username().map(str::to_owned);
    theirs.password = login.password().map(str::to_owned);
    theirs.database = usize::try_from(login.db())?;
    Ok(rustis::client::Client::connect(theirs).await?)
}

fn address(config: &PoolConfig) -> Result<(String, u16), Failure> {
    match config.endpoint.connection_info().addr() {
        ConnectionAddr::Tcp(host, port) => Ok((host.clone(), *port)),
        _ => Err("it is compared over TCP alone; leave it out with --subject".into()),
    }
}

impl Caller for fred::clients::Pool {
    async fn read(&mut self, key: &str) -> Result<(), String> {
        let value: Result<fred::types::Value, _> = self.get(key).await;
        value.map(drop).map_err(|error| error.to_string())
    }

    async fn write(&mut self, key: &str, value: &[u8]) -> Result<(), String> {
        let done: Result<(), _> = self.set(key, value, None, None, false).await;
        done.map_err(|error| error.to_string())
    }
}

impl Caller for rustis::client::Client {
    async fn read(&mut self, key: &str) -> Result<(), String> {
        let value: Result<Option<BulkString>, _> = self.get(key).await;
        value.map(drop).map_err(|error| error.to_string())
    }

    async fn write(&mut self, key: &str, value: &[u8]) -> Result<(), String> {
        let set = self.set(key, RefBulkString::new(value)).await;
        set.map_err(|error| error.to_string())
    }
}
