use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use mobc_redis::RedisConnectionManager;
use mobc_redis::mobc::Manager;
use mobc_redis::redis as redis_0_28;
use redis::aio::ConnectionLike;
use redis::{Cmd, ConnectionAddr, Pipeline, RedisError, RedisFuture, Value};
use redis_0_28::aio::{ConnectionLike as _, MultiplexedConnection};
use respool_connect::{
    CloseNow, Dial, Glance, Link, Opening, Owed, Parting, Place, RuntimeWatch, Socket, turns_away,
};
use respool_core::{CloseReason, ConnectError, Detached, PoolConfig, PoolError, telling_refusal};

use crate::bridge::redis_0_28 as bridge;

/// Opens connections through the stock manager.
pub(crate) struct StockDial {
    manager: Arc<RedisConnectionManager>,
    config: PoolConfig,
}

impl StockDial {
    pub(crate) fn new(config: &PoolConfig) -> Result<Self, PoolError> {
        let client = redis_0_28::Client::open(bridged_address(config)?)
            .map_err(|error| PoolError::config("url", error.to_string()))?;
        Ok(StockDial {
            manager: Arc::new(RedisConnectionManager::new(client)),
            config: config.clone(),
        })
    }
}

impl StockDial {
    async fn open(&self) -> redis::RedisResult<MultiplexedConnection> {
        let mut connection = self.manager.connect().await.map_err(bridge::error)?;
        if let Some(name) = &self.config.client_name {
            let mut request = redis_0_28::cmd("CLIENT");
            request.arg("SETNAME").arg(name);
            let reply = connection.req_packed_command(&request).await;
            bridge::outcome(reply, bridge::value).and_then(Value::extract_error)?;
        }
        // The stock handshake ignores what it can't use: ask for something that shows whether the
        // server serves us.
        let reply = connection
            .req_packed_command(&redis_0_28::cmd("DBSIZE"))
            .await;
        match bridge::outcome(reply, bridge::value).and_then(Value::extract_error) {
            Err(error) if error.is_io_error() => Err(error),
            Err(error)
                if turns_away(
                    error.code().unwrap_or_default(),
                    error.detail().unwrap_or_default(),
                ) =>
            {
                Err(error)
            }
            // Without the right to ask, or on a server that doesn't know it: we are served.
            _ => Ok(connection),
        }
    }

    /// redis 0.28 drops what a full server says before it hangs up, and what no server of Redis says.
    async fn reason(&self, error: redis::RedisError) -> redis::RedisError {
        let hung_up = error.is_connection_dropped() && !error.is_connection_refusal();
        let address = self.config.endpoint.connection_info().addr();
        match hung_up {
            true => Socket::ask_why(address).await.unwrap_or(error),
            false => error,
        }
    }
}

#[async_trait]
impl Dial for StockDial {
    type Link = StockLink;

    async fn dial(&self, opening: Opening) -> Result<StockLink, ConnectError> {
        let (opened, opening) = opening.until(self.open()).await;
        let connection = match opened {
            Ok(connection) => connection,
            Err(error) => {
                opening.failed(Parting::Blind);
                let error = self.reason(error).await;
                return Err(ConnectError::at(&self.config.endpoint, error));
            }
        };
        let handle = Handle::new(connection);
        Ok(StockLink {
            place: Some(opening.opened(handle.clone())),
            handle,
            manager: self.manager.clone(),
            runtime: RuntimeWatch::new(),
            owed: Owed::nothing(&self.config),
            condemned: false,
        })
    }
}

/// A connection of the stock manager. It is driven by a task of redis 0.28 that we can't see: the
/// socket can neither be looked at nor moved, only dropped.
pub(crate) struct StockLink {
    handle: Arc<Handle>,
    manager: Arc<RedisConnectionManager>,
    runtime: RuntimeWatch,
    owed: Owed,
    condemned: bool,
    place: Option<Place>,
}

/// The connection, in a place where closing the pool can reach it.
struct Handle {
    connection: Mutex<Option<MultiplexedConnection>>,
    cut: tokio::sync::Notify,
}

impl Handle {
    fn new(connection: MultiplexedConnection) -> Arc<Self> {
        Arc::new(Handle {
            connection: Mutex::new(Some(connection)),
            cut: tokio::sync::Notify::new(),
        })
    }

    fn connection(&self) -> MutexGuard<'_, Option<MultiplexedConnection>> {
        self.connection
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A clone for one request, which fails when the connection is closed under it: a clone kept
    /// by a request would keep the socket open.
    async fn request<T>(
        &self,
        send: impl AsyncFnOnce(MultiplexedConnection) -> redis_0_28::RedisResult<T>,
    ) -> redis_0_28::RedisResult<T> {
        let cut = self.cut.notified();
        let connection = self.connection().clone();
        let Some(connection) = connection else {
            return Err(gone());
        };
        tokio::select! {
            reply = send(connection) => reply,
            () = cut => Err(gone()),
        }
    }
}

impl CloseNow for Handle {
    fn close_now(&self) {
        // The crate aborts its driver with the last handle, which closes the socket.
        let connection = self.connection().take();
        drop(connection);
        self.cut.notify_waiters();
    }

