use std::time::{Duration, Instant};

use respool_core::CloseReason;
use tokio::runtime::Id;

use super::traffic::{Lane, Traffic};

/// From how many commands on that are under way on its only lane a runtime is to have two.
const MUCH_FOR_ONE: usize = 8;

/// How long nobody tries again after a second lane could not be opened.
const PAUSE: Duration = Duration::from_secs(5);

/// A runtime's own lanes, one or two, and who uses which.
impl Traffic {
    /// The one of a runtime's own lanes that is for callers with that share, or the other where that is
    /// held up; one that stands beside them only where there are none.
    #[inline]
    pub(super) fn own(&self, here: Id, share: u32) -> Option<usize> {
        let mine = self.lanes.iter().enumerate();
        let mut mine = mine.filter(|(_, lane)| lane.is_open_to(here));
        let mut own = mine.clone().filter(|(_, lane)| !lane.is_beside);
        let Some(first) = own.next() else {
            let (beside, lane) = mine.next()?;
            return (!lane.is_held_up()).then_some(beside);
        };
        let (mine, other) = match (own.next(), share % 2) {
            (Some(second), 0) => (first, Some(second)),
            (Some(second), _) => (second, Some(first)),
            (None, _) => (first, None),
        };
        let mut both = [Some(mine), other].into_iter().flatten();
        Some(both.find(|(_, lane)| !lane.is_held_up())?.0)
    }

    /// Whether runtime `here` is to have a second lane because of what is under way on the one at `index`.
    /// Whoever is told so has the turn to open it.
    #[inline]
    pub(super) fn is_to_divide(
        &mut self,
        index: usize,
        here: Id,
        most: impl FnOnce() -> usize,
        has_room: impl FnOnce() -> bool,
    ) -> bool {
        let lane = &mut self.lanes[index];
        if !lane.may_divide || lane.load() < MUCH_FOR_ONE {
            return false;
        }
        // The lane's driver allows for another look.
        lane.may_divide = false;
        let is_to = !self.has_two(here)
            && !self.is_opening(here)
            && (self.divides_from).is_none_or(|from| from <= Instant::now())
            && self.count_own() + self.opening.len() < most()
            && has_room();
        if is_to {
            self.opening.push(here);
        }
        is_to
    }

    /// A second lane could not be opened.
    pub(super) fn failed_to_divide(&mut self) {
        self.divides_from = Some(Instant::now() + PAUSE);
    }

    /// Whether there is a place for a lane that was opened for runtime `here`. Things may have changed
    /// since then: `has_line`, if somebody waits for a connection.
    pub(super) fn has_place(&self, here: Id, is_beside: bool, most: usize, has_line: bool) -> bool {
        let mine = |lane: &Lane| lane.is_open_to(here) && !lane.is_beside;
        match (is_beside, self.first(mine)) {
            (true, _) => !has_line,
            (false, Some(_)) => !has_line && self.count_own() < most,
            (false, None) => self.count_firsts() < most,
        }
    }

    fn has_two(&self, here: Id) -> bool {
        let own = |lane: &&Lane| lane.home == Some(here) && !lane.is_beside;
        self.lanes.iter().filter(own).count() > 1
    }

    /// How many lanes there are for newcomers that don't stand beside others.
    fn count_own(&self) -> usize {
        self.lanes.iter().filter(|lane| is_own(lane)).count()
    }

    /// How many runtimes have such a lane.
    pub(super) fn count_firsts(&self) -> usize {
        let is_first = |lane: &&Lane| is_own(lane) && !self.is_second(lane);
        self.lanes.iter().filter(is_first).count()
    }

    /// Whether its runtime has one for newcomers before it.
    pub(super) fn is_second(&self, lane: &Lane) -> bool {
        let is_other = |it: &&Lane| it.body.number != lane.body.number;
        let mut before = self.lanes.iter().take_while(is_other);
        lane.home.is_some() && before.any(|it| it.home == lane.home && is_own(it))
    }

    /// Second lanes go where there would be more than `most` with those that are being opened.
    pub(super) fn keep_seconds_to(&mut self, most: usize) {
        let is_second = |index: &usize| {
            let lane = &self.lanes[*index];
            is_own(lane) && self.is_second(lane)
        };
        let mut seconds: Vec<_> = (0..self.lanes.len()).filter(is_second).collect();
        while self.count_own() + self.opening.len() > most
            && let Some(index) = seconds.pop()
        {
            self.lanes[index].leave(CloseReason::MadeRoom);
        }
    }

    /// Lanes go where there are more than `max_size`: those beside others before those that runtimes have
    /// of their own, the newest first. One is left.
    pub(super) fn keep_to(&mut self, max_size: usize) {
        let (own, beside): (Vec<_>, Vec<_>) = (0..self.lanes.len())
            .filter(|index| self.lanes[*index].leaves.is_none())
            .partition(|index| !self.lanes[*index].is_beside);
        let mut all = [own, beside].concat();
        while all.len() > max_size.max(1)
            && let Some(index) = all.pop()
        {
            self.lanes[index].leave(CloseReason::MadeRoom);
        }
    }
}

fn is_own(lane: &Lane) -> bool {
    !lane.is_beside && lane.leaves.is_none()
}
