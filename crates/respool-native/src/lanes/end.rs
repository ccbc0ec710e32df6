use std::sync::{Arc, MutexGuard};

use redis::RedisError;
use respool_core::{CloseReason, Connection};

use super::Lanes;
use super::body::{Body, Core};
use super::places::{Place, Told};
use super::traffic::Lane;

/// How a lane ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its connection was lost.
    Lost,
    /// A reply is overdue.
    TimedOut,
    /// The pool was closed.
    Closed,
    /// It has nothing to do, unless somebody comes meanwhile: others may take its connection out.
    Rests,
}

impl Ending {
    fn reason(self) -> CloseReason {
        match self {
            Ending::TimedOut => CloseReason::TimedOut,
            Ending::Closed => CloseReason::PoolClosed,
            Ending::Lost | Ending::Rests => CloseReason::Broken,
        }
    }
}

impl Lanes {
    /// Ends a lane; what was not written goes another way. `epoch` is that of the driver who says so,
    /// if one does. False: it goes on, since somebody has come.
    pub(crate) fn end(&self, body: &Arc<Body>, epoch: Option<u32>, ending: Ending) -> bool {
        let (core, lane) = {
            // One that rests has nobody at it. The handler of pushed messages may be, and ask for a
            // connection.
            let held = match ending {
                Ending::Rests => body.try_core(),
                _ => Some(body.core()),
            };
            let Some(mut held) = held else {
                return false;
            };
            let Some(core) = held.as_ref() else {
                return true;
            };
            if epoch.is_some_and(|epoch| epoch != core.epoch) {
                return true;
            }
            let mut traffic = self.traffic();
            let is_quiet = |lane: &mut Lane| lane.unsent.is_empty() && core.is_quiet();
            if ending == Ending::Rests && !traffic.lane(body.number).is_some_and(is_quiet) {
                return false;
            }
            (held.take(), self.remove(&mut traffic, body))
        };
        if let (Some(core), Some(lane)) = (core, lane) {
            self.wind_up(core, lane, ending);
        }
        true
    }

    fn wind_up(&self, mut core: Core, lane: Lane, ending: Ending) {
        if ending == Ending::Rests {
            release(core, lane.leaves);
        } else {
            let loss = match (ending, core.connection.wire().loss()) {
                (Ending::Lost, Some(loss)) => loss,
                (Ending::Lost, None) => ended("its connection can't be moved to another runtime"),
                _ => ended("the pool was closed"),
            };
            let mut told = Vec::new();
            for (entry, may_be_written) in core.under_way() {
                let it = match (may_be_written, ending) {
                    (false, _) => Told::NotSent,
                    (true, Ending::TimedOut) => Told::NoReply,
                    (true, _) => Told::Lost(loss.clone()),
                };
                told.push((entry.place, it));
            }
            let unsent = lane.unsent.entries.iter();
            told.extend(unsent.map(|entry| (entry.place, Told::NotSent)));
            let woken: Vec<_> = {
                let mut traffic = self.traffic();
                let tell = |(place, told)| traffic.places.tell(place, told);
                told.into_iter().filter_map(tell).collect()
            };
            // Its slot is free before anybody asks for it.
            core.connection.end(ending.reason());
            for waker in woken {
                waker.wake();
            }
        }
        if let Some(driver) = lane.driver {
            driver.wake();
        }
        self.changed.notify_waiters();
    }

    /// The driver of `epoch` is gone, and its runtime with it: somebody else is to drive, or the
    /// connection goes back if nobody waits for anything.
    pub(crate) fn orphan(&self, body: &Arc<Body>, epoch: u32) {
        let mut woken = Vec::new();
        let abandoned = {
            let mut held = body.core();
            let Some(core) = held.as_ref().filter(|core| core.epoch == epoch) else {
                return;
            };
            let mut traffic = self.traffic();
            let (Some(lane), places) = traffic.lane_and_places(body.number) else {
                return;
            };
            lane.home = None;
            lane.driver = None;
            let left = core.in_flight.iter().chain(&lane.unsent.entries);
            match places.were_given_up(left.clone()) {
                true => held.take().zip(self.remove(&mut traffic, body)),
                false => {
                    woken.extend(left.filter_map(|entry| places.tell(entry.place, Told::Orphaned)));
                    None
                }
            }
        };
        for waker in woken {
            waker.wake();
        }
        self.abandon(abandoned);
    }

    /// Whoever waited at `place` for the lane of this number has given up. The last to leave a lane
    /// that nobody drives gives its connection back.
    pub(crate) fn given_up(&self, number: u64, place: Place) {
        let (left, body) = {
            let mut traffic = self.traffic();
            let left = traffic.places.give_up(place);
            let lane = traffic.lane(number);
            let body = lane.and_then(|lane| {
                lane.has_weeds = true;
                lane.home.is_none().then(|| lane.body.clone())
            });
            (left, body)
        };
        drop(left);
        if let Some(body) = body {
            self.abandon_if(&body, body.core(), |lane| lane.home.is_none());
        }
    }

    /// Gives back the connection of a lane on which nobody waits for anything any more, if the lane is
    /// such that `may_be`; says whether it did.
    pub(super) fn abandon_if(
        &self,
        body: &Body,
        mut held: MutexGuard<'_, Option<Core>>,
        may_be: impl FnOnce(&Lane) -> bool,
    ) -> bool {
        let abandoned = {
            let Some(core) = held.as_ref() else {
                return false;
            };
            let mut traffic = self.traffic();
            let (lane, places) = traffic.lane_and_places(body.number);
            let Some(lane) = lane.filter(|lane| may_be(lane)) else {
                return false;
            };
            match places.were_given_up(core.in_flight.iter().chain(&lane.unsent.entries)) {
                true => held.take().zip(self.remove(&mut traffic, body)),
                false => None,
            }
        };
        drop(held);
        let is_abandoned = abandoned.is_some();
        self.abandon(abandoned);
        is_abandoned
    }

    fn abandon(&self, abandoned: Option<(Core, Lane)>) {
        if let Some((core, lane)) = abandoned {
            release(core, lane.leaves);
            if let Some(driver) = lane.driver {
                // It has nothing to drive any more, and ends.
                driver.wake();
            }
            self.changed.notify_waiters();
        }
    }
}

/// Gives the connection back, or ends it if that is why the lane `leaves`.
fn release(core: Core, leaves: Option<CloseReason>) {
    let connection = core.into_connection();
    match leaves {
        None | Some(CloseReason::MadeRoom) => connection.give_back(),
        Some(reason) => connection.end(reason),
    }
}

fn ended(why: &'static str) -> RedisError {
    std::io::Error::new(std::io::ErrorKind::NotConnected, why).into()
}
