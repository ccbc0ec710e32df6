//! The clients with a protocol of their own, each called by its own API.

use fred::clients::Pool;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::config::Config;
use fred::types::{Builder, Key, Value};
use rustis::client::Client;
use rustis::commands::StringCommands;
use rustis::resp::BulkString;

use super::{KEY, Shares};

/// fred: a pool of one, with nodelay. Its other settings are for recovery.
#[derive(Clone)]
pub(crate) struct Fred(Pool);

impl Fred {
    pub(crate) async fn connect(url: &str) -> Fred {
        let mut builder = Builder::from_config(Config::from_url(url).expect("the server's URL"));
        builder.with_connection_config(|connection| connection.tcp.nodelay = Some(true));
        let pool = builder.build_pool(1).expect("a pool of one");
        pool.init().await.expect("a connection");
        Fred(pool)
    }
}

impl Shares for Fred {
    const TAKES_CMD: bool = false;

    async fn get(&mut self, key: &'static str) -> usize {
        let key = Key::from_static_str(key);
        let value: Value = self.0.get(key).await.expect("a reply");
        value.as_bytes().expect("a value").len()
    }

    async fn set(&mut self, value: &'static str) {
        let (key, value) = (Key::from_static_str(KEY), Value::from_static_str(value));
        let set = self.0.set(key, value, None, None, false).await;
        set.expect("a reply")
    }
}

/// rustis: the client that all share, as it comes. nodelay is on, and its documentation calls the
/// size of its waves the best one.
#[derive(Clone)]
pub(crate) struct Rustis(Client);

impl Rustis {
    pub(crate) async fn connect(url: &str) -> Rustis {
        Rustis(Client::connect(url).await.expect("a connection"))
    }
}

impl Shares for Rustis {
    const TAKES_CMD: bool = false;

    async fn get(&mut self, key: &'static str) -> usize {
        let value: BulkString = self.0.get(key).await.expect("a reply");
        value.len()
    }

    async fn set(&mut self, value: &'static str) {
        let set = self.0.set(KEY, value).await;
        set.expect("a reply");
    }
}
