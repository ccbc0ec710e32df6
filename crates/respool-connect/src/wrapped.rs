use std::fmt;
use std::future::pending;
use std::ops::DerefMut;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{Either, FutureExt, select};
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, Value};
use respool_core::{
    Backend, BackendInfo, Capabilities, CloseReason, Connection, Deadline, Detached, Lane, Pool,
    PoolConfig, PoolError, Status, TimeoutKind,
};
use tokio::runtime::Handle;

use crate::upkeep::Upkeep;
use crate::{Dial, Dialler, Glance, Ledger, Link, Place};

/// What a wrapped pool brings: a queue of callers and a store of idle links.
///
/// Its own checks, time-outs and limits on idle links are to be switched off: [`Wrapped`] has them
/// for all. It opens links with [`Dialler::connect`], and drops a link instead of storing it when
/// [`Link::has_broken`] says so.
#[async_trait]
pub trait Slots: Send + Sync + 'static {
    /// What opens the links.
    type Dial: Dial;
    /// A link with its slot. Dropping it gives both back, anywhere, at once.
    type Guard: DerefMut<Target = <Self::Dial as Dial>::Link> + Send + Sync + 'static;

    /// Waits in line for a slot, first come first served, and opens a link where none is idle.
    /// Dropping the future loses neither slot nor link.
    async fn take(&self) -> Result<Self::Guard, PoolError>;

    /// An idle link, if there is one and nobody waits for it.
    fn try_take(&self) -> Option<Self::Guard>;

    /// The link alone; its slot is free at once.
    fn keep(guard: Self::Guard) -> <Self::Dial as Dial>::Link;
}

/// How long `close` waits for the server to notice that a connection has ended.
const FAREWELL: Duration = Duration::from_secs(1);

/// A wrapped pool as a [`Backend`]: what it lacks of the contract is added here, once for all.
pub struct Wrapped<S: Slots> {
    slots: S,
    dialler: Dialler<S::Dial>,
    ledger: Arc<Ledger>,
    upkeep: Upkeep<Dialler<S::Dial>>,
    info: BackendInfo,
    capabilities: Capabilities,
    lane: Option<Box<dyn LaneOfPool>>,
}

/// A lane that ends with its pool.
pub trait LaneOfPool: Lane + 'static {
    /// The lane as users see it.
    fn lane(&self) -> &dyn Lane;

    /// Refuses new commands; those under way go on, and their connections end with the last.
    fn refuse_newcomers(&self);

    /// Ends it: its connections are closed now, commands under way fail.
    fn close_now(&self);
}

impl<S: Slots> Wrapped<S> {
    /// A pool of `config` whose links `dial` opens, over the slots that `slots` makes.
    ///
    /// # Errors
    ///
    /// [`PoolError::Config`] for what is wrong in `config`, not among `capabilities`, or nothing that
    /// `dial` can use.
    pub fn pool(
        dial: S::Dial,
        config: PoolConfig,
        info: BackendInfo,
        capabilities: Capabilities,
        slots: impl FnOnce(&PoolConfig, Dialler<S::Dial>) -> S,
    ) -> Result<Pool, PoolError> {
        let config = Self::check(config, &info, capabilities)?;
        dial.check()?;
        let dialler = Dialler::new(dial, &config, Ledger::new(&config));
        let slots = slots(&config, dialler.clone());
        Ok(Pool::new(
            Wrapped::new(slots, dialler, info, capabilities),
            config,
        ))
    }

    /// A pool of `slots`, whose links come from `dialler` and are counted by its ledger.
    pub fn new(
        slots: S,
        dialler: Dialler<S::Dial>,
        info: BackendInfo,
        capabilities: Capabilities,
    ) -> Self {
        let pool = Wrapped {
            slots,
            ledger: dialler.ledger().clone(),
            upkeep: Upkeep::new(dialler.clone()),
            dialler,
            info,
            capabilities,
            lane: None,
        };
        pool.upkeep.ensure();
        pool
    }

    /// The same with a lane for [`respool_core::Client`]s.
    pub fn with_lane(mut self, lane: impl LaneOfPool) -> Self {
        self.lane = Some(Box::new(lane));
        self
    }

    /// Refuses, by field name, what `config` asks for and `capabilities` don't have.
    ///
    /// # Errors
    ///
    /// [`PoolError::Config`].
    pub fn check(
        config: PoolConfig,
        info: &BackendInfo,
        capabilities: Capabilities,
    ) -> Result<PoolConfig, PoolError> {
        let config = config.checked()?;
        if config.min_idle > 0 && !capabilities.min_idle {
            return Err(PoolError::config(
                "min_idle",
                format!(
                    "backend {} does not keep connections ready; leave it at 0",
                    info.name
                ),
            ));
        }
        if config.on_push.is_some() && !capabilities.messages {
            return Err(PoolError::config(
                "on_push",
                format!(
                    "backend {} does not show what a server pushes; choose another, such as native",
                    info.name
                ),
            ));
        }
        Ok(config)
    }

