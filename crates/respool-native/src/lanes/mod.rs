//! Lanes: connections on which the commands of many callers travel at once.
//!
//! Callers append what they ask to what waits to be sent, under one short lock. Whoever finds the
//! lane quiet writes it himself; else it goes out with the next write of the lane's driver, a task
//! that reads replies in bulk and tells those who asked, in order.
//!
//! A lane borrows its connection from the slots, as a holder would, and gives it back when it has
//! nothing to do.

mod ask;
mod body;
mod division;
mod driver;
mod end;
mod opening;
mod places;
mod request;
mod sizes;
mod traffic;
mod unsent;

use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use respool_core::{CloseReason, Connection};
use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;

use crate::connection::NativeConnection;
use crate::shared::Shared;
use body::{Body, Core};
use driver::Driver;
use end::Ending;
use places::Told;
use sizes::Sizes;
use traffic::{Lane, Traffic};
use unsent::Unsent;

/// How long a lane that was just opened is left to those who wanted it, also where others wait for a
/// connection: long enough for them to have a turn.
const FRESH: Duration = Duration::from_millis(5);

/// What a lane reads at once.
const READ_AT_ONCE: usize = 256 * 1024;

/// One command that waits to be sent is much beside so many in flight.
const MUCH: usize = 2;

/// The lanes of a pool.
pub(crate) struct Lanes {
    shared: Arc<Shared>,
    /// Locked after a lane's core, where both are, and before the slots.
    traffic: Mutex<Traffic>,
    /// Callers who wait for room on a lane.
    crowded: AtomicUsize,
    /// Told when a lane was opened or has ended, and of room on one.
    changed: Notify,
    sizes: Sizes,
    /// Whether the server may be at work while this process is.
    overlaps: bool,
}

/// What a driver does next.
pub(crate) enum Next {
    Write,
    Wait,
    /// Its lane has nothing to do, and its connection is wanted elsewhere.
    End,
}

