use std::sync::Arc;

use tokio::runtime::Id;

use crate::shared_connection::SharedConnection;

/// Which shared connections are open, and which of them a newcomer's command goes over.
///
/// A runtime has one lane of its own. While a large reply travels on that one, newcomers go over
/// another that was opened beside it (SHR-3); afterwards over the first again, so that the other
/// comes to rest and can be given up.
#[derive(Default)]
pub(crate) struct LaneSet {
    /// In the order in which they were opened: the first of a runtime is its own, the others stand
    /// beside it.
    open: Vec<Arc<SharedConnection>>,
    /// Runtimes on which a connection is being opened: one attempt at a time on each.
    opening: Vec<Id>,
    pub(crate) is_closed: bool,
}

impl LaneSet {
    /// The lane of runtime `here` on which nothing holds up a newcomer. Where `may_go_beside` says
    /// no, only its own counts.
    pub(crate) fn free(
        &self,
        here: Id,
        may_go_beside: impl Fn() -> bool,
    ) -> Option<&Arc<SharedConnection>> {
        let mut lanes = self.of(here);
        let own = lanes.next()?;
        if !own.is_receiving_large_reply() {
            return Some(own);
        }
        lanes.find(|lane| !lane.is_receiving_large_reply() && may_go_beside())
    }

    /// The lane of runtime `here` that has the fewest commands under way.
    pub(crate) fn least_busy(
        &self,
        here: Id,
        may_go_beside: bool,
    ) -> Option<&Arc<SharedConnection>> {
        let most = if may_go_beside { usize::MAX } else { 1 };
        let lanes = self.of(here).take(most);
        lanes.min_by_key(|lane| lane.in_flight())
    }

    /// A lane of another runtime, if as many as `most` runtimes have one: one on which nothing holds up a
    /// newcomer, if there is one.
    pub(crate) fn any_of(&self, most: usize) -> Option<&Arc<SharedConnection>> {
        let is_own = |lane: &&Arc<SharedConnection>| {
            let own = self.of(lane.home).next();
            own.is_some_and(|own| Arc::ptr_eq(own, lane))
        };
        match self.open.iter().filter(is_own).count() {
            runtimes if runtimes >= most => {
                let mut open = self.open.iter();
                let free = open.find(|lane| !lane.is_receiving_large_reply());
                free.or(self.open.first())
            }
            _ => None,
        }
    }

    fn of(&self, home: Id) -> impl Iterator<Item = &Arc<SharedConnection>> {
        self.open.iter().filter(move |lane| lane.home == home)
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn newest(&self) -> Option<&Arc<SharedConnection>> {
        self.open.last()
    }

    /// All of them, those first that can best be done without.
    pub(crate) fn newest_first(&self) -> Vec<Arc<SharedConnection>> {
        self.open.iter().rev().cloned().collect()
    }

    pub(crate) fn add(&mut self, lane: Arc<SharedConnection>) {
        self.open.push(lane);
    }

    pub(crate) fn forget(&mut self, lane: &Arc<SharedConnection>) {
        self.open.retain(|open| !Arc::ptr_eq(open, lane));
    }

    pub(crate) fn forget_all(&mut self) -> Vec<Arc<SharedConnection>> {
        std::mem::take(&mut self.open)
    }

    pub(crate) fn is_opening(&self, home: Id) -> bool {
        self.opening.contains(&home)
    }

    pub(crate) fn begin_opening(&mut self, home: Id) {
        self.opening.push(home);
    }

    pub(crate) fn end_opening(&mut self, home: Id) {
        self.opening.retain(|opening| *opening != home);
    }
}
