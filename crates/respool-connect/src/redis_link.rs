use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisFuture, RedisResult, Value};
use respool_core::{Capabilities, CloseReason, Detached, PoolConfig};

use crate::{
    CloseNow, Glance, Link, Look, Opening, Owed, Parting, Place, ReplyMode, Route, Socket,
    send_pipeline, turns_away,
};

/// A connection of the redis crate on a [`Socket`] of ours, driven by its holder's own task.
///
/// The crate splits a connection into a handle and a driver, and usually runs the driver as a task
/// of its own. A link keeps both, and whoever awaits a reply drives it. So no wake-up crosses
/// threads, nothing is left running when the link is dropped, and no runtime is needed between two
/// requests: on the next one the socket is moved to the runtime that asks (LIFE-5).
///
/// A request that is dropped half-way leaves its bytes and its owed reply with the driver; the
/// next request goes on with them, and the crate discards a reply that nobody awaits (CMD-1).
pub struct RedisLink {
    connection: MultiplexedConnection,
    /// `None` once it has ended: the connection is lost.
    driver: Option<Driver>,
    socket: Arc<Socket>,
    owed: Owed,
    mode: ReplyMode,
    /// The redis crate awaits replies that the server was told not to send, and would give those that
    /// come to the wrong commands.
    is_out_of_step: bool,
    condemned: bool,
    /// `None` once it was detached from its pool.
    place: Option<Place>,
}

/// Never locked: the mutex makes it `Sync`, which connections that are lent have to be.
type Driver = Mutex<Pin<Box<dyn Future<Output = ()> + Send>>>;

impl RedisLink {
    /// What a [`Wrapped`](crate::Wrapped) pool of such links can do.
    pub const CAPABILITIES: Capabilities = {
        let mut capabilities = Capabilities::NONE;
        capabilities.detach = true;
        capabilities.keeps_connection_on_cancel = true;
        capabilities.sees_closed_sockets = true;
        capabilities.unix_sockets = cfg!(unix);
        capabilities.min_idle = true;
        capabilities
    };

    /// Performs the handshake on `socket`, which `route` has connected: TLS, login, database, protocol, and one harmless command
    /// that shows whether the server serves us.
    ///
    /// Dropping the future gives up; the permit of `opening` is kept until the server has let go.
    ///
    /// # Errors
    ///
    /// What the server or the network says, the first error line of the server first.
    pub(crate) async fn open(
        socket: Arc<Socket>,
        route: &Route,
        opening: Opening,
        config: &PoolConfig,
    ) -> RedisResult<Self> {
        let half_open = HalfOpen {
            socket,
            opening: Some(opening),
        };
        route.secure(&half_open.socket).await?;
        match Self::handshake(&half_open.socket, config).await {
            Ok((connection, driver)) => {
                let socket = half_open.socket.clone();
                Ok(RedisLink {
                    connection,
                    driver: Some(driver),
                    owed: Owed::nothing(config),
                    mode: ReplyMode::On,
                    is_out_of_step: false,
                    condemned: false,
                    place: half_open.opened(),
                    socket,
                })
            }
            Err(error) => Err(what_the_server_said(&half_open.socket, error)),
        }
    }

    /// The two halves, for a connection that many share and a task drives. The link's place and
    /// socket stay the caller's to end.
    pub fn into_shared(mut self) -> Option<SharedParts> {
        Some(SharedParts {
            connection: self.connection.clone(),
            driver: (self.driver.take()?.into_inner()).unwrap_or_else(PoisonError::into_inner),
            socket: self.socket.clone(),
            place: self.place.take()?,
        })
    }

    async fn handshake(
        socket: &Arc<Socket>,
        config: &PoolConfig,
    ) -> RedisResult<(MultiplexedConnection, Driver)> {
        let info = config.endpoint.connection_info().redis_settings();
        // The time-outs are respool's: for the handshake around it, for replies in PooledConnection.
        let settings = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None);
        let (mut connection, driver) =
            MultiplexedConnection::new_with_config(info, socket.stream(), settings).await?;
        let mut driver: Option<Driver> = Some(Mutex::new(Box::pin(driver)));

