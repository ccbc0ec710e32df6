use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::limit::Limit;
use crate::loan::Loan;
use crate::{
    Backend, BackendInfo, Capabilities, Client, Connection, Deadline, PlaceInLine, PoolConfig,
    PoolError, PooledConnection, Status, Taken,
};

/// The handle that users hold, whatever the backend. Cloning it is cheap and shares the pool.
///
/// What waits or speaks to the server needs a tokio runtime with I/O and a timer (`enable_all`, as with
/// `#[tokio::main]`); on one without, tokio panics. Dropping handles and connections needs none.
///
/// When the last handle is dropped, and with it every [`Client`], the pool ends as by
/// [`close`](Pool::close) without grace: connections still held are closed under their holders.
#[derive(Clone)]
pub struct Pool {
    handle: Arc<Handle>,
}

impl Pool {
    /// A pool over `backend`, which was built with `config`. For authors of backends: users call
    /// `respool::connect` or `respool::build`.
    pub fn new(backend: impl Backend, config: PoolConfig) -> Self {
        Pool::with(backend, config, Guards::On)
    }

    /// A pool over `backend` without the guards that [`PooledConnection`] and [`Client`] add: no
    /// response time-out, no session table, no refusal of any command, no word to the backend about
    /// what was given up or failed, and errors as the backend made them.
    ///
    /// For those who compare: what such a pool does, its backend does.
    pub fn bare(backend: impl Backend, config: PoolConfig) -> Self {
        Pool::with(backend, config, Guards::Off)
    }

    /// Whether this pool was built [`bare`](Pool::bare): errors are then in the backend's own words.
    pub fn is_bare(&self) -> bool {
        self.guards() == Guards::Off
    }

    fn with(backend: impl Backend, config: PoolConfig, guards: Guards) -> Self {
        Pool {
            handle: Arc::new(Handle {
                backend: Box::new(backend),
                loan: Loan::new(config.response_timeout, guards),
                config,
                guards,
            }),
        }
    }

    /// Takes a connection, waiting for at most `get_timeout`.
    ///
    /// Callers are served in the order in which they came. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`PoolError::Timeout`], which names the wait that ran out and carries the last failure to
    /// connect; [`PoolError::Connect`] where waiting could not help; [`PoolError::Closed`];
    /// [`PoolError::NoRuntime`].
    pub fn get(&self) -> Get<'_> {
        Get::new(self, Limit::AS_SET)
    }

    /// Takes a connection, waiting for at most `limit`, whatever `get_timeout` says. `None`, or more than
    /// twelve days, waits for as long as it takes. Otherwise like [`get`](Pool::get).
    pub fn get_within(&self, limit: Option<Duration>) -> Get<'_> {
        Get::new(self, Limit::new(limit))
    }

    /// Takes an idle connection if there is one, without waiting and without overtaking anybody
    /// who waits. `None` means not at once, and says nothing more: all may be in use, none may be open
    /// yet, or the pool may be closed.
    pub fn try_get(&self) -> Option<PooledConnection> {
        let connection = self.handle.backend.try_get()?;
        Some(self.lend(connection))
    }

    /// The cheap handle to share: each command runs on a connection of the pool.
    pub fn client(&self) -> Client {
        Client::new(self.clone())
    }

    /// A snapshot whose figures add up.
    pub fn status(&self) -> Status {
        self.handle.backend.status()
    }

    /// Allows for `max_size` connections from now on, while the pool is in use. With more, callers
    /// that wait are served at once; with fewer, connections above it are closed when they are idle
    /// or come back, and nobody loses one that he holds. [`Pool::config`] keeps what the pool was
    /// built with; [`Status::max_size`] tells what holds now.
    ///
    /// # Errors
    ///
    /// [`PoolError::Unsupported`] where the backend can't ([`Capabilities::resizes`]),
    /// [`PoolError::Config`] for a size out of bounds, [`PoolError::Closed`].
    pub fn set_max_size(&self, max_size: usize) -> Result<(), PoolError> {
        let mut config = self.handle.config.clone();
        config.max_size = max_size;
        config.min_idle = config.min_idle.min(max_size);
        config.lanes = config.lanes.map(|lanes| lanes.min(max_size));
        config.checked()?;
        self.handle.backend.set_max_size(max_size)
    }

    /// What this pool's backend can do.
    pub fn capabilities(&self) -> Capabilities {
        self.handle.backend.capabilities()
    }

    /// What this pool's backend is.
    pub fn info(&self) -> &BackendInfo {
        self.handle.backend.info()
    }

    /// The settings that the pool was built with.
    pub fn config(&self) -> &PoolConfig {
        &self.handle.config
    }

    /// Ends the pool: callers that wait get [`PoolError::Closed`] at once, holders may go on for
    /// up to `grace`, then their sockets are closed under them. When it returns, no socket and no
    /// task of the pool is left. Closing again does no harm.
    ///
    /// It waits for a second, and no longer, for the server to notice that its connections have ended, and
    /// for another where a task of the pool is on a runtime that nobody drives: what is left then ends when
    /// they go on. `native` may wait for a third, for what is being opened: so up to about 3 s beyond `grace`.
    ///
    /// Dropping the future leaves the pool closed to newcomers, and holders without a limit.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or on one without a timer.
    pub async fn close(&self, grace: Duration) {
        self.handle.backend.close(grace).await;
    }

    /// What keeps this pool. For authors of layers, such as the conformance kit's mutants: what is
    /// taken here has none of the guards that [`PooledConnection`] adds.
    pub fn backend(&self) -> &dyn Backend {
        &*self.handle.backend
    }

    #[inline]
    fn lend(&self, connection: Box<dyn Connection>) -> PooledConnection {
        PooledConnection::new(connection, self.handle.loan)
    }

    pub(crate) fn guards(&self) -> Guards {
        self.handle.guards
    }
}

