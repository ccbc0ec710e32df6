use redis::Value;
use redis::aio::ConnectionLike;

use super::{KEY, Shares};

/// Whatever speaks the redis crate's trait, called through it.
#[derive(Clone)]
pub(crate) struct Like<C>(pub(crate) C);

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Shares for Like<C> {
    const TAKES_CMD: bool = true;

    async fn get(&mut self, key: &'static str) -> usize {
        let mut command = redis::cmd("GET");
        command.arg(key);
        match self.0.req_packed_command(&command).await {
            Ok(Value::BulkString(value)) => value.len(),
            other => panic!("GET {key}: {other:?}"),
        }
    }

    async fn set(&mut self, value: &'static str) {
        let mut command = redis::cmd("SET");
        command.arg(KEY).arg(value);
        match self.0.req_packed_command(&command).await {
            Ok(Value::Okay) => {}
            other => panic!("SET: {other:?}"),
        }
    }
}

/// The shared client of a backend of respool, with settings as they come.
pub(crate) async fn ours(url: &str, backend: &str) -> Like<respool::Client> {
    let mut config = respool::PoolConfig::from_url(url).expect("the server's URL");
    config.backend = Some(backend.to_owned());
    Like(
        respool::build(config)
            .expect("a pool can be built")
            .client(),
    )
}
