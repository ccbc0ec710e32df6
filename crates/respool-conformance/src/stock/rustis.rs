use std::fmt;
use std::io;

use async_trait::async_trait;
use redis::aio::ConnectionLike;
use redis::{Arg, Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult};
use respool_core::{BackendInfo, PoolConfig, PoolError, Status};
use rustis::bb8::PooledConnection;
use rustis::client::{Client, Config, PooledClientManager, ServerConfig};
use rustis::resp::{BulkString, CommandBuilder, Value};

use super::backend::{StockPool, Taken};
use super::bb8_redis::{self, LazyPool};
use super::connected_once::ConnectedOnce;
use super::{Address, SHARES, error_reply, refused, subject};
use crate::Subject;

const CLIENT: BackendInfo = BackendInfo {
    name: "rustis",
    library: "rustis 0.27.2",
    redis_crate: "rustis 0.27.2",
    known_failures: &[],
};

const POOL: BackendInfo = BackendInfo {
    name: "rustis-pool",
    library: "rustis 0.27.2, bb8 0.9.1",
    ..CLIENT
};

/// The client that all share, and the pool of exclusive ones, which is bb8's.
///
/// There is no tuned one: what its documentation offers for availability (`retry_on_error`) keeps no
/// rule more and CMD-7 no longer.
pub(super) fn subjects() -> Vec<Subject> {
    vec![
        subject(CLIENT, SHARES, |config| {
            Ok(Shared {
                config: settings(config)?,
                client: ConnectedOnce::new(),
            })
        }),
        subject(POOL, bb8_redis::NATURE, |config| {
            let (settings, told) = (settings(config)?, config.clone());
            // Refused here, so that it is built without a failure below.
            PooledClientManager::new(settings.clone()).map_err(refused)?;
            let managed = settings.clone();
            let pool = LazyPool::new(move || {
                let manager = PooledClientManager::new(managed.clone())
                    .expect("settings that were accepted before");
                bb8_redis::builder(&told).build_unchecked(manager)
            });
            Ok(Lending {
                pool,
                config: settings,
            })
        }),
    ]
}

/// It is told: `connect_timeout`, `response_timeout` (`command_timeout`, which is none by default);
/// the pool moreover what bb8 is told.
///
/// It can't be told: `get_timeout`, but the pool can.
fn settings(config: &PoolConfig) -> Result<Config, PoolError> {
    let address = Address::of(config)?;
    let mut settings = Config::default();
    settings.server = ServerConfig::Standalone {
        host: address.host,
        port: address.port,
    };
    settings.username = address.user;
    settings.password = address.password;
    settings.database = usize::try_from(address.database).map_err(refused)?;
    settings.connect_timeout = config.connect_timeout.unwrap_or_default();
    settings.command_timeout = config.response_timeout.unwrap_or_default();
    Ok(settings)
}

/// Users have clones of it.
struct Shared {
    config: Config,
    client: ConnectedOnce<Client, rustis::Error>,
}

struct Lending {
    pool: LazyPool<PooledClientManager>,
    config: Config,
}

/// Of what a user of the library holds.
impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.config)
    }
}

/// Of what a user of the library holds.
impl fmt::Debug for Lending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.config, self.pool)
    }
}

#[async_trait]
impl StockPool for Shared {
    async fn take(&self, name: &'static str) -> Result<Taken, PoolError> {
        let client = self
            .client
            .get(|| Client::connect(self.config.clone()))
            .await
            .map_err(|error| PoolError::backend(name, error))?;
        Ok(Box::new(Held(client)))
    }
}

#[async_trait]
impl StockPool for Lending {
    async fn take(&self, name: &'static str) -> Result<Taken, PoolError> {
        match self.pool.get().get_owned().await {
            Ok(client) => Ok(Box::new(Held(client))),
            Err(error) => Err(PoolError::backend(name, error)),
        }
    }

    fn figures(&self) -> Status {
        self.pool.figures()
    }
}

struct Held<C>(C);

/// The same methods of the client that is shared and of one that is lent.
trait Speaks: Send {
    fn send_one(&self, command: &Cmd) -> impl Future<Output = RedisResult<redis::Value>> + Send;
    fn send_all(
        &self,
        pipeline: &Pipeline,
    ) -> impl Future<Output = RedisResult<Vec<redis::Value>>> + Send;
}