/// Name, address and figures; never a password.
impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("backend", &self.info().name)
            .field("endpoint", &self.handle.config.endpoint)
            .field("status", &format_args!("{}", self.status()))
            .finish()
    }
}

/// A connection being taken: what [`Pool::get`] returns. Nothing happens before it is first polled;
/// dropping it loses nothing.
///
/// It is small, so that there is room for as many callers as possible: what is rare is boxed again.
#[must_use = "a connection is taken when this is awaited"]
pub struct Get<'a> {
    pool: &'a Pool,
    /// While it waits in line.
    place: Option<PlaceInLine>,
    /// While it waits for something else.
    later: Option<Box<Later<'a>>>,
    limit: Limit,
}

type Later<'a> = BoxFuture<'a, Result<Box<dyn Connection>, PoolError>>;

/// What came of a poll, in two words: it is returned in registers. An outcome as its caller gets it would
/// be written to memory in parts and read again as a whole, for which the processor waits.
enum Came {
    Connection(Box<dyn Connection>),
    /// `None` while there is none yet.
    Not(Option<Box<PoolError>>),
}

impl<'a> Future for Get<'a> {
    type Output = Result<PooledConnection, PoolError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let pool = self.pool;
        let at_once = match (&self.place, &self.later) {
            (None, None) => pool.handle.backend.take_at_once(),
            _ => None,
        };
        let came = match at_once {
            Some(connection) => Came::Connection(connection),
            None => self.poll_further(context),
        };
        match came {
            Came::Connection(connection) => Poll::Ready(Ok(pool.lend(connection))),
            Came::Not(Some(error)) => Poll::Ready(Err(*error)),
            Came::Not(None) => Poll::Pending,
        }
    }
}

impl<'a> Get<'a> {
    fn new(pool: &'a Pool, limit: Limit) -> Self {
        Get {
            pool,
            place: None,
            later: None,
            limit,
        }
    }

    /// What takes longer than a moment.
    #[inline(never)]
    fn poll_further(&mut self, context: &mut Context<'_>) -> Came {
        match self.poll_line_or_later(context) {
            Poll::Ready(Ok(connection)) => Came::Connection(connection),
            Poll::Ready(Err(error)) => Came::Not(Some(Box::new(error))),
            Poll::Pending => Came::Not(None),
        }
    }

    fn poll_line_or_later(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Box<dyn Connection>, PoolError>> {
        let backend = &*self.pool.handle.backend;
        let later = match &mut self.later {
            Some(later) => later,
            later => {
                let limit = match self.limit {
                    Limit::AS_SET => self.pool.handle.config.get_timeout,
                    limit => limit.get(),
                };
                let taken = if let Some(line) = backend.line() {
                    match ready!(line.poll_take(&mut self.place, limit, context))? {
                        Taken::Connection(connection) => Ok(connection),
                        Taken::Later(taken) => Err(taken),
                    }
                } else {
                    let at_once = backend.try_get();
                    at_once.ok_or_else(|| backend.get(Deadline::after(limit)))
                };
                match taken {
                    Ok(connection) => return Poll::Ready(Ok(connection)),
                    Err(taken) => later.insert(Box::new(taken)),
                }
            }
        };
        (**later).as_mut().poll(context)
    }

    #[cold]
    fn leave(&mut self, place: PlaceInLine) {
        if let Some(line) = self.pool.handle.backend.line() {
            line.leave(place);
        }
    }
}

impl Drop for Get<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.leave(place);
        }
    }
}

impl fmt::Debug for Get<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Get")
            .field("pool", self.pool)
            .finish_non_exhaustive()
    }
}

/// What the clones of a [`Pool`] share. Connections that are lent don't hold it, so that its drop
/// means that nobody can ask for another.
struct Handle {
    backend: Box<dyn Backend>,
    config: PoolConfig,
    /// How every loan begins.
    loan: Loan,
    guards: Guards,
}

/// Whether the contract's own guards stand between a backend and its users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guards {
    On,
    /// See [`Pool::bare`].
    Off,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.backend.close_now();
    }
}