    fn part(self: Arc<Self>) -> Parting {
        self.close_now();
        Parting::Blind
    }
}

impl ConnectionLike for StockLink {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let bridged = bridge::command(command);
            let reply = self
                .handle
                .request(async |mut connection| connection.req_packed_command(&bridged).await)
                .await;
            if reply.is_ok() && !command.is_no_response() {
                // Replies come in order: those that were owed have come before it.
                self.owed.settled();
            }
            bridge::outcome(reply, bridge::value)
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            if pipeline.is_empty() {
                return Err((redis::ErrorKind::Client, "empty command").into());
            }
            let bridged = match pipeline.is_transaction() {
                true => spelled_out(pipeline),
                false => bridge::pipeline(pipeline),
            };
            let all = match pipeline.is_transaction() {
                true => pipeline.len() + 2,
                false => pipeline.len(),
            };
            let replies = self
                .handle
                .request(async |mut connection| {
                    connection.req_packed_commands(&bridged, 0, all).await
                })
                .await;
            if replies.is_ok() {
                self.owed.settled();
            }
            let mut replies: Vec<Value> = bridge::outcome(replies, |replies| {
                replies.into_iter().map(bridge::value).collect()
            })?;
            let rest = replies.split_off(offset.min(replies.len()));
            match refusal(replies) {
                Some(refusal) if pipeline.is_transaction() => Err(refusal),
                _ => Ok(rest.into_iter().take(count).collect()),
            }
        })
    }

    fn get_db(&self) -> i64 {
        self.handle
            .connection()
            .as_ref()
            .map_or(0, |connection| connection.get_db())
    }
}

impl Link for StockLink {
    fn place(&mut self) -> Option<&mut Place> {
        self.place.as_mut()
    }

    fn glance(&mut self) -> Glance {
        if self.condemned || !self.runtime.is_here() {
            return Glance::Unfit(CloseReason::Broken);
        }
        let age = self.place.as_ref().map_or(Glance::Fit, Place::glance);
        // What has come was read by the driver, which tells nobody.
        age.and(self.owed.glance(true))
    }

    /// By the stock manager's own check, a PING.
    async fn settle(&mut self) -> bool {
        let limit = self.owed.settle_within();
        self.owed.owe();
        let manager = self.manager.clone();
        let checked = self
            .handle
            .request(async move |connection| manager.check(connection).await);
        let settled = matches!(tokio::time::timeout(limit, checked).await, Ok(Ok(_)));
        if settled {
            self.owed.settled();
        }
        settled
    }

    fn has_broken(&mut self) -> bool {
        self.condemned
    }

    fn owe_reply(&mut self) {
        self.owed.owe();
    }

    fn condemn(&mut self, reason: CloseReason) {
        self.condemned = true;
        if let Some(place) = &mut self.place {
            place.set_reason(reason);
        }
        self.handle.close_now();
    }

    fn part(&mut self) {
        self.handle.close_now();
        if let Some(mut place) = self.place.take() {
            place.part(Parting::Blind);
        }
    }

    fn detached(mut self) -> Option<Box<dyn Detached>> {
        if let Some(mut place) = self.place.take() {
            place.set_reason(CloseReason::Detached);
        }
        Some(Box::new(self))
    }
}

impl Detached for StockLink {}

impl Drop for StockLink {
    fn drop(&mut self) {
        self.part();
    }
}

fn gone() -> redis_0_28::RedisError {
    std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()
}

/// Where and how to log in, in the words of redis 0.28.
fn bridged_address(config: &PoolConfig) -> Result<redis_0_28::ConnectionInfo, PoolError> {
    let info = config.endpoint.connection_info();
    let settings = info.redis_settings();
    let addr = match info.addr() {
        ConnectionAddr::Tcp(host, port) => redis_0_28::ConnectionAddr::Tcp(host.clone(), *port),
        ConnectionAddr::Unix(path) => redis_0_28::ConnectionAddr::Unix(path.clone()),
        ConnectionAddr::TcpTls { .. } => {
            return Err(PoolError::config(
                "url",
                "the backend mobc-redis can't do TLS (rediss://); take another, such as mobc",
            ));
        }
        _ => {
            return Err(PoolError::config(
                "url",
                "redis 0.28 can't reach an address of this kind",
            ));
        }
    };
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

/// A transaction with its MULTI and EXEC as commands: redis 0.28 tells the first refusal in one that it
/// made itself, and no other.
fn spelled_out(pipeline: &Pipeline) -> redis_0_28::Pipeline {
    let mut spelled_out = redis_0_28::Pipeline::with_capacity(pipeline.len() + 2);
    spelled_out.cmd("MULTI");
    for command in pipeline.cmd_iter() {
        spelled_out.add_command(bridge::command(command));
    }
    spelled_out.cmd("EXEC");
    spelled_out
}

/// Why a transaction is none: that the node is unfit before all else (LIFE-7), or the first refusal.
fn refusal(queued: Vec<Value>) -> Option<RedisError> {
    let refusals = queued.into_iter();
    let refusals = refusals.filter(|reply| matches!(reply, Value::ServerError(_)));
    telling_refusal(refusals)?.extract_error().err()
}
