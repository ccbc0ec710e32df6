//! mobc-redis is on a redis crate of its own (0.28): address and commands are said again in its
//! words.

use std::error::Error;

use mobc_redis::RedisConnectionManager;
use mobc_redis::mobc::Pool;
use mobc_redis::redis as redis_0_28;
use respool::PoolConfig;

use crate::compare::measure::Caller;

#[derive(Clone)]
pub(super) struct MobcRedis {
    pool: Pool<RedisConnectionManager>,
}

pub(super) fn open(config: &PoolConfig) -> Result<MobcRedis, Box<dyn Error + Send + Sync>> {
    let client = redis_0_28::Client::open(connection_info(config.endpoint.connection_info())?)?;
    let pool = Pool::builder()
        .max_open(u64::try_from(config.max_size)?)
        .build(RedisConnectionManager::new(client));
    Ok(MobcRedis { pool })
}

impl Caller for MobcRedis {
    async fn read(&mut self, key: &str) -> Result<(), String> {
        let mut connection = self.pool.get().await.map_err(|error| error.to_string())?;
        let value: Result<Option<Vec<u8>>, _> = redis_0_28::cmd("GET")
            .arg(key)
            .query_async(&mut *connection)
            .await;
        value.map(drop).map_err(|error| error.to_string())
    }

    async fn write(&mut self, key: &str, value: &[u8]) -> Result<(), String> {
        let mut connection = self.pool.get().await.map_err(|error| error.to_string())?;
        let mut command = redis_0_28::cmd("SET");
        command.arg(key).arg(value);
        let done: Result<(), _> = command.query_async(&mut *connection).await;
        done.map_err(|error| error.to_string())
    }
}

fn connection_info(
    ours: &redis::ConnectionInfo,
) -> Result<redis_0_28::ConnectionInfo, Box<dyn Error + Send + Sync>> {
    let addr = match ours.addr() {
        redis::ConnectionAddr::Tcp(host, port) => {
            redis_0_28::ConnectionAddr::Tcp(host.clone(), *port)
        }
        redis::ConnectionAddr::Unix(path) => redis_0_28::ConnectionAddr::Unix(path.clone()),
        _ => return Err("redis 0.28 can't go to this address".into()),
    };
    let settings = ours.redis_settings();
    Ok(redis_0_28::ConnectionInfo {
        addr,
        redis: redis_0_28::RedisConnectionInfo {
            db: settings.db(),
            username: settings.username().map(str::to_owned),
            password: settings.password().map(str::to_owned),
            protocol: match settings.protocol() {
                redis::ProtocolVersion::RESP3 => redis_0_28::ProtocolVersion::RESP3,
                _ => redis_0_28::ProtocolVersion::RESP2,
            },
        },
    })
}
