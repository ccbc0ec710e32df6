use std::sync::Arc;

use async_trait::async_trait;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, Value};
use respool_connect::{CloseNow, Dial, Glance, Link, Opening, Owed, Parting, Place};
use respool_core::{CloseReason, ConnectError, Detached, PoolConfig};

/// Opens [`MemoryLink`]s.
pub struct MemoryDial {
    config: PoolConfig,
}

impl MemoryDial {
    /// Links with the ages that `config` asks for.
    pub fn new(config: &PoolConfig) -> Self {
        MemoryDial {
            config: config.clone(),
        }
    }
}

#[async_trait]
impl Dial for MemoryDial {
    type Link = MemoryLink;

    async fn dial(&self, opening: Opening) -> Result<MemoryLink, ConnectError> {
        Ok(MemoryLink {
            place: Some(opening.opened(Arc::new(Nothing))),
            owed: Owed::nothing(&self.config),
            condemned: false,
        })
    }
}

/// A connection to nowhere that answers every command with `OK`: what remains of a `get` is the
/// pool. The looks at a clock that a real link takes are kept; the look at its socket is not.
pub struct MemoryLink {
    place: Option<Place>,
    owed: Owed,
    condemned: bool,
}

impl ConnectionLike for MemoryLink {
    fn req_packed_command<'a>(&'a mut self, _: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(std::future::ready(Ok(Value::Okay)))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        _: &'a Pipeline,
        _: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(std::future::ready(Ok(vec![Value::Okay; count])))
    }

    fn get_db(&self) -> i64 {
        0
    }
}

impl Link for MemoryLink {
    fn place(&mut self) -> Option<&mut Place> {
        self.place.as_mut()
    }

    fn glance(&mut self) -> Glance {
        if self.condemned {
            return Glance::Unfit(CloseReason::Broken);
        }
        let age = self.place.as_ref().map_or(Glance::Fit, Place::glance);
        age.and(self.owed.glance(false))
    }

    async fn settle(&mut self) -> bool {
        self.owed.settled();
        true
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
    }

    fn part(&mut self) {
        if let Some(mut place) = self.place.take() {
            place.part(Parting::Blind);
        }
    }

    fn detached(self) -> Option<Box<dyn Detached>> {
        None
    }
}

struct Nothing;

impl CloseNow for Nothing {
    fn close_now(&self) {}

    fn part(self: Arc<Self>) -> Parting {
        Parting::Blind
    }
}