impl Lanes {
    pub(crate) fn new(shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Lanes {
            shared,
            traffic: Mutex::default(),
            crowded: AtomicUsize::new(0),
            changed: Notify::new(),
            sizes: Sizes::new(),
            overlaps: thread::available_parallelism().is_ok_and(|cores| cores.get() > 1),
        })
    }

    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many lanes there may be that don't stand beside others.
    fn most(&self) -> usize {
        self.shared.config.lanes_of(self.shared.ledger.max_size())
    }

    /// How many lanes have nothing to do: their connections are idle.
    pub(crate) fn resting(&self) -> usize {
        if self.shared.open_lanes.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        let traffic = self.traffic();
        let resting = traffic.lanes.iter().filter(|lane| lane.is_quiet());
        resting.count()
    }

    /// Makes a lane of `connection`, driven on this runtime, unless it is not wanted any more.
    fn add(self: &Arc<Self>, mut connection: Box<NativeConnection>, here: Id, is_beside: bool) {
        if connection.wire().move_here().is_err() {
            return connection.end(CloseReason::Broken);
        }
        // Beside another it has large replies, each of which is read apart.
        if !is_beside {
            connection.wire().widen(READ_AT_ONCE);
        }
        let body = {
            let mut traffic = self.traffic();
            if traffic.is_closed {
                drop(traffic);
                return connection.end(CloseReason::PoolClosed);
            }
            let has_line = self.shared.has_line();
            if !traffic.has_place(here, is_beside, self.most(), has_line) {
                drop(traffic);
                return connection.give_back();
            }
            let body = Arc::new(Body::new(traffic.next_number(), connection));
            traffic.lanes.push(Lane {
                body: body.clone(),
                home: Some(here),
                driver: None,
                unsent: Unsent::default(),
                has_weeds: false,
                is_beside,
                may_divide: !is_beside && self.overlaps,
                fresh_until: Some(Instant::now() + FRESH),
                leaves: None,
                is_wanted: has_line,
            });
            self.shared
                .open_lanes
                .store(traffic.lanes.len(), Ordering::Relaxed);
            body
        };
        // With nothing locked: on a runtime that is ending it is dropped at once.
        tokio::spawn(Driver::new(self.clone(), body, 0));
    }

    fn remove(&self, traffic: &mut Traffic, body: &Body) -> Option<Lane> {
        let lane = traffic.remove(body.number);
        self.shared
            .open_lanes
            .store(traffic.lanes.len(), Ordering::Relaxed);
        lane
    }

    /// Has the lane of this number driven on this runtime from now on.
    fn adopt(self: &Arc<Self>, number: u64) {
        let Ok(here) = Handle::try_current().map(|here| here.id()) else {
            return;
        };
        let Some(body) = self.traffic().body(number) else {
            return;
        };
        let (epoch, before, told) = {
            let mut held = body.core();
            let Some(core) = held.as_mut() else {
                return;
            };
            let is_here = |lane: &mut Lane| lane.home == Some(here);
            if self.traffic().lane(number).is_none_or(is_here) {
                return;
            }
            if core.connection.wire().move_here().is_err() {
                drop(held);
                self.end(&body, None, Ending::Lost);
                return;
            }
            core.epoch += 1;
            body.is_parked.store(false, Ordering::Release);
            let mut traffic = self.traffic();
            let (lane, places) = traffic.lane_and_places(number);
            let (mut before, mut told) = (None, Vec::new());
            if let Some(lane) = lane {
                lane.home = Some(here);
                before = lane.driver.take();
                // This runtime may be left undriven, as the one before was.
                let waiting = core.in_flight.iter().chain(&lane.unsent.entries);
                told.extend(waiting.filter_map(|entry| places.tell(entry.place, Told::Moved)));
            }
            (core.epoch, before, told)
        };
        for waker in told {
            waker.wake();
        }
        if let Some(before) = before {
            before.wake();
        }
        tokio::spawn(Driver::new(self.clone(), body, epoch));
    }

    /// Takes what waits to be sent on a lane; if nothing does, its driver is parked from now on.
    fn take_or_park(&self, body: &Body, core: &mut Core, now: Instant, driver: &Waker) -> Next {
        let mut traffic = self.traffic();
        let (lane, places) = traffic.lane_and_places(body.number);
        let Some(lane) = lane else {
            return Next::End;
        };
        if !lane.hand_over(places, core, now) {
            let is_to_go = lane.is_wanted || lane.leaves.is_some();
            if is_to_go && core.is_quiet() && !lane.is_fresh(now) {
                return Next::End;
            }
            if !lane.driver.as_ref().is_some_and(|it| it.will_wake(driver)) {
                lane.driver = Some(driver.clone());
            }
            body.is_parked.store(true, Ordering::Release);
            return Next::Wait;
        }
        Next::Write
    }

    /// Takes what waits to be sent on a lane if it is much beside what is in flight.
    fn take_much(&self, body: &Body, core: &mut Core, now: Instant) -> bool {
        let mut traffic = self.traffic();
        let (lane, places) = traffic.lane_and_places(body.number);
        let much = core.in_flight.len() / MUCH;
        lane.is_some_and(|lane| {
            lane.unsent.entries.len() >= much && lane.hand_over(places, core, now)
        })
    }

    fn tell_of_room(&self) {
        fence(Ordering::SeqCst);
        if self.crowded.load(Ordering::Relaxed) > 0 {
            self.changed.notify_waiters();
        }
    }

    /// Somebody waits for a connection: a lane that has nothing to do gives up its own, others as
    /// soon as they have nothing to do. Those that are not the first of their runtime take no newcomers
    /// from now on, nor do those without which there would be no connection to take out.
    pub(crate) fn make_room(&self) -> bool {
        if self.shared.open_lanes.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let (quiet, busy, woken) = {
            let mut traffic = self.traffic();
            let takes_all = traffic.lanes.len() >= self.shared.ledger.max_size();
            let (mut quiet, mut busy) = (Vec::new(), Vec::new());
            let mut woken = Vec::new();
            let now = Instant::now();
            for index in 0..traffic.lanes.len() {
                let is_second = traffic.is_second(&traffic.lanes[index]);
                let lane = &mut traffic.lanes[index];
                let is_fresh = lane.is_fresh(now);
                if lane.is_quiet() && !is_fresh {
                    quiet.push(lane.body.clone());
                    continue;
                }
                lane.is_wanted = true;
                if !is_fresh {
                    busy.push(lane.body.clone());
                }
                if lane.is_beside || is_second || (takes_all && !is_fresh) {
                    lane.leave(CloseReason::MadeRoom);
                }
                if lane.body.must_be_woken() {
                    woken.extend(lane.driver.clone());
                }
            }
            (quiet, busy, woken)
        };
        for waker in woken {
            waker.wake();
        }
        // Its runtime may not be driven: nobody else would notice that all have given up.
        quiet.iter().any(|body| self.end(body, None, Ending::Rests))
            || busy.iter().any(|body| {
                let held = body.try_core();
                held.is_some_and(|held| self.abandon_if(body, held, |_| true))
            })
    }

    /// There may be fewer connections than before.
    pub(crate) fn resized(&self) {
        let (most, max_size) = (self.most(), self.shared.ledger.max_size());
        let (woken, quiet): (Vec<_>, Vec<_>) = {
            let mut traffic = self.traffic();
            traffic.keep_seconds_to(most);
            traffic.keep_to(max_size);
            let leaving = traffic.lanes.iter().filter(|lane| lane.leaves.is_some());
            let parked = leaving.filter(|lane| lane.body.must_be_woken());
            let woken = parked.filter_map(|lane| lane.driver.clone()).collect();
            let quiet = traffic.lanes.iter().filter(|lane| lane.is_quiet());
            (woken, quiet.map(|lane| lane.body.clone()).collect())
        };
        for waker in woken {
            waker.wake();
        }
        // Rather than those that somebody holds.
        for body in quiet {
            if !self.shared.is_oversized() {
                return;
            }
            self.end(&body, None, Ending::Rests);
        }
    }

    /// A lane's node no longer serves, or its connection is too old: newcomers go elsewhere.
    fn leave(&self, number: u64, reason: CloseReason) {
        let (body, waker) = {
            let mut traffic = self.traffic();
            let Some(lane) = traffic.lane(number) else {
                return;
            };
            lane.leave(reason);
            let waker = match lane.body.must_be_woken() {
                true => lane.driver.clone(),
                false => None,
            };
            (lane.body.clone(), waker)
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        self.end(&body, None, Ending::Rests);
    }

    /// Refuses newcomers. What is under way goes on; lanes without anything end.
    pub(crate) fn shut(&self) {
        let numbers: Vec<_> = {
            let mut traffic = self.traffic();
            traffic.is_closed = true;
            traffic.lanes.iter().map(|lane| lane.body.number).collect()
        };
        for number in numbers {
            self.leave(number, CloseReason::PoolClosed);
        }
        self.changed.notify_waiters();
    }

    /// Ends all of them.
    pub(crate) fn end_all(&self) {
        let bodies: Vec<_> = {
            let mut traffic = self.traffic();
            traffic.is_closed = true;
            let lanes = traffic.lanes.iter();
            lanes.map(|lane| lane.body.clone()).collect()
        };
        for body in bodies {
            self.end(&body, None, Ending::Closed);
        }
        self.changed.notify_waiters();
    }
}
