use std::ops::{Deref, DerefMut};
use std::time::Duration;

use async_trait::async_trait;
use deadpool::managed::{
    self, Metrics, Object, PoolConfig, QueueMode, RecycleResult, TimeoutType, Timeouts,
};
use respool_connect::{Dial, Dialler, Link, Slots, at_once};
use respool_core::PoolError;

/// deadpool as [`Slots`]: a fair semaphore and a stack of idle links are deadpool's, everything else
/// is switched off.
pub(crate) struct DeadpoolSlots<D: Dial> {
    pool: managed::Pool<Manager<D>>,
    backend: &'static str,
}

/// What these would do, respool does for every backend.
const NO_TIMEOUTS: Timeouts = Timeouts {
    wait: None,
    create: None,
    recycle: None,
};

/// In deadpool's words zero is "don't wait".
const DO_NOT_WAIT: Timeouts = Timeouts {
    wait: Some(Duration::ZERO),
    ..NO_TIMEOUTS
};

impl<D: Dial> DeadpoolSlots<D> {
    /// Slots for `max_size` links from `dialler`; errors of deadpool's own name `backend`.
    pub(crate) fn new(max_size: usize, dialler: Dialler<D>, backend: &'static str) -> Self {
        let mut config = PoolConfig::new(max_size);
        config.timeouts = NO_TIMEOUTS;
        // The one used last is the warmest.
        config.queue_mode = QueueMode::Lifo;
        DeadpoolSlots {
            pool: managed::Pool::builder(Manager { dialler })
                .config(config)
                .build()
                .expect("only time-outs need a runtime, and there are none"),
            backend,
        }
    }

    fn error(&self, error: managed::PoolError<PoolError>) -> PoolError {
        match error {
            managed::PoolError::Backend(error) => error,
            other => PoolError::backend(self.backend, std::io::Error::other(other.to_string())),
        }
    }
}

#[async_trait]
impl<D: Dial> Slots for DeadpoolSlots<D> {
    type Dial = D;
    type Guard = Guard<D>;

    async fn take(&self) -> Result<Guard<D>, PoolError> {
        // Dropped here: deadpool gives the slot to the next in line.
        match self.pool.timeout_get(&NO_TIMEOUTS).await {
            Ok(object) => Ok(Guard(Some(object))),
            Err(error) => Err(self.error(error)),
        }
    }

    /// Where no link is idle deadpool asks the manager for one at once, which has none to give but
    /// what is ready.
    fn try_take(&self) -> Option<Guard<D>> {
        let taken = at_once(self.pool.timeout_get(&DO_NOT_WAIT))?;
        debug_assert!(!matches!(
            taken,
            Err(managed::PoolError::Timeout(
                TimeoutType::Create | TimeoutType::Recycle
            ))
        ));
        taken.ok().map(|object| Guard(Some(object)))
    }

    fn keep(mut guard: Guard<D>) -> D::Link {
        Object::take(guard.0.take().expect(HAS_ITS_OBJECT))
    }
}

const HAS_ITS_OBJECT: &str = "a guard has its object until it is dropped";

/// A link in a slot of deadpool's.
pub(crate) struct Guard<D: Dial>(Option<Object<Manager<D>>>);

impl<D: Dial> Deref for Guard<D> {
    type Target = D::Link;

    fn deref(&self) -> &D::Link {
        self.0.as_ref().expect(HAS_ITS_OBJECT)
    }
}

impl<D: Dial> DerefMut for Guard<D> {
    fn deref_mut(&mut self) -> &mut D::Link {
        self.0.as_mut().expect(HAS_ITS_OBJECT)
    }
}

impl<D: Dial> Drop for Guard<D> {
    fn drop(&mut self) {
        // deadpool stores whatever comes back, and finds out when it hands it out again.
        if let Some(mut object) = self.0.take()
            && object.has_broken()
        {
            drop(Object::take(object));
        }
    }
}

/// What deadpool opens its links with.
pub(crate) struct Manager<D: Dial> {
    dialler: Dialler<D>,
}

impl<D: Dial> managed::Manager for Manager<D> {
    type Type = D::Link;
    type Error = PoolError;

    async fn create(&self) -> Result<D::Link, PoolError> {
        self.dialler.connect().await
    }

    /// [`respool_connect::Wrapped`] looks at every link that it takes.
    async fn recycle(&self, _: &mut D::Link, _: &Metrics) -> RecycleResult<PoolError> {
        Ok(())
    }
}
