use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, Value};

use crate::{CloseReason, Pool, PoolConfig, PoolError, Status, Whereabouts};

/// The contract that a backend implements. Users never see it: they hold a [`Pool`].
///
/// A backend owns up to `max_size` connections to one server and lends each to one holder at a
/// time. What follows is the whole promise; the numbers are those of `docs/contract.md`, and
/// `respool-conformance` checks each.
///
/// # What every backend may assume
///
/// - [`Connection::condemn`] has been called on a connection that must not be lent again, before
///   it is given back or dropped. [`PooledConnection`](crate::PooledConnection) sees to that: it
///   knows what commands do to their session, when a reply is overdue and when a holder gave up.
/// - `get` is polled inside a tokio runtime. Which one, it may not assume: calls come from several
///   runtimes, at once and one after another, and any of them may end at any time (LIFE-5).
///
/// # What no backend may do
///
/// - Lose a slot: not when a `get` is cancelled, when a holder panics, or when a runtime ends while
///   a connection is being opened (GET-5, RET-1, LIFE-5).
/// - Need a runtime to take a connection back: `drop` runs anywhere (RET-2).
/// - Swap a cause for a time-out (GET-3).
///
/// # A wrong implementation, and the right one
///
/// ```text
/// wrong:  async fn get(..) { let slot = take_slot().await; let c = connect().await?; lend(c, slot) }
/// ```
///
/// Dropped at the second await, that future also drops a connection being opened: a crowd that
/// comes and goes then opens connections forever (GET-6). Open it in a task that survives its
/// asker, and give the result to whoever asks next: `respool_connect::Dialler` does.
#[async_trait]
pub trait Backend: Send + Sync + fmt::Debug + 'static {
    /// Lends an idle connection that is fit for use, if there is one.
    ///
    /// Never waits, does no network round trip, and never overtakes a caller that waits in
    /// [`get`](Backend::get) (GET-4). `None` means "not at once", and says nothing more.
    fn try_get(&self) -> Option<Box<dyn Connection>>;

    /// The same for a caller of [`get`](Backend::get), as long as it takes no more than a look at what
    /// lies ready. `None` only sends him on to [`line`](Backend::line), or to the two others.
    fn take_at_once(&self) -> Option<Box<dyn Connection>> {
        None
    }

    /// Lends a connection, waiting in line for a slot and opening one where needed.
    ///
    /// Ends by `deadline` at the latest (GET-3), with
    ///
    /// - [`PoolError::Timeout`] that names the wait that ran out and carries the last failure to
    ///   connect,
    /// - [`PoolError::Connect`] at once when trying again could not help (a refused login),
    /// - [`PoolError::Closed`] at once when the pool is closed, now or while the caller waits,
    /// - [`PoolError::NoRuntime`] outside a tokio runtime.
    ///
    /// A failure that may pass (nobody listens, client limit) is retried with back-off until the
    /// deadline, so that callers ride out a restart of the server (LIFE-2).
    ///
    /// Dropping the future loses nothing: neither the slot, nor a connection that is being opened
    /// (GET-5, GET-6).
    async fn get(&self, deadline: Deadline) -> Result<Box<dyn Connection>, PoolError>;

    /// The same without a box for the future, for backends whose callers wait in a queue of their own.
    /// [`Pool::get`] uses it where it is there.
    fn line(&self) -> Option<&dyn Line> {
        None
    }

    /// The shared, pipelined way to the server, for backends that have one
    /// ([`Capabilities::lanes`]). [`Client`](crate::Client) uses it for every command that may share
    /// a connection; without it, each command takes a connection of its own.
    fn lane(&self) -> Option<&dyn Lane> {
        None
    }

    /// A snapshot whose figures add up (SEE-1), and which is at rest when the pool is (SEE-2).
    fn status(&self) -> Status;

    /// Allows for `max_size` connections from now on ([`Capabilities::resizes`]). More: callers that
    /// wait are served at once. Fewer: idle connections above it are closed, and connections that
    /// are lent when they come back; nobody loses one that he holds.
    ///
    /// # Errors
    ///
    /// [`PoolError::Unsupported`] where the backend can't, [`PoolError::Closed`].
    fn set_max_size(&self, max_size: usize) -> Result<(), PoolError> {
        let _ = max_size;
        Err(PoolError::unsupported(
            "set_max_size",
            self.info().name,
            "build a new pool of the other size, or choose another backend",
        ))
    }

    /// What this backend can do beyond the rules that are a MUST for all.
    fn capabilities(&self) -> Capabilities;

    /// What this backend is.
    fn info(&self) -> &BackendInfo;

    /// Ends the pool (LIFE-6): callers that wait get [`PoolError::Closed`] at once, later ones too;
    /// idle connections are closed; holders may go on for up to `grace`, then their sockets are
    /// closed under them. When it returns, no socket and no task of the pool is left.
    ///
    /// Dropping the future leaves the pool closed to newcomers, and holders without a limit.
    async fn close(&self, grace: Duration);

    /// The same without grace and without waiting for the server to notice. Works outside a
    /// runtime. Called when the last handle of the pool is dropped.
    fn close_now(&self);
}