        // The crate's handshake ignores what it can't use: a server that wants a password, is still
        // loading or is full would only say so to the first user. DBSIZE asks for all of these.
        let reply = drive(
            &mut driver,
            connection.send_packed_command(&redis::cmd("DBSIZE")),
        )
        .await?;
        if let Value::ServerError(error) = &reply
            && turns_away(error.code(), error.details().unwrap_or_default())
        {
            reply.extract_error()?;
        }
        if let Some(name) = &config.client_name {
            let set_name = redis::cmd("CLIENT").arg("SETNAME").arg(name).to_owned();
            let named = drive(&mut driver, connection.send_packed_command(&set_name));
            named.await?.extract_error()?;
        }
        socket.handshake_is_over();
        match driver {
            Some(driver) => Ok((connection, driver)),
            None => Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
        }
    }

    /// Before each request: the socket belongs to whoever asks, and what was left unread is not
    /// the answer to what is asked now.
    async fn prepare(&mut self) -> RedisResult<()> {
        self.socket.move_to_this_runtime()?;
        if self.socket.has_unasked() {
            self.socket.read_now();
            self.poll_driver_once().await;
            if let Some(violation) = self.socket.violation() {
                return Err(violation);
            }
        }
        Ok(())
    }

    /// Whether the server answers `command`. Refused where the answer could not be told from others'.
    fn is_answered(&mut self, command: &Cmd) -> RedisResult<bool> {
        let is_answered = self.mode.answers(command);
        self.is_out_of_step |= !is_answered;
        match is_answered && self.is_out_of_step && !command.is_no_response() {
            true => Err(out_of_step()),
            false => Ok(is_answered),
        }
    }

    /// The same of a pipeline, all of whose replies are awaited together.
    fn are_answered(&self, pipeline: &Pipeline) -> RedisResult<()> {
        let mut mode = self.mode;
        let are_answered = pipeline.cmd_iter().all(|command| mode.answers(command));
        match are_answered && !self.is_out_of_step {
            true => Ok(()),
            false => Err(out_of_step()),
        }
    }

    /// What the server did wrong is a better reason than what the redis crate made of it.
    fn explain<T>(&self, outcome: RedisResult<T>) -> RedisResult<T> {
        outcome.map_err(|error| match is_lost(&error) {
            true => self.socket.violation().unwrap_or(error),
            false => error,
        })
    }

    /// What was read and written so far gets its turn, without waiting for more.
    async fn poll_driver_once(&mut self) {
        poll_fn(|context| {
            poll_driver(&mut self.driver, context);
            Poll::Ready(())
        })
        .await;
    }
}

/// What is left of a [`RedisLink`] that is to be shared.
pub struct SharedParts {
    /// The handle, to be cloned.
    pub connection: MultiplexedConnection,
    /// What makes it work, to be spawned.
    pub driver: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// The socket, to be looked at and closed.
    pub socket: Arc<Socket>,
    /// Its place in the ledger.
    pub place: Place,
}

impl ConnectionLike for RedisLink {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            self.prepare().await?;
            let mut unawaited;
            let command = match self.is_answered(command)? {
                true => command,
                false => {
                    unawaited = command.clone();
                    unawaited.set_no_response(true)
                }
            };
            let reply = drive(
                &mut self.driver,
                self.connection.send_packed_command(command),
            )
            .await;
            if command.is_no_response() {
                // Nobody will await a reply and drive it out.
                self.poll_driver_once().await;
            } else if reply.is_ok() {
                // Replies come in order: those that were owed have come before it.
                self.owed.settled();
            }
            self.explain(reply)
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            self.prepare().await?;
            self.are_answered(pipeline)?;
            let replies = drive(
                &mut self.driver,
                send_pipeline(&mut self.connection, pipeline, offset, count),
            )
            .await;
            // A transaction that was refused was answered as well.
            if !replies.as_ref().is_err_and(is_lost) {
                self.owed.settled();
            }
            self.explain(replies)
        })
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}

impl Link for RedisLink {
    fn place(&mut self) -> Option<&mut Place> {
        self.place.as_mut()
    }

    fn glance(&mut self) -> Glance {
        if self.has_broken() {
            return Glance::Unfit(CloseReason::Broken);
        }
        let age = self.place.as_ref().map_or(Glance::Fit, Place::glance);
        if age == Glance::Unfit(CloseReason::Expired) {
            return age;
        }
        match self.socket.look() {
            Look::Ended => Glance::Unfit(CloseReason::Broken),
            // Bytes that nobody is owed would be taken for the next request's reply (CMD-6).
            Look::Unread if !self.owed.is_any() => Glance::Unfit(CloseReason::Broken),
            look => age.and(self.owed.glance(look == Look::Unread)),
        }
    }

