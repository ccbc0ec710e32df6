use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use respool_connect::{Dialler, Link, RedisDial, RedisLink, Slots};
use respool_core::PoolError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What swim brings: a fair semaphore for its slots, and a stack of idle connections.
pub(crate) struct SwimSlots {
    slots: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<RedisLink>>>,
    next: Next,
    dialler: Dialler<RedisDial>,
}

/// Takes one of the idle connections.
pub(crate) type Next = fn(&mut Vec<RedisLink>) -> Option<RedisLink>;

impl SwimSlots {
    pub(crate) fn new(max_size: usize, next: Next, dialler: Dialler<RedisDial>) -> Self {
        SwimSlots {
            slots: Arc::new(Semaphore::new(max_size)),
            idle: Arc::default(),
            next,
            dialler,
        }
    }

    fn idle(&self) -> Option<RedisLink> {
        (self.next)(&mut self.idle.lock().expect("nobody panics"))
    }

    fn guard(&self, link: RedisLink, slot: OwnedSemaphorePermit) -> Guard {
        Guard {
            link: Some(link),
            idle: self.idle.clone(),
            _slot: slot,
        }
    }
}

#[async_trait]
impl Slots for SwimSlots {
    type Dial = RedisDial;
    type Guard = Guard;

    async fn take(&self) -> Result<Guard, PoolError> {
        // Dropped at either await, the slot goes to the next in line.
        let slot = self.slots.clone().acquire_owned().await;
        let slot = slot.expect("the semaphore is never closed");
        let link = match self.idle() {
            Some(link) => link,
            None => self.dialler.connect().await?,
        };
        Ok(self.guard(link, slot))
    }

    fn try_take(&self) -> Option<Guard> {
        let slot = self.slots.clone().try_acquire_owned().ok()?;
        let link = self.idle().or_else(|| self.dialler.try_ready())?;
        Some(self.guard(link, slot))
    }

    fn keep(mut guard: Guard) -> RedisLink {
        guard.link.take().expect("it is there until it is dropped")
    }
}

/// A connection in its slot.
pub(crate) struct Guard {
    link: Option<RedisLink>,
    idle: Arc<Mutex<Vec<RedisLink>>>,
    _slot: OwnedSemaphorePermit,
}

impl Deref for Guard {
    type Target = RedisLink;

    fn deref(&self) -> &RedisLink {
        self.link.as_ref().expect("it is there until it is dropped")
    }
}

impl DerefMut for Guard {
    fn deref_mut(&mut self) -> &mut RedisLink {
        self.link.as_mut().expect("it is there until it is dropped")
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(mut link) = self.link.take()
            && !link.has_broken()
        {
            self.idle.lock().expect("nobody panics").push(link);
        }
        // The slot goes last: whoever is next in line finds the connection idle.
    }
}
