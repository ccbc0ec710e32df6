use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Instant;

use respool_core::CloseReason;
use tokio::runtime::Id;

use super::body::{Body, Core};
use super::places::Places;
use super::unsent::Unsent;

/// The most commands of one lane that were not answered, those of pipelines among them. One pipeline may
/// have more.
const MOST_UNDER_WAY: u64 = 32 * 1024;

/// The most bytes that wait for a lane's next write. One command may be larger.
const MOST_UNSENT: usize = 8 << 20;

/// All lanes of a pool, and what waits to be sent on each: under one lock, which is held for as long
/// as it takes to append a small command.
///
/// A runtime has a lane of its own, driven by a task on it: a runtime that nobody drives holds up
/// nobody else (LIFE-5). Where much is asked at once it has two, and callers are divided among them:
/// while the server answers one batch, the next is made up. Others stand beside them while large values
/// travel.
#[derive(Default)]
pub(crate) struct Traffic {
    pub(crate) lanes: Vec<Lane>,
    pub(crate) places: Places,
    /// Runtimes on which a lane is being opened: one at a time on each.
    pub(super) opening: Vec<Id>,
    /// No runtime gets a second lane before then: the last attempt has failed.
    pub(super) divides_from: Option<Instant>,
    pub(crate) is_closed: bool,
    next_number: u64,
}

pub(crate) struct Lane {
    pub(crate) body: Arc<Body>,
    /// The runtime of its driver, if it has one.
    pub(crate) home: Option<Id>,
    /// Wakes its driver.
    pub(crate) driver: Option<Waker>,
    pub(crate) unsent: Unsent,
    /// Somebody gave up since its last batch.
    pub(crate) has_weeds: bool,
    /// It stands beside its runtime's own lanes.
    pub(crate) is_beside: bool,
    /// It may be the reason for a second one, if there is none.
    pub(crate) may_divide: bool,
    /// Until then it is left to those for whom it was opened, if none of them has come yet.
    pub(crate) fresh_until: Option<Instant>,
    /// It takes no newcomers, and ends once nothing is under way on it.
    pub(crate) leaves: Option<CloseReason>,
    /// Somebody waits for its connection, and may have it as soon as nothing is under way.
    pub(crate) is_wanted: bool,
}

/// Whether what is asked, or its answer, is large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Small,
    Large,
}

/// What a newcomer would wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Nothing: it has no turn to open a lane.
    Nothing,
    /// A lane.
    Lane,
    /// The same, and another beside one that is held up.
    LaneBeside,
}

/// Which way something goes.
pub(crate) enum Way {
    /// Over the lane at this index.
    Over(usize),
    /// The same, and its driver is on another runtime.
    OverForeign(usize),
    /// The lane of this number is to move here first.
    Adopt(u64),
    /// A lane is to be opened first. Whoever is told so has the turn.
    Open,
    /// The same, beside another that is held up.
    OpenBeside,
    /// Somebody is opening one beside it, or on another runtime.
    WaitBeside,
    /// Somebody on this runtime is opening one.
    Wait,
    /// All lanes are full.
    Full,
    Closed,
}

impl Lane {
    pub(crate) fn is_quiet(&self) -> bool {
        self.unsent.is_empty() && self.body.is_quiet()
    }

    /// Hands over what waits to be sent; false if nothing does. What nobody waits for any more is not
    /// written.
    pub(crate) fn hand_over(&mut self, places: &mut Places, core: &mut Core, now: Instant) -> bool {
        if std::mem::take(&mut self.has_weeds) {
            self.unsent.weed(places);
        }
        if self.unsent.is_empty() {
            return false;
        }
        core.take(&mut self.unsent, now);
        self.body.note(core);
        true
    }

    /// It takes no newcomers from now on. Where its connection is fit for others, any other reason counts
    /// more.
    pub(crate) fn leave(&mut self, reason: CloseReason) {
        if matches!(self.leaves, None | Some(CloseReason::MadeRoom)) {
            self.leaves = Some(reason);
        }
    }

    /// Whether those who wanted it have had no turn yet to use it.
    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        self.fresh_until.is_some_and(|until| now < until)
    }

    /// Whether newcomers on runtime `here` may use it.
    pub(super) fn is_open_to(&self, here: Id) -> bool {
        self.home == Some(here) && self.leaves.is_none()
    }

    fn is_full(&self) -> bool {
        let under_way = self.unsent.replies() + self.body.owed.load(Ordering::Relaxed);
        self.unsent.bytes() >= MOST_UNSENT || under_way >= MOST_UNDER_WAY
    }

    pub(super) fn load(&self) -> usize {
        self.unsent.entries.len() + self.body.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn is_held_up(&self) -> bool {
        self.body.is_receiving_large.load(Ordering::Relaxed)
            || self.body.is_sending_large.load(Ordering::Relaxed)
            || self.is_full()
    }
}