macro_rules! sends {
    ($client:ty) => {
        impl Speaks for $client {
            async fn send_one(&self, command: &Cmd) -> RedisResult<redis::Value> {
                if command.is_no_response() {
                    self.send_and_forget(bridged(command), None)
                        .map_err(error)?;
                    return Ok(redis::Value::Nil);
                }
                let reply = self.send_raw(bridged(command), None).await.map_err(error)?;
                redis::parse_redis_value(reply.as_bytes()).map_err(RedisError::from)
            }

            async fn send_all(&self, pipeline: &Pipeline) -> RedisResult<Vec<redis::Value>> {
                if pipeline.is_transaction() {
                    let mut transaction = self.create_transaction();
                    for command in pipeline.cmd_iter() {
                        transaction.queue_command(bridged(command));
                    }
                    let replies = transaction.execute::<Vec<Value>>().await;
                    return Ok(vec![match replies {
                        Ok(replies) => all(replies),
                        Err(failure) if matches!(failure.kind(), rustis::ErrorKind::Aborted) => {
                            redis::Value::Nil
                        }
                        Err(failure) => return Err(error(failure)),
                    }]);
                }
                let mut batch = self.create_pipeline();
                for command in pipeline.cmd_iter() {
                    batch.queue_command(bridged(command));
                }
                let replies = batch.execute::<Vec<Value>>().await.map_err(error)?;
                Ok(replies.into_iter().map(value).collect())
            }
        }
    };
}
sends!(Client);
sends!(PooledConnection<'static, PooledClientManager>);

impl<C: Speaks> ConnectionLike for Held<C> {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, redis::Value> {
        Box::pin(self.0.send_one(command))
    }

    /// The library leaves out what MULTI and the commands in it are answered.
    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<redis::Value>> {
        Box::pin(async move {
            let replies = self.0.send_all(pipeline).await?;
            let left_out = if pipeline.is_transaction() { 0 } else { offset };
            Ok(replies.into_iter().skip(left_out).take(count).collect())
        })
    }

    /// The library doesn't tell, and nobody asks in a bare pool.
    fn get_db(&self) -> i64 {
        0
    }
}

fn bridged(command: &Cmd) -> CommandBuilder {
    let mut arguments = command.args_iter().map(|argument| match argument {
        Arg::Simple(bytes) => bytes,
        _ => b"0",
    });
    let bridged = CommandBuilder::new(arguments.next().unwrap_or_default());
    arguments.fold(bridged, |bridged, argument| {
        bridged.arg(BulkString::from(argument.to_vec()))
    })
}

fn value(value: Value) -> redis::Value {
    match value {
        Value::SimpleString(text) if text == "OK" => redis::Value::Okay,
        Value::SimpleString(text) => redis::Value::SimpleString(text),
        Value::Integer(number) => redis::Value::Int(number),
        Value::Double(number) => redis::Value::Double(number),
        Value::BulkString(bytes) => redis::Value::BulkString(bytes),
        Value::Boolean(truth) => redis::Value::Boolean(truth),
        Value::Map(pairs) => redis::Value::Map(
            pairs
                .into_iter()
                .map(|(key, part)| (self::value(key), self::value(part)))
                .collect(),
        ),
        Value::Array(values) | Value::Set(values) | Value::Push(values) => all(values),
        Value::Error(error) => error_reply(&error.to_string()),
        Value::Null => redis::Value::Nil,
    }
}

fn all(values: Vec<Value>) -> redis::Value {
    redis::Value::Array(values.into_iter().map(value).collect())
}

/// An error reply stays one; all else keeps its cause.
fn error(error: rustis::Error) -> RedisError {
    use rustis::ErrorKind as Theirs;
    let kind = match error.kind() {
        Theirs::Redis(reply) => {
            return match error_reply(&reply.to_string()).extract_error() {
                Err(error) => error,
                Ok(_) => (ErrorKind::Client, "an error reply without words").into(),
            };
        }
        _ if error.is_timeout() => io::ErrorKind::TimedOut,
        Theirs::Client(_) => io::ErrorKind::InvalidData,
        _ => io::ErrorKind::BrokenPipe,
    };
    io::Error::new(kind, error).into()
}