/// A connection that a backend lends. [`give_back`](Connection::give_back) gives it back, anywhere:
/// outside a runtime, on another thread, while unwinding (RET-1, RET-2). Merely dropped it may be
/// closed instead, but its slot is free all the same.
///
/// Both request methods of [`ConnectionLike`] may be dropped at any await; afterwards the
/// connection must still give each reply to its own request (CMD-1), or refuse to work.
/// A backend adds no time-out to a request: [`PooledConnection`](crate::PooledConnection) does. An error
/// that was made from a [`PoolError`] says that nothing of the request was sent (CMD-7).
///
/// It is `Sync`, because `redis::AsyncCommands` asks that of what a user holds. What is not, such as a
/// future that is only `Send`, goes behind a mutex that is never locked (`Mutex::get_mut`).
pub trait Connection: ConnectionLike + Send + Sync {
    /// Gives it back. A connection that is boxed from birth goes on in the same box, so that taking
    /// one out and giving it back allocates nothing. Layers pass it on.
    fn give_back(self: Box<Self>) {}

    /// Begins `command` without a future of its own, for backends that can: what is under way lives in
    /// the connection. `None`: it can't, or not now, and the request method does.
    fn begin(&mut self, command: &Cmd) -> Option<Begun> {
        let _ = command;
        None
    }

    /// Goes on with what [`begin`](Connection::begin) began, to its reply. Whoever polls may give up.
    ///
    /// # Errors
    ///
    /// As [`ConnectionLike::req_packed_command`].
    fn poll_begun(
        &mut self,
        begun: &mut Begun,
        context: &mut Context<'_>,
    ) -> Poll<RedisResult<Value>> {
        let _ = (begun, context);
        Poll::Pending
    }

    /// Ready once `deadline` has passed, for whoever polls [`poll_begun`](Connection::poll_begun): one
    /// timer of the connection's, which is not armed anew for each command.
    fn poll_overdue(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        let _ = (deadline, context);
        Poll::Pending
    }

    /// The next message that the server pushed without being asked for it: what came to a
    /// subscription, what MONITOR shows, an invalidated key. Messages that arrive while a command
    /// waits for its reply are kept, in order. Dropping whoever polls loses none.
    ///
    /// # Errors
    ///
    /// [`PoolError::Unsupported`] where [`Capabilities::messages`] is false; that the connection was
    /// lost.
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<RedisResult<Value>> {
        let _ = context;
        Poll::Ready(Err(no_messages()))
    }

    /// A request was given up after it may have been sent: its reply is still owed. The backend
    /// discards that reply before it lends the connection again, or replaces the connection.
    fn owe_reply(&mut self);

    /// Whether a request that was given up, or got no reply in time, was certainly not sent: because it
    /// waited for a connection in place of one that had ended before.
    fn has_sent_nothing(&self) -> bool {
        false
    }

    /// Never lend this connection again, and close its socket now, before returning: a blocking
    /// pop that was given up takes no element afterwards only if the server sees that the
    /// connection has ended (CMD-2). Calling it again changes nothing; the first reason counts.
    fn condemn(&mut self, reason: CloseReason);

    /// Takes the connection out of the pool for good: its slot is free at once, and it is counted
    /// as closed for [`CloseReason::Detached`].
    ///
    /// # Errors
    ///
    /// [`PoolError::Unsupported`] where [`Capabilities::detach`] is false; the slot is free then
    /// too, and the connection closed.
    fn detach(self: Box<Self>) -> Result<Box<dyn Detached>, PoolError>;
}

