use redis::AsyncCommands;
use respool::{Pool, PooledConnection};

use super::{Asks, KEY, Lends};

/// respool, with settings as they come: its checks stay on.
#[derive(Clone)]
pub(crate) struct Ours(Pool);

impl Ours {
    /// A pool that has opened nothing yet.
    pub(crate) fn build(url: &str, backend: &str, connections: usize) -> Self {
        let mut config = respool::PoolConfig::from_url(url).expect("the server's URL");
        config.backend = Some(backend.to_owned());
        config.max_size = connections;
        Ours(respool::build(config).expect("a pool can be built"))
    }
}

impl Lends for Ours {
    type Held<'pool> = PooledConnection;

    async fn get(&self) -> PooledConnection {
        self.0.get().await.expect("a connection")
    }
}

impl Asks for Ours {
    async fn ask(held: &mut Self::Held<'_>) -> Vec<u8> {
        held.get(KEY).await.expect("a reply")
    }
}
