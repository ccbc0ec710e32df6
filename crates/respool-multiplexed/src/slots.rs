use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use async_trait::async_trait;
use respool_connect::{Dial, Dialler, Glance, Link, Slots};
use respool_core::{CloseReason, PoolError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Slots for connections that one holder has to itself: a fair semaphore over a stack of idle
/// links. Lanes hold slots of it as well.
pub(crate) struct ExclusiveSlots<D: Dial> {
    shared: Arc<Shared<D>>,
}

pub(crate) struct Shared<D: Dial> {
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<D::Link>>,
    dialler: Dialler<D>,
    /// Callers in line for a slot.
    queued: AtomicUsize,
    rooms: OnceLock<Weak<dyn MakesRoom>>,
}

/// Something that holds slots and can give one up.
pub(crate) trait MakesRoom: Send + Sync {
    /// Gives up a slot if one is not needed right now.
    fn make_room(&self);
}

impl<D: Dial> ExclusiveSlots<D> {
    pub(crate) fn new(max_size: usize, dialler: Dialler<D>) -> Self {
        ExclusiveSlots {
            shared: Arc::new(Shared {
                permits: Arc::new(Semaphore::new(max_size)),
                idle: Mutex::new(Vec::with_capacity(max_size)),
                dialler,
                queued: AtomicUsize::new(0),
                rooms: OnceLock::new(),
            }),
        }
    }

    /// Callers in line may take slots from `lanes` when these have nothing to do.
    pub(crate) fn make_room_from(&self, lanes: &crate::lane::LanesHandle) {
        let _ = self.shared.rooms.set(lanes.as_room());
    }

    /// Whether somebody is in line for a slot.
    pub(crate) fn has_queue(&self) -> bool {
        self.shared.queued.load(Ordering::SeqCst) > 0
    }

    async fn permit(&self) -> OwnedSemaphorePermit {
        if let Some(permit) = self.try_permit() {
            return permit;
        }
        let _queued = Queued::join(&self.shared.queued);
        // After joining the queue: a lane that comes to rest from now on sees it.
        if let Some(room) = self.shared.rooms.get().and_then(Weak::upgrade) {
            room.make_room();
        }
        let permits = self.shared.permits.clone();
        permits
            .acquire_owned()
            .await
            .expect("the semaphore of the slots is never closed")
    }

    /// A free slot, if there is one and nobody is in line.
    ///
    /// A permit that is given back goes to whoever is in line first: what is left is free.
    pub(crate) fn try_permit(&self) -> Option<OwnedSemaphorePermit> {
        self.shared.permits.clone().try_acquire_owned().ok()
    }

    /// A link that is well and the permit of its slot, apart, for a lane.
    pub(crate) async fn take_apart(&self) -> Result<(D::Link, OwnedSemaphorePermit), PoolError> {
        // Dropped at this await or the next, the permit goes to the next in line.
        let permit = self.permit().await;
        self.fill(permit).await
    }

    /// The same for a slot that is free already.
    pub(crate) async fn fill(
        &self,
        permit: OwnedSemaphorePermit,
    ) -> Result<(D::Link, OwnedSemaphorePermit), PoolError> {
        loop {
            let idle = self.shared.idle().pop();
            let Some(link) = idle else {
                return Ok((self.shared.dialler.connect().await?, permit));
            };
            let mut popped = Popped {
                link: Some(link),
                shared: &self.shared,
            };
            if popped.is_well().await
                && let Some(link) = popped.link.take()
            {
                return Ok((link, permit));
            }
        }
    }
}

/// An idle link that was taken out, and is idle again when this is dropped.
struct Popped<'a, D: Dial> {
    link: Option<D::Link>,
    shared: &'a Shared<D>,
}

impl<D: Dial> Popped<'_, D> {
    /// Whether it may be used: it was answered, if anything was owed. Otherwise it has ended.
    async fn is_well(&mut self) -> bool {
        let Some(link) = &mut self.link else {
            return false;
        };
        let reason = match link.glance() {
            Glance::Fit => return true,
            Glance::Unfit(reason) => reason,
            Glance::Unsettled => match link.settle().await {
                true => return true,
                false => CloseReason::TimedOut,
            },
        };
        link.condemn(reason);
        self.link = None;
        false
    }
}

impl<D: Dial> Drop for Popped<'_, D> {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            self.shared.idle().push(link);
        }
    }
}

#[async_trait]
impl<D: Dial> Slots for ExclusiveSlots<D> {
    type Dial = D;
    type Guard = Guard<D>;

    async fn take(&self) -> Result<Guard<D>, PoolError> {
        // Dropped at this await or the next, the permit goes to the next in line.
        let permit = self.permit().await;
        let idle = self.shared.idle().pop();
        let link = match idle {
            // Whether it is well is looked at behind this.
            Some(link) => link,
            None => self.shared.dialler.connect().await?,
        };
        Ok(self.guard(link, permit))
    }

    fn try_take(&self) -> Option<Guard<D>> {
        let permit = self.try_permit()?;
        let link = self.shared.idle().pop();
        let link = link.or_else(|| self.shared.dialler.try_ready())?;
        Some(self.guard(link, permit))
    }

    fn keep(mut guard: Guard<D>) -> D::Link {
        guard
            .link
            .take()
            .expect("a guard has its link until it is dropped")
    }
}

impl<D: Dial> ExclusiveSlots<D> {
    fn guard(&self, link: D::Link, permit: OwnedSemaphorePermit) -> Guard<D> {
        Guard {
            link: Some(link),
            _permit: permit,
            shared: self.shared.clone(),
        }
    }
}

impl<D: Dial> Clone for ExclusiveSlots<D> {
    fn clone(&self) -> Self {
        ExclusiveSlots {
            shared: self.shared.clone(),
        }
    }
}

impl<D: Dial> Shared<D> {
    fn idle(&self) -> MutexGuard<'_, Vec<D::Link>> {
        self.idle
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A link in its slot.
pub(crate) struct Guard<D: Dial> {
    link: Option<D::Link>,
    _permit: OwnedSemaphorePermit,
    shared: Arc<Shared<D>>,
}

impl<D: Dial> Deref for Guard<D> {
    type Target = D::Link;

    fn deref(&self) -> &D::Link {
        self.link
            .as_ref()
            .expect("a guard has its link until it is dropped")
    }
}

impl<D: Dial> DerefMut for Guard<D> {
    fn deref_mut(&mut self) -> &mut D::Link {
        self.link
            .as_mut()
            .expect("a guard has its link until it is dropped")
    }
}

impl<D: Dial> Drop for Guard<D> {
    fn drop(&mut self) {
        if let Some(mut link) = self.link.take()
            && !link.has_broken()
        {
            self.shared.idle().push(link);
        }
        // The permit goes after the link: whoever is next in line finds it.
    }
}

struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn join(queued: &'a AtomicUsize) -> Self {
        queued.fetch_add(1, Ordering::SeqCst);
        Queued(queued)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