/// A connection that belongs to no pool any more.
pub trait Detached: ConnectionLike + Send {
    /// As [`Connection::poll_message`].
    ///
    /// # Errors
    ///
    /// As there.
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<RedisResult<Value>> {
        let _ = context;
        Poll::Ready(Err(no_messages()))
    }
}

fn no_messages() -> redis::RedisError {
    PoolError::unsupported(
        "a stream of messages",
        "this one",
        "choose a backend that has them, such as native, or redis::Client::get_async_pubsub",
    )
    .into()
}

/// A command that a [`Connection`] has under way. What it says is the connection's affair.
#[derive(Debug)]
pub struct Begun {
    /// Replies to others that come first.
    pub ahead: u64,
    /// Whether there is a reply to wait for.
    pub is_answered: bool,
}

/// A backend's queue of callers, to be polled in place: waiting in it costs no allocation.
pub trait Line: Send + Sync {
    /// What [`Backend::get`] promises, for a caller whose `place` is kept from poll to poll: `None` at
    /// first, and again once it was served. `limit` is the whole time that it may wait.
    ///
    /// # Errors
    ///
    /// As [`Backend::get`].
    fn poll_take<'a>(
        &'a self,
        place: &mut Option<PlaceInLine>,
        limit: Option<Duration>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Taken<'a>, PoolError>>;

    /// The caller of `place` gives up. What it was given meanwhile goes to the next.
    fn leave(&self, place: PlaceInLine);
}

/// A caller's place in a [`Line`]. What it is, is the backend's affair.
pub struct PlaceInLine(Arc<dyn Any + Send + Sync>);

impl PlaceInLine {
    /// The place that is `it`.
    pub fn new<T: Any + Send + Sync>(it: Arc<T>) -> Self {
        PlaceInLine(it)
    }

    /// What [`new`](PlaceInLine::new) was given, if that was a `T`.
    pub fn of<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }

    /// The same, to be kept.
    pub fn into<T: Any + Send + Sync>(self) -> Option<Arc<T>> {
        self.0.downcast().ok()
    }
}

impl fmt::Debug for PlaceInLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlaceInLine").finish_non_exhaustive()
    }
}

/// What comes at the end of a [`Line`].
pub enum Taken<'a> {
    /// A connection that is fit.
    Connection(Box<dyn Connection>),
    /// One that has to be seen to first, which is rare. Dropping the future loses nothing.
    Later(BoxFuture<'a, Result<Box<dyn Connection>, PoolError>>),
}

/// A shared, pipelined way to the server: many callers' commands on few connections.
///
/// The caller has made sure that the command may share a connection: it neither blocks nor changes
/// its session. Each caller gets its own reply, whoever else gives up (CMD-1, SHR-1). Dropping a
/// future discards its reply and holds up nobody. While a large reply travels to one caller, those
/// who come later go over another connection, as far as `max_size` allows (SHR-3).
///
/// A request ends within the time it takes to connect (at most `get_timeout`) plus
/// `response_timeout`; when that runs out the connection is not used again (CMD-4).
pub trait Lane: Send + Sync {
    /// Sends one command and gives its reply. `here` is what is known of the caller's runtime.
    fn request<'a>(&'a self, command: &'a Cmd, here: &'a mut Whereabouts)
    -> RedisFuture<'a, Value>;

    /// Sends a pipeline in one piece and gives `count` replies, leaving out the first `offset`.
    fn request_pipeline<'a>(
        &'a self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
        here: &'a mut Whereabouts,
    ) -> RedisFuture<'a, Vec<Value>>;
}

/// When a `get` must have ended, and since when its caller waits.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    started: Instant,
    at: Option<Instant>,
}

impl Deadline {
    /// `limit` from now; `None` waits for as long as it takes.
    pub fn after(limit: Option<Duration>) -> Self {
        let started = Instant::now();
        Deadline {
            started,
            // A limit beyond what the clock can count is no limit.
            at: limit.and_then(|limit| started.checked_add(limit)),
        }
    }

