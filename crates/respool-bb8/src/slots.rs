use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bb8::{ManageConnection, PooledConnection, QueueStrategy};
use respool_connect::{Dial, Dialler, Link, Slots, at_once};
use respool_core::PoolError;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// bb8 as [`Slots`]: the store of idle links is bb8's. Three things it can't be left with, and so
/// nobody ever waits inside of it:
///
/// - Its queue: a woken caller looks again, may find that a newcomer was faster, and goes to the end
///   of the line (GET-4). A fair semaphore stands in front of it.
/// - Dialling: it connects in a task of the caller's runtime, and counts on that task to come to its
///   end; when the runtime ends first, the slot is gone for good (LIFE-5). The link is opened by the
///   caller and then added.
/// - Errors: what its task could not connect for goes to a sink, and the caller times out (GET-3).
pub(crate) struct Bb8Slots<D: Dial> {
    permits: Arc<Semaphore>,
    pool: bb8::Pool<Manager<D>>,
    dialler: Dialler<D>,
    /// Held from adding or finding a link to taking it out: nobody else takes it in between.
    taking: Mutex<()>,
    backend: &'static str,
}

/// bb8 knows no "never". A caller whose link is there has no need of it.
const NEVER: Duration = Duration::from_secs(u32::MAX as u64);

impl<D: Dial> Bb8Slots<D> {
    /// Slots for `max_size` links from `dialler`; errors of bb8's own name `backend`.
    pub(crate) fn new(max_size: usize, dialler: Dialler<D>, backend: &'static str) -> Self {
        let manager = Manager {
            dialler: dialler.clone(),
        };
        Bb8Slots {
            permits: Arc::new(Semaphore::new(max_size)),
            pool: bb8::Pool::builder()
                .max_size(u32::try_from(max_size).unwrap_or(u32::MAX))
                // What these would do, respool does for every backend.
                .test_on_check_out(false)
                .retry_connection(false)
                .connection_timeout(NEVER)
                .idle_timeout(None)
                .max_lifetime(None)
                // The one used last is the warmest.
                .queue_strategy(QueueStrategy::Lifo)
                .build_unchecked(manager),
            dialler,
            taking: Mutex::new(()),
            backend,
        }
    }

    /// A link that is idle, with the permit of its slot; the permit comes back when there is none.
    fn take_idle(&self, permit: OwnedSemaphorePermit) -> Result<Guard<D>, OwnedSemaphorePermit> {
        let _taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        // Asked when it has none, bb8 would begin to open one.
        if self.pool.state().idle_connections == 0 {
            return Err(permit);
        }
        self.take_stored(permit)
    }

    /// Puts a new link into bb8 and takes it out again, as bb8 counts only what it has stored.
    fn store_and_take(
        &self,
        link: D::Link,
        permit: OwnedSemaphorePermit,
    ) -> Result<Guard<D>, OwnedSemaphorePermit> {
        let _taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        // Refused, it has ended already: bb8 has room for as many as there are permits.
        if self.pool.add(Stored(Some(link))).is_err() {
            return Err(permit);
        }
        self.take_stored(permit)
    }

    fn take_stored(&self, permit: OwnedSemaphorePermit) -> Result<Guard<D>, OwnedSemaphorePermit> {
        match at_once(self.pool.get_owned()) {
            Some(Ok(connection)) => Ok(Guard {
                connection,
                _permit: permit,
            }),
            _ => Err(permit),
        }
    }
}

#[async_trait]
impl<D: Dial> Slots for Bb8Slots<D> {
    type Dial = D;
    type Guard = Guard<D>;

    async fn take(&self) -> Result<Guard<D>, PoolError> {
        // Dropped at either await, the permit goes to the next in line.
        let permit = self.permits.clone().acquire_owned().await;
        let mut permit = permit.map_err(|error| PoolError::backend(self.backend, error))?;
        loop {
            permit = match self.take_idle(permit) {
                Ok(guard) => return Ok(guard),
                Err(permit) => permit,
            };
            let link = self.pool.dedicated_connection().await?;
            permit = match self.store_and_take(link.into_link(), permit) {
                Ok(guard) => return Ok(guard),
                Err(permit) => permit,
            };
        }
    }

    /// bb8 sets a timer for every caller, even for one that waits for nothing: outside a runtime
    /// there is no link at once.
    fn try_take(&self) -> Option<Guard<D>> {
        Handle::try_current().ok()?;
        // A permit that is given back goes to whoever is in line first: what is left is free.
        let permit = self.permits.clone().try_acquire_owned().ok()?;
        let permit = match self.take_idle(permit) {
            Ok(guard) => return Some(guard),
            Err(permit) => permit,
        };
        let ready = self.dialler.try_ready()?;
        self.store_and_take(ready, permit).ok()
    }

    fn keep(mut guard: Guard<D>) -> D::Link {
        // Without its link it is broken, and bb8 forgets it.
        guard.connection.take_link()
    }
}

/// A link in a slot, and in bb8's account.
pub(crate) struct Guard<D: Dial> {
    connection: PooledConnection<'static, Manager<D>>,
    /// After the connection: whoever is next in line finds it.
    _permit: OwnedSemaphorePermit,
}

impl<D: Dial> Deref for Guard<D> {
    type Target = D::Link;

    fn deref(&self) -> &D::Link {
        self.connection.0.as_ref().expect(HAS_ITS_LINK)
    }
}

impl<D: Dial> DerefMut for Guard<D> {
    fn deref_mut(&mut self) -> &mut D::Link {
        self.connection.0.as_mut().expect(HAS_ITS_LINK)
    }
}

const HAS_ITS_LINK: &str = "a connection has its link until it is kept";

/// What bb8 stores: a link, until it is taken out for good.
pub(crate) struct Stored<L>(Option<L>);

impl<L> Stored<L> {
    fn take_link(&mut self) -> L {
        self.0.take().expect(HAS_ITS_LINK)
    }

    fn into_link(mut self) -> L {
        self.take_link()
    }
}

/// What bb8 opens its links with.
pub(crate) struct Manager<D: Dial> {
    dialler: Dialler<D>,
}

impl<D: Dial> ManageConnection for Manager<D> {
    type Connection = Stored<D::Link>;
    type Error = PoolError;

    async fn connect(&self) -> Result<Stored<D::Link>, PoolError> {
        Ok(Stored(Some(self.dialler.connect().await?)))
    }

    /// [`respool_connect::Wrapped`] looks at every link that it takes.
    async fn is_valid(&self, _: &mut Stored<D::Link>) -> Result<(), PoolError> {
        Ok(())
    }

    fn has_broken(&self, stored: &mut Stored<D::Link>) -> bool {
        stored.0.as_mut().is_none_or(Link::has_broken)
    }
}