impl Traffic {
    /// The way of a newcomer on runtime `here`. `most` runtimes may have a lane of their own;
    /// `has_room` tells whether there is room for another lane, and is asked only where one is wanted
    /// and waited for.
    pub(crate) fn choose(
        &mut self,
        here: Id,
        share: u32,
        size: Size,
        most: impl FnOnce() -> usize,
        patience: Patience,
        has_room: impl FnOnce() -> bool,
    ) -> Way {
        if self.is_closed {
            return Way::Closed;
        }
        let is_patient = patience == Patience::LaneBeside;
        // The steady case: a lane or two, and nothing large.
        if size == Size::Small
            && let Some(index) = self.own(here, share)
        {
            return Way::Over(index);
        }
        if patience == Patience::Nothing {
            return Way::Wait;
        }
        let own = self.first(|lane| lane.is_open_to(here) && !lane.is_beside);
        let Some((own, _)) = own.or_else(|| self.first(|lane| lane.is_open_to(here))) else {
            return self.choose_first(here, size, most(), is_patient, has_room);
        };
        let best = (self.lanes.iter().enumerate())
            .filter(|(index, lane)| *index != own && lane.is_beside)
            .filter(|(_, lane)| lane.is_open_to(here) && !lane.is_full())
            .filter(|(_, lane)| size == Size::Large || !lane.is_held_up())
            .min_by_key(|(_, lane)| lane.load());
        if let Some((best, _)) = best {
            return Way::Over(best);
        }
        // A large one that finds its lane quiet holds up nobody.
        if size == Size::Large && self.lanes[own].is_quiet() {
            return Way::Over(own);
        }
        if is_patient && self.is_opening(here) {
            return Way::WaitBeside;
        }
        if is_patient && has_room() {
            self.opening.push(here);
            return Way::OpenBeside;
        }
        let least = self.least_loaded(|lane| lane.is_open_to(here) && !lane.is_full());
        least.map_or(Way::Full, Way::Over)
    }

    /// The same where the runtime has no lane.
    fn choose_first(
        &mut self,
        here: Id,
        size: Size,
        most: usize,
        is_patient: bool,
        has_room: impl FnOnce() -> bool,
    ) -> Way {
        let homeless = |lane: &Lane| lane.home.is_none() && lane.leaves.is_none();
        if let Some((_, lane)) = self.first(homeless) {
            return Way::Adopt(lane.body.number);
        }
        if self.is_opening(here) {
            return Way::Wait;
        }
        if self.count_firsts() + self.opening.len() < most {
            self.opening.push(here);
            self.keep_seconds_to(most);
            return Way::Open;
        }
        // Others have as many as there may be: one that rests moves here, else one is shared.
        if let Some((_, lane)) = self.first(|lane| lane.leaves.is_none() && lane.is_quiet()) {
            return Way::Adopt(lane.body.number);
        }
        if self.first(|lane| lane.leaves.is_none()).is_none() {
            // Others open one, on runtimes that may not be driven: worth a while, not all the time.
            if is_patient && !self.opening.is_empty() {
                return Way::WaitBeside;
            }
            self.opening.push(here);
            return Way::Open;
        }
        let least = self.least_loaded(|lane| lane.leaves.is_none() && !lane.is_held_up());
        if let Some(least) = least
            && size == Size::Small
        {
            return Way::OverForeign(least);
        }
        if is_patient && has_room() {
            self.opening.push(here);
            return Way::OpenBeside;
        }
        let any = || self.least_loaded(|lane| lane.leaves.is_none() && !lane.is_full());
        least.or_else(any).map_or(Way::Full, Way::OverForeign)
    }

    fn least_loaded(&self, is_wanted: impl Fn(&Lane) -> bool) -> Option<usize> {
        let lanes = self.lanes.iter().enumerate();
        let wanted = lanes.filter(|(_, lane)| is_wanted(lane));
        Some(wanted.min_by_key(|(_, lane)| lane.load())?.0)
    }

    pub(super) fn first(&self, is_wanted: impl Fn(&Lane) -> bool) -> Option<(usize, &Lane)> {
        let mut lanes = self.lanes.iter().enumerate();
        lanes.find(|(_, lane)| is_wanted(lane))
    }

    pub(super) fn is_opening(&self, home: Id) -> bool {
        self.opening.contains(&home)
    }

    pub(crate) fn opened(&mut self, home: Id) {
        self.opening.retain(|opening| *opening != home);
    }

    pub(crate) fn next_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    pub(crate) fn lane(&mut self, number: u64) -> Option<&mut Lane> {
        self.lane_and_places(number).0
    }

    /// The lane of this number, and the places of all.
    pub(crate) fn lane_and_places(&mut self, number: u64) -> (Option<&mut Lane>, &mut Places) {
        let lane = self
            .lanes
            .iter_mut()
            .find(|lane| lane.body.number == number);
        (lane, &mut self.places)
    }

    pub(crate) fn body(&self, number: u64) -> Option<Arc<Body>> {
        let mut lanes = self.lanes.iter();
        let lane = lanes.find(|lane| lane.body.number == number)?;
        Some(lane.body.clone())
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<Lane> {
        let index = self
            .lanes
            .iter()
            .position(|lane| lane.body.number == number)?;
        Some(self.lanes.remove(index))
    }
}