    async fn settle(&mut self) -> bool {
        let limit = self.owed.settle_within();
        // Dropped here: this PING's reply is owed as well, which changes nothing.
        self.owed.owe();
        let ping = redis::cmd("PING");
        let answered = tokio::time::timeout(limit, self.req_packed_command(&ping)).await;
        let settled = matches!(answered, Ok(Ok(_)));
        if settled {
            self.owed.settled();
        }
        settled
    }

    fn has_broken(&mut self) -> bool {
        self.condemned || self.driver.is_none() || self.socket.has_ended()
    }

    fn owe_reply(&mut self) {
        self.owed.owe();
    }

    fn condemn(&mut self, reason: CloseReason) {
        self.condemned = true;
        if let Some(place) = &mut self.place {
            place.set_reason(reason);
        }
        self.socket.say_goodbye();
    }

    fn part(&mut self) {
        if let Some(mut place) = self.place.take() {
            place.part(Parting::Watched(self.socket.clone()));
            // Counted before anybody can see at the server that it is gone.
            drop(place);
            // The driver holds a stream on the socket: without it, nobody but the ledger does.
            self.driver = None;
            self.socket.say_goodbye();
        }
    }

    fn detached(mut self) -> Option<Box<dyn Detached>> {
        if let Some(mut place) = self.place.take() {
            place.set_reason(CloseReason::Detached);
        }
        Some(Box::new(self))
    }
}

impl Detached for RedisLink {}

impl Drop for RedisLink {
    fn drop(&mut self) {
        self.part();
    }
}

/// Runs `request` and the driver together, in the task that awaits it.
///
/// The driver comes first, so that its wake-ups reach this task rather than the one that held the
/// connection before; and once more after the request, which may have given it something to write.
async fn drive<T>(
    driver: &mut Option<Driver>,
    request: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    let mut request = pin!(request);
    poll_fn(|context| {
        poll_driver(driver, context);
        if let Poll::Ready(reply) = request.as_mut().poll(context) {
            return Poll::Ready(reply);
        }
        poll_driver(driver, context);
        Poll::Pending
    })
    .await
}

/// A driver that has ended has failed its request, which wakes this task.
fn poll_driver(driver: &mut Option<Driver>, context: &mut Context<'_>) {
    if let Some(running) = driver {
        let running = running.get_mut().unwrap_or_else(PoisonError::into_inner);
        if running.as_mut().poll(context).is_ready() {
            *driver = None;
        }
    }
}

/// A connection in its handshake. However it ends, the server may know of it.
struct HalfOpen {
    socket: Arc<Socket>,
    opening: Option<Opening>,
}

impl HalfOpen {
    fn opened(mut self) -> Option<Place> {
        let closer: Arc<dyn CloseNow> = self.socket.clone();
        Some(self.opening.take()?.opened(closer))
    }
}

impl Drop for HalfOpen {
    fn drop(&mut self) {
        if let Some(opening) = self.opening.take() {
            self.socket.say_goodbye();
            opening.failed(Parting::Watched(self.socket.clone()));
        }
    }
}

fn out_of_step() -> redis::RedisError {
    let what = "not sent: after CLIENT REPLY OFF or SKIP this connection gives out no replies";
    (redis::ErrorKind::Client, what).into()
}

fn is_lost(error: &redis::RedisError) -> bool {
    error.is_io_error() || error.kind() == redis::ErrorKind::Parse
}

/// A full server answers with an error line and closes; the crate then reports only the end. Of a
/// refused AUTH it reports that, and not why: in protected mode no login would do. And a reply that was
/// cut short is the network's fault: only what isn't RESP is no Redis.
fn what_the_server_said(socket: &Socket, error: redis::RedisError) -> redis::RedisError {
    if let Some(violation) = socket.violation() {
        return violation;
    }
    let cut_short = error.kind() == redis::ErrorKind::Parse && socket.speaks_redis();
    let is_login = error.kind() == redis::ErrorKind::AuthenticationFailed;
    if !cut_short && !is_login && !error.is_io_error() {
        return error;
    }
    socket.first_error().unwrap_or_else(|| match cut_short {
        true => std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into(),
        false => error,
    })
}
