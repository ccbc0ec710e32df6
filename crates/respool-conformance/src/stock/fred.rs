use std::fmt;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use fred::clients::Pool;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, TransactionInterface};
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy, ServerConfig,
};
use fred::types::{Builder, ClusterHash, CustomCommand, Resp3Frame, RespVersion, Value};
use redis::aio::ConnectionLike;
use redis::{Arg, Cmd, Pipeline, RedisError, RedisFuture, RedisResult};
use respool_core::{BackendInfo, Blocking, CommandEffect, PoolConfig, PoolError};

use super::backend::{StockPool, Taken};
use super::connected_once::ConnectedOnce;
use super::{Address, SHARES, error_reply, refused, subject};
use crate::Subject;

const INFO: BackendInfo = BackendInfo {
    name: "fred",
    library: "fred 10.1.0",
    redis_crate: "fred 10.1.0",
    known_failures: &[],
};

/// By default, and tuned: it connects again, as its examples for services have it, and gives up
/// connections that don't answer. (To make `max_command_attempts` one as well would cost LIFE-1 and
/// not gain CMD-7: transactions are sent again all the same.)
pub(super) fn subjects() -> Vec<Subject> {
    let tuned = BackendInfo {
        name: "fred-tuned",
        ..INFO
    };
    vec![
        subject(INFO, SHARES, |config| open(config, |_| {})),
        subject(tuned, SHARES, |config| {
            open(config, |builder| {
                builder
                    .set_policy(ReconnectPolicy::new_exponential(0, 100, 30_000, 2))
                    .with_connection_config(|connection| {
                        connection.unresponsive.max_timeout = config.response_timeout;
                        connection.unresponsive.interval =
                            config.response_timeout.unwrap_or(Duration::from_secs(2)) / 3;
                    });
            })
        }),
    ]
}

/// It is told: `max_size` (it opens so many at once, and shares them all), `connect_timeout` (also
/// its limit for the commands of the handshake), `response_timeout` (`default_command_timeout`,
/// which is none by default).
///
/// It can't be told: `get_timeout`, or anything about the age of connections.
///
/// Built with its feature `i-tracking`: without it, it takes a pushed invalidation for a reply.
fn open(config: &PoolConfig, tune: impl FnOnce(&mut Builder)) -> Result<Fred, PoolError> {
    let address = Address::of(config)?;
    let documented = Config {
        server: ServerConfig::new_centralized(address.host, address.port),
        username: address.user,
        password: address.password,
        database: Some(u8::try_from(address.database).map_err(refused)?),
        version: match config
            .endpoint
            .connection_info()
            .redis_settings()
            .protocol()
        {
            redis::ProtocolVersion::RESP3 => RespVersion::RESP3,
            _ => RespVersion::RESP2,
        },
        ..Config::default()
    };
    let mut builder = Builder::from_config(documented.clone());
    builder
        .with_performance_config(|performance: &mut PerformanceConfig| {
            performance.default_command_timeout = config.response_timeout.unwrap_or_default();
        })
        .with_connection_config(|connection: &mut ConnectionConfig| {
            if let Some(limit) = config.connect_timeout {
                connection.connection_timeout = limit;
                connection.internal_command_timeout = limit;
            }
        });
    tune(&mut builder);
    Ok(Fred {
        pool: builder.build_pool(config.max_size).map_err(refused)?,
        documented,
        is_connected: ConnectedOnce::new(),
    })
}

/// Users have clones of the pool.
struct Fred {
    pool: Pool,
    documented: Config,
    is_connected: ConnectedOnce<(), Error>,
}

/// Of what a user of the library holds.
impl fmt::Debug for Fred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.pool, self.documented)
    }
}

#[async_trait]
impl StockPool for Fred {
    async fn take(&self, name: &'static str) -> Result<Taken, PoolError> {
        self.is_connected
            .get(|| {
                let pool = self.pool.clone();
                async move { pool.init().await.map(drop) }
            })
            .await
            .map_err(|error| PoolError::backend(name, error))?;
        Ok(Box::new(Held(self.pool.clone())))
    }
}

struct Held(Pool);

impl ConnectionLike for Held {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, redis::Value> {
        Box::pin(async move {
            let (name, arguments) = bridged(command);
            let reply = self.0.custom_raw(name, arguments).await;
            frame(reply.map_err(error)?)
        })
    }

    /// The library leaves out what MULTI and the commands in it are answered. It doesn't tell a
    /// simple string of a pipeline from a bulk string: `OK` alone is taken for a simple one.
    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<redis::Value>> {
        Box::pin(async move {
            if pipeline.is_transaction() {
                let transaction = self.0.next().multi();
                for command in pipeline.cmd_iter() {
                    let (name, arguments) = bridged(command);
                    let queued = transaction.custom::<(), Value>(name, arguments).await;
                    queued.map_err(error)?;
                }
                let replies = transaction.exec::<Value>(false).await;
                return Ok(vec![value(replies.map_err(error)?)]);
            }
            let batch = self.0.next().pipeline();
            for command in pipeline.cmd_iter() {
                let (name, arguments) = bridged(command);
                let queued = batch.custom::<(), Value>(name, arguments).await;
                queued.map_err(error)?;
            }
            let replies = batch.try_all::<Value>().await;
            replies
                .into_iter()
                .skip(offset)
                .take(count)
                .map(reply)
                .collect()
        })
    }

