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
                get_timeout: Limit::new(config.get_timeout),
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
        Get {
            pool: self,
            limit: self.handle.get_timeout,
            stage: Stage::NEW,
        }
    }

    /// Takes a connection, waiting for at most `limit`, whatever `get_timeout` says. `None` waits
    /// for as long as it takes. Otherwise like [`get`](Pool::get).
    pub fn get_within(&self, limit: Option<Duration>) -> Get<'_> {
        Get {
            pool: self,
            limit: Limit::new(limit),
            stage: Stage::NEW,
        }
    }

    /// Takes an idle connection if there is one, without waiting and without overtaking anybody
    /// who waits.
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
    /// Dropping the future leaves the pool closed to newcomers, and holders without a limit.
    pub async fn close(&self, grace: Duration) {
        self.handle.backend.close(grace).await;
    }

    /// What keeps this pool. For authors of layers, such as the conformance kit's mutants: what is
    /// taken here has none of the guards that [`PooledConnection`] adds.
    pub fn backend(&self) -> &dyn Backend {
        &*self.handle.backend
    }

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
#[must_use = "a connection is taken when this is awaited"]
pub struct Get<'a> {
    pool: &'a Pool,
    limit: Limit,
    stage: Stage<'a>,
}

/// Two words, so that there is room for as many callers as possible: what is rare is boxed again.
enum Stage<'a> {
    InLine(PlaceInLine),
    /// `None` before it was polled, and at its end.
    OutOfLine(Option<Box<Later<'a>>>),
}

type Later<'a> = BoxFuture<'a, Result<Box<dyn Connection>, PoolError>>;

impl<'a> Stage<'a> {
    const NEW: Self = Stage::OutOfLine(None);

    fn later(later: Later<'a>) -> Self {
        Stage::OutOfLine(Some(Box::new(later)))
    }
}

impl<'a> Future for Get<'a> {
    type Output = Result<PooledConnection, PoolError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let pool = self.pool;
        if let Stage::OutOfLine(None) = self.stage
            && let Some(line) = pool.handle.backend.line()
            && let Some(connection) = line.take_at_once()
        {
            return Poll::Ready(Ok(pool.lend(connection)));
        }
        self.poll_further(context)
    }
}

impl<'a> Get<'a> {
    /// What takes longer than a moment.
    #[inline(never)]
    fn poll_further(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<PooledConnection, PoolError>> {
        let pool = self.pool;
        let backend = &*pool.handle.backend;
        if !matches!(self.stage, Stage::OutOfLine(Some(_))) {
            if let Some(line) = backend.line() {
                let limit = self.limit.get();
                let taken = {
                    let mut moved = Moved::out_of(&mut self.stage);
                    line.poll_take(&mut moved.place, limit, context)
                };
                match ready!(taken)? {
                    Taken::Connection(connection) => return Poll::Ready(Ok(pool.lend(connection))),
                    Taken::Later(later) => self.stage = Stage::later(later),
                }
            } else {
                if let Some(connection) = pool.try_get() {
                    return Poll::Ready(Ok(connection));
                }
                self.stage = Stage::later(backend.get(Deadline::after(self.limit.get())));
            }
        }
        match &mut self.stage {
            Stage::OutOfLine(Some(later)) => (**later)
                .as_mut()
                .poll(context)
                .map_ok(|connection| pool.lend(connection)),
            _ => Poll::Pending,
        }
    }

    #[cold]
    fn leave(&mut self) {
        if let Stage::InLine(place) = std::mem::replace(&mut self.stage, Stage::NEW)
            && let Some(line) = self.pool.handle.backend.line()
        {
            line.leave(place);
        }
    }
}

/// A place while the line looks at it. It comes back, if it is one still, also where that panics.
struct Moved<'s, 'a> {
    stage: &'s mut Stage<'a>,
    place: Option<PlaceInLine>,
}

impl<'s, 'a> Moved<'s, 'a> {
    fn out_of(stage: &'s mut Stage<'a>) -> Self {
        let place = match std::mem::replace(stage, Stage::NEW) {
            Stage::InLine(place) => Some(place),
            _ => None,
        };
        Moved { stage, place }
    }
}

impl Drop for Moved<'_, '_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            *self.stage = Stage::InLine(place);
        }
    }
}

impl Drop for Get<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Stage::InLine(_) = self.stage {
            self.leave();
        }
    }
}

impl fmt::Debug for Get<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Get")
            .field("pool", self.pool)
            .field("limit", &self.limit.get())
            .finish_non_exhaustive()
    }
}

/// What the clones of a [`Pool`] share. Connections that are lent don't hold it, so that its drop
/// means that nobody can ask for another.
struct Handle {
    backend: Box<dyn Backend>,
    config: PoolConfig,
    get_timeout: Limit,
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