    /// Takes links until one is fit; `checks` tells whether it waits for one to answer. Whatever it holds
    /// when it is dropped goes back.
    async fn take_fit(&self, checks: &AtomicBool) -> Result<Box<Lent<S>>, PoolError> {
        let mut lent = Lent::new(self.slots.take().await?, self);
        loop {
            let reason = match lent.link_mut().map(Link::glance) {
                Some(Glance::Fit) => return Ok(lent.used()),
                Some(Glance::Unfit(reason)) => reason,
                Some(Glance::Unsettled) => {
                    checks.store(true, Ordering::Relaxed);
                    let settled = match lent.link_mut() {
                        // Dropped here: the link goes back and is settled by whoever takes it next.
                        Some(link) => link.settle().await,
                        None => false,
                    };
                    checks.store(false, Ordering::Relaxed);
                    if settled {
                        return Ok(lent.used());
                    }
                    CloseReason::TimedOut
                }
                None => return Err(PoolError::Closed),
            };
            lent.condemn(reason);
            // Whoever has waited in line doesn't begin anew: the slot is his (GET-4).
            match self.slots.try_take() {
                Some(idle) => lent = Lent::new(idle, self),
                None => lent.renew(self).await?,
            }
        }
    }

    fn timed_out(&self, deadline: Deadline, checked: bool) -> PoolError {
        let last_error = self.dialler.last_error();
        let status = self.ledger.status();
        let phase = if checked {
            TimeoutKind::Check
        } else if self.ledger.is_exhausted() {
            TimeoutKind::Wait
        } else {
            TimeoutKind::Connect
        };
        PoolError::timeout(phase, deadline.waited(), status, last_error)
    }

    /// Refuses newcomers, and ends what nobody holds.
    fn shut(&self) {
        self.ledger.close();
        self.dialler.close();
        if let Some(lane) = &self.lane {
            lane.refuse_newcomers();
        }
        while let Some(guard) = self.slots.try_take() {
            Lent::new(guard, self).condemn(CloseReason::PoolClosed);
        }
    }

    fn cut_off(&self) {
        self.ledger.close_all_sockets();
        if let Some(lane) = &self.lane {
            lane.close_now();
        }
    }
}

#[async_trait]
impl<S: Slots> Backend for Wrapped<S> {
    fn try_get(&self) -> Option<Box<dyn Connection>> {
        if self.ledger.is_closed() {
            return None;
        }
        self.upkeep.ensure();
        loop {
            let mut lent = Lent::new(self.slots.try_take()?, self);
            match Link::glance(lent.link_mut()?) {
                Glance::Fit => return Some(lent.used()),
                Glance::Unsettled => return None,
                Glance::Unfit(reason) => lent.condemn(reason),
            }
        }
    }

    async fn get(&self, deadline: Deadline) -> Result<Box<dyn Connection>, PoolError> {
        if Handle::try_current().is_err() {
            return Err(PoolError::NoRuntime);
        }
        if self.ledger.is_closed() {
            return Err(PoolError::Closed);
        }
        self.upkeep.ensure();
        let _caller = self.ledger.caller();
        let closed = pin!(self.ledger.closed());
        let checks = AtomicBool::new(false);
        let taken = pin!(deadline.limit(self.take_fit(&checks)));
        let left = pin!(async {
            match self.lane {
                None => pending().await,
                // What he waits for may be with one who opens a lane, on a runtime that was left.
                Some(_) => self.ledger.give_up_attempts_left().await,
            }
        });
        let meanwhile = select(closed, left).map(drop);
        // What was taken comes first, where the pool is closed at the same time.
        match select(taken, meanwhile).await {
            Either::Left((Some(Ok(lent)), _)) => Ok(lent as Box<dyn Connection>),
            Either::Left((Some(Err(error)), _)) => Err(error),
            Either::Left((None, _)) => {
                Err(self.timed_out(deadline, checks.load(Ordering::Relaxed)))
            }
            Either::Right(((), _)) => Err(PoolError::Closed),
        }
    }

    fn lane(&self) -> Option<&dyn Lane> {
        self.lane.as_ref().map(|lane| lane.lane())
    }