    /// The library doesn't tell, and nobody asks in a bare pool.
    fn get_db(&self) -> i64 {
        0
    }
}

fn bridged(command: &Cmd) -> (CustomCommand, Vec<Value>) {
    let mut arguments = command.args_iter().map(|argument| match argument {
        Arg::Simple(bytes) => bytes,
        _ => b"0",
    });
    let name = String::from_utf8_lossy(arguments.next().unwrap_or_default()).into_owned();
    let blocks = CommandEffect::of(command).blocking != Blocking::No;
    let name = CustomCommand::new(name, ClusterHash::FirstKey, blocks);
    let arguments = arguments.map(|bytes| Value::Bytes(bytes.to_vec().into()));
    (name, arguments.collect())
}

/// One reply of a pipeline: an error reply stays one.
fn reply(outcome: Result<Value, Error>) -> RedisResult<redis::Value> {
    match outcome {
        Ok(reply) => Ok(value(reply)),
        Err(failure) if is_reply(&failure) => Ok(error_reply(failure.details())),
        Err(failure) => Err(error(failure)),
    }
}

fn value(value: Value) -> redis::Value {
    match value {
        Value::Boolean(truth) => redis::Value::Boolean(truth),
        Value::Integer(number) => redis::Value::Int(number),
        Value::Double(number) => redis::Value::Double(number),
        Value::String(text) => match &*text {
            "OK" => redis::Value::Okay,
            text => redis::Value::BulkString(text.as_bytes().to_vec()),
        },
        Value::Bytes(bytes) => redis::Value::BulkString(bytes.to_vec()),
        Value::Null => redis::Value::Nil,
        Value::Queued => redis::Value::SimpleString("QUEUED".to_owned()),
        Value::Map(map) => redis::Value::Map(
            map.inner()
                .into_iter()
                .map(|(key, part)| {
                    let key = redis::Value::BulkString(key.into_bytes().to_vec());
                    (key, self::value(part))
                })
                .collect(),
        ),
        Value::Array(values) => redis::Value::Array(values.into_iter().map(self::value).collect()),
    }
}

fn frame(frame: Resp3Frame) -> RedisResult<redis::Value> {
    let all = |frames: Vec<Resp3Frame>| -> RedisResult<Vec<redis::Value>> {
        frames.into_iter().map(self::frame).collect()
    };
    Ok(match frame {
        Resp3Frame::BlobString { data, .. } | Resp3Frame::VerbatimString { data, .. } => {
            redis::Value::BulkString(data.to_vec())
        }
        Resp3Frame::SimpleString { data, .. } => match &*data {
            b"OK" => redis::Value::Okay,
            text => redis::Value::SimpleString(String::from_utf8_lossy(text).into_owned()),
        },
        Resp3Frame::SimpleError { data, .. } => error_reply(&data),
        Resp3Frame::BlobError { data, .. } => error_reply(&String::from_utf8_lossy(&data)),
        Resp3Frame::Boolean { data, .. } => redis::Value::Boolean(data),
        Resp3Frame::Null => redis::Value::Nil,
        Resp3Frame::Number { data, .. } => redis::Value::Int(data),
        Resp3Frame::Double { data, .. } => redis::Value::Double(data),
        Resp3Frame::BigNumber { data, .. } => redis::Value::BulkString(data.to_vec()),
        Resp3Frame::Array { data, .. } | Resp3Frame::Push { data, .. } => {
            redis::Value::Array(all(data)?)
        }
        Resp3Frame::Set { data, .. } => redis::Value::Set(all(data.into_iter().collect())?),
        Resp3Frame::Map { data, .. } => {
            let pair = |(key, part)| Ok((self::frame(key)?, self::frame(part)?));
            redis::Value::Map(data.into_iter().map(pair).collect::<RedisResult<_>>()?)
        }
        other => {
            let text = format!("a frame that no reply has: {other:?}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text).into());
        }
    })
}

/// What the server said, as against what happened to the connection: it starts with a code.
fn is_reply(error: &Error) -> bool {
    let code = error.details().split(' ').next().unwrap_or_default();
    code.len() > 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// An error reply stays one; all else keeps its cause.
fn error(error: Error) -> RedisError {
    if is_reply(&error) {
        let (code, detail) = error.details().split_once(' ').unwrap_or_default();
        return redis::make_extension_error(code.to_owned(), Some(detail.to_owned()));
    }
    let kind = match error.kind() {
        ErrorKind::Timeout => io::ErrorKind::TimedOut,
        ErrorKind::Protocol | ErrorKind::Parse => io::ErrorKind::InvalidData,
        _ => io::ErrorKind::BrokenPipe,
    };
    io::Error::new(kind, error).into()
}