    /// `limit` after `started`; `None` waits for as long as it takes. For backends that keep a clock.
    pub fn from(started: Instant, limit: Option<Duration>) -> Self {
        Deadline {
            started,
            at: limit.and_then(|limit| started.checked_add(limit)),
        }
    }

    /// That of a caller who may wait for `limit` and must have been served `at` that time. For backends
    /// that keep no more than that.
    pub fn ending(at: Option<Instant>, limit: Option<Duration>) -> Self {
        let started = at.zip(limit).and_then(|(at, limit)| at.checked_sub(limit));
        Deadline {
            started: started.unwrap_or_else(Instant::now),
            at,
        }
    }

    /// When the caller began to wait.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The moment itself, if there is one.
    pub fn at(&self) -> Option<Instant> {
        self.at
    }

    /// How long the caller has waited so far.
    pub fn waited(&self) -> Duration {
        self.started.elapsed()
    }

    /// Runs `future` until the deadline; `None` when that came first. Needs a tokio runtime.
    /// Dropping it drops `future`.
    pub async fn limit<F: Future>(&self, future: F) -> Option<F::Output> {
        match self.at {
            Some(at) => tokio::time::timeout_at(at.into(), future).await.ok(),
            None => Some(future.await),
        }
    }
}

/// What a backend can do beyond the rules that are a MUST for all. What is not claimed is refused
/// with [`PoolError::Unsupported`] or [`PoolError::Config`]; the kit checks both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// `Client` shares connections: many commands travel on one socket at once.
    pub lanes: bool,
    /// A connection can be [detached](Connection::detach).
    pub detach: bool,
    /// An ordinary command that is cancelled costs no connection (LIFE-8).
    pub keeps_connection_on_cancel: bool,
    /// A connection that the server closed is noticed before it is handed out without a round trip.
    pub sees_closed_sockets: bool,
    /// Unix sockets.
    pub unix_sockets: bool,
    /// `min_idle` is kept up.
    pub min_idle: bool,
    /// `max_size` can be [changed](Backend::set_max_size) while the pool is in use.
    pub resizes: bool,
    /// What the server pushes can be [read](Connection::poll_message) as a stream.
    pub messages: bool,
}

impl Capabilities {
    /// None of them.
    pub const NONE: Capabilities = Capabilities {
        lanes: false,
        detach: false,
        keeps_connection_on_cancel: false,
        sees_closed_sockets: false,
        unix_sockets: false,
        min_idle: false,
        resizes: false,
        messages: false,
    };

    /// Each capability by name, with whether it is claimed.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, bool)> {
        [
            ("lanes", self.lanes),
            ("detach", self.detach),
            (
                "keeps_connection_on_cancel",
                self.keeps_connection_on_cancel,
            ),
            ("sees_closed_sockets", self.sees_closed_sockets),
            ("unix_sockets", self.unix_sockets),
            ("min_idle", self.min_idle),
            ("resizes", self.resizes),
            ("messages", self.messages),
        ]
        .into_iter()
    }
}

/// What a backend is: its name, what it wraps, and what it is known not to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendInfo {
    /// The word of configuration that chooses it, such as `mobc`.
    pub name: &'static str,
    /// The pool that it wraps, with its version, such as `mobc 0.9.0`.
    pub library: &'static str,
    /// The redis crate that its connections speak through, such as `redis 1.8`.
    pub redis_crate: &'static str,
    /// The rules that it is known not to keep, and why. The kit expects exactly these to fail.
    pub known_failures: &'static [KnownFailure],
}

/// A rule that a backend is known not to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownFailure {
    /// The rule's number, such as `LIFE-1`.
    pub rule: &'static str,
    /// Why it can't be kept.
    pub reason: &'static str,
    /// Where the cause can be read about, upstream.
    pub link: &'static str,
}

/// How a backend crate presents itself: what it is, and how a pool of it is built.
///
/// Each backend crate has one, `pub const BACKEND`; the facade, the command line and the kit need
/// nothing else.
#[derive(Clone, Copy, Debug)]
pub struct BackendEntry {
    /// What it is.
    pub info: BackendInfo,
    /// Builds a pool. Needs no runtime; opens no connection but those that `min_idle` asks for,
    /// in the background, where it is called inside a runtime. Wrong settings are refused with
    /// [`PoolError::Config`].
    pub build: fn(PoolConfig) -> Result<Pool, PoolError>,
}