    fn status(&self) -> Status {
        self.ledger.status()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn info(&self) -> &BackendInfo {
        &self.info
    }

    async fn close(&self, grace: Duration) {
        self.shut();
        let _ = tokio::time::timeout(grace, self.ledger.unused()).await;
        self.cut_off();
        // What came back in the meantime, and what a contended store did not give up before.
        self.shut();
        self.ledger.farewells(FAREWELL).await;
        // Its runtime may not be driven by anybody.
        let _ = tokio::time::timeout(FAREWELL, self.upkeep.end()).await;
    }

    fn close_now(&self) {
        self.shut();
        self.cut_off();
        self.upkeep.end_now();
        self.ledger.forget_farewells();
    }
}

impl<S: Slots> fmt::Debug for Wrapped<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wrapped")
            .field("backend", &self.info.name)
            .field("ledger", &self.ledger)
            .finish_non_exhaustive()
    }
}

/// A link that was handed out. Dropping it gives it back, or ends it when it was condemned.
struct Lent<S: Slots> {
    /// `None` only once it was detached.
    guard: Option<S::Guard>,
    dialler: Dialler<S::Dial>,
    backend: &'static str,
    may_detach: bool,
    /// It was taken out to be looked at, no more so far.
    is_unused: bool,
}

impl<S: Slots> Lent<S> {
    fn new(guard: S::Guard, pool: &Wrapped<S>) -> Self {
        let mut lent = Lent {
            guard: Some(guard),
            dialler: pool.dialler.clone(),
            backend: pool.info.name,
            may_detach: pool.capabilities.detach,
            is_unused: true,
        };
        if let Some(place) = lent.link_mut().and_then(Link::place) {
            place.lend();
        }
        lent
    }

    /// It goes to its holder.
    fn used(mut self) -> Box<Self> {
        self.is_unused = false;
        Box::new(self)
    }

    fn link_mut(&mut self) -> Option<&mut <S::Dial as Dial>::Link> {
        self.guard.as_deref_mut()
    }

    /// Another link in the slot of one that was condemned. Dropped here: the slot is free.
    async fn renew(&mut self, pool: &Wrapped<S>) -> Result<(), PoolError> {
        if let Some(link) = self.link_mut() {
            // Its place makes room for the other's.
            link.part();
        }
        let fresh = pool.dialler.connect().await?;
        if let Some(link) = self.link_mut() {
            *link = fresh;
            if let Some(place) = link.place() {
                place.lend();
            }
        }
        Ok(())
    }

    fn gone() -> redis::RedisError {
        std::io::Error::from(std::io::ErrorKind::NotConnected).into()
    }
}

impl<S: Slots> ConnectionLike for Lent<S> {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self.link_mut() {
            Some(link) => link.req_packed_command(command),
            None => Box::pin(std::future::ready(Err(Self::gone()))),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self.link_mut() {
            Some(link) => link.req_packed_commands(pipeline, offset, count),
            None => Box::pin(std::future::ready(Err(Self::gone()))),
        }
    }

    fn get_db(&self) -> i64 {
        self.guard.as_deref().map_or(0, |link| link.get_db())
    }
}

impl<S: Slots> Connection for Lent<S> {
    fn owe_reply(&mut self) {
        if let Some(link) = self.link_mut() {
            link.owe_reply();
        }
    }

    fn condemn(&mut self, reason: CloseReason) {
        if let Some(link) = self.link_mut() {
            link.condemn(reason);
        }
    }

    fn detach(mut self: Box<Self>) -> Result<Box<dyn Detached>, PoolError> {
        let link = match self.may_detach {
            true => self.guard.take().map(S::keep),
            false => {
                self.condemn(CloseReason::Broken);
                None
            }
        };
        link.and_then(Link::detached).ok_or_else(|| {
            PoolError::unsupported(
                "detach",
                self.backend,
                "hold the connection for as long as you need it, or choose another backend",
            )
        })
    }
}

impl<S: Slots> Drop for Lent<S> {
    fn drop(&mut self) {
        let is_unused = self.is_unused;
        let Some(link) = self.link_mut() else {
            return;
        };
        if link.place().is_some_and(|place| place.pool_is_closed()) {
            link.condemn(CloseReason::PoolClosed);
        } else if link.place().is_some_and(|place| place.has_outlived()) {
            link.condemn(CloseReason::Expired);
        }
        // A condemned link stays in use in the books until its socket has gone.
        let place = link.place().filter(|place| place.reason().is_none());
        let wanted = match is_unused {
            // Or it would seem to have answered.
            true => place.is_some_and(Place::put_back),
            false => place.is_some_and(Place::give_back),
        };
        if wanted && let Some(guard) = self.guard.take() {
            self.dialler.hand_over(S::keep(guard));
        }
        // The guard goes last: whoever is next must find the link idle in the books.
    }
}
