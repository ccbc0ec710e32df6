use std::sync::Arc;
use std::time::Instant;

use respool_core::{ConnectError, PoolError};
use tokio::runtime::Id;
use tokio::task::AbortHandle;

use crate::queue::{Place, Queue};

/// Who holds what and who waits, under one lock: idle connections, the queue, and what is being
/// opened. Nothing waits, calls out or drops a connection under that lock.
///
/// Nobody waits while a connection is idle. Generic over the connection, so that hand-off can be put
/// to the test without sockets.
pub(crate) struct Slots<T> {
    /// The last to come back is the first to go out: the warm end stays warm.
    pub(crate) idle: Vec<T>,
    pub(crate) queue: Queue<T>,
    pub(crate) max_size: usize,
    /// Connections that exist, idle or lent.
    pub(crate) open: usize,
    /// Tasks that dial, by the runtime that they run on.
    dialling: Vec<(Id, usize)>,
    /// The runtimes of holders whose connections are being replaced, in the slots that they have.
    pub(crate) renewals: Vec<Id>,
    /// Tasks that tell those who wait when their time is up, one a runtime, and when each is due.
    timekeepers: Vec<(Id, Instant)>,
    pub(crate) tasks: Vec<AbortHandle>,
    pub(crate) failures: u32,
    pub(crate) retry_at: Option<Instant>,
    pub(crate) last_error: Option<ConnectError>,
    pub(crate) closed: bool,
}

/// Whether those who wait are told when their time is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timekeeper {
    Knows,
    /// It would come too late for this one.
    IsToHurry,
    /// There is none on this runtime.
    IsToCome,
}

/// What becomes of a connection that came back.
pub(crate) enum Returned<T> {
    /// It is idle now.
    Kept,
    /// The first in line is to have it, once the lock is released. If he has left, it comes back by
    /// [`take_back_again`](Slots::take_back_again).
    For(Arc<Place<T>>, T),
    /// It is not wanted: the pool was closed.
    Closed(T),
    /// It is not wanted: the pool was made smaller.
    Surplus(T),
}

/// What came of joining the line.
pub(crate) enum Joined<T> {
    Line,
    /// One was idle.
    Served(T),
    Closed,
}

impl<T> Slots<T> {
    pub(crate) fn new(max_size: usize) -> Self {
        Slots {
            idle: Vec::with_capacity(max_size.min(1_024)),
            queue: Queue::new(),
            max_size,
            open: 0,
            dialling: Vec::new(),
            renewals: Vec::new(),
            timekeepers: Vec::new(),
            tasks: Vec::new(),
            failures: 0,
            retry_at: None,
            last_error: None,
            closed: false,
        }
    }

    /// Takes back a connection that is fit.
    #[inline]
    pub(crate) fn take_back(&mut self, connection: T) -> Returned<T> {
        if self.closed {
            return Returned::Closed(connection);
        }
        if self.open > self.max_size {
            return Returned::Surplus(connection);
        }
        match self.queue.next() {
            Some(first) => Returned::For(first, connection),
            None => {
                self.idle.push(connection);
                Returned::Kept
            }
        }
    }

    /// The same after the first in line turned out to have left.
    pub(crate) fn take_back_again(&mut self, connection: T) -> Returned<T> {
        self.queue.passed_over();
        self.take_back(connection)
    }

    /// A connection that was opened counts from now on.
    pub(crate) fn opened(&mut self) {
        self.open += 1;
        self.forget_failures();
    }

    /// The server has taken a connection. Says whether the last attempt had failed.
    pub(crate) fn forget_failures(&mut self) -> bool {
        let had_failed = self.failures > 0;
        self.failures = 0;
        self.retry_at = None;
        self.last_error = None;
        had_failed
    }

    /// Joins the line, unless there is something to be had at once.
    pub(crate) fn join(&mut self, place: &Arc<Place<T>>, at_head: bool) -> Joined<T> {
        if self.closed {
            return Joined::Closed;
        }
        match self.idle.pop() {
            Some(connection) => Joined::Served(connection),
            None => {
                self.queue.join(place.clone(), at_head);
                Joined::Line
            }
        }
    }

    /// What has to be done so that somebody on `home` is told when `deadline` has passed.
    pub(crate) fn needs_timekeeper(&mut self, home: Id, deadline: Instant) -> Timekeeper {
        match self.timekeepers.iter_mut().find(|(id, _)| *id == home) {
            Some((_, due)) if *due <= deadline => Timekeeper::Knows,
            Some((_, due)) => {
                *due = deadline;
                Timekeeper::IsToHurry
            }
            None => {
                self.timekeepers.push((home, deadline));
                Timekeeper::IsToCome
            }
        }
    }

    /// Whether there is one on `home`.
    pub(crate) fn has_timekeeper(&self, home: Id) -> bool {
        self.timekeepers.iter().any(|(id, _)| *id == home)
    }

    /// The timekeeper of `home` is due at that time, or gone.
    pub(crate) fn set_timekeeper(&mut self, home: Id, due: Option<Instant>) {
        self.timekeepers.retain(|(id, _)| *id != home);
        self.timekeepers.extend(due.map(|due| (home, due)));
    }

    /// Whether one more connection may be opened.
    pub(crate) fn has_room(&self) -> bool {
        !self.closed && self.open + self.dialling_in_all() < self.max_size
    }

    /// Counts, as dialling already, one more task on `home` if those who wait need it: one for each
    /// of them, after a failure one for all.
    ///
    /// Each runtime dials for its own callers: one that nobody drives holds up nobody else (LIFE-5).
    pub(crate) fn needs_one_more(&mut self, home: Id) -> bool {
        let needed = self.wants_one_more(home, 0);
        if needed {
            self.began_to_dial(home);
        }
        needed
    }

    /// Whether that would be so with `newcomers` more in line.
    pub(crate) fn wants_one_more(&self, home: Id, newcomers: usize) -> bool {
        if !self.has_room() {
            return false;
        }
        let waiting = self.queue.len() + newcomers;
        let wanted = match self.failures {
            0 => waiting,
            _ => waiting.min(1),
        };
        self.dialling(home) < wanted
    }

    pub(crate) fn began_to_dial(&mut self, home: Id) {
        match self.dialling.iter_mut().find(|(id, _)| *id == home) {
            Some((_, count)) => *count += 1,
            None => self.dialling.push((home, 1)),
        }
    }

    pub(crate) fn ended_to_dial(&mut self, home: Id) {
        if let Some(index) = self.dialling.iter().position(|(id, _)| *id == home) {
            self.dialling[index].1 -= 1;
            if self.dialling[index].1 == 0 {
                self.dialling.swap_remove(index);
            }
        }
    }

    pub(crate) fn dialling(&self, home: Id) -> usize {
        let found = self.dialling.iter().find(|(id, _)| *id == home);
        found.map_or(0, |(_, count)| *count)
    }

    pub(crate) fn dialling_in_all(&self) -> usize {
        self.dialling.iter().map(|(_, count)| count).sum()
    }

    /// Counts one more holder on runtime `home` whose connection is being replaced, or says why it is not.
    pub(crate) fn begin_to_renew(&mut self, home: Id) -> Result<(), PoolError> {
        self.may_renew(home)?;
        self.renewals.push(home);
        Ok(())
    }

    /// After a failure a runtime replaces one at a time, when the pause is over and it doesn't dial for those
    /// who wait. The others don't wait for the outcome: whoever tries may be polled by nobody.
    pub(crate) fn may_renew(&self, home: Id) -> Result<(), PoolError> {
        if self.closed {
            return Err(PoolError::Closed);
        }
        let is_too_early = self.retry_at.is_some_and(|at| Instant::now() < at);
        match &self.last_error {
            Some(error) if is_too_early || self.renewals.contains(&home) || self.dials(home) => {
                Err(error.clone().into())
            }
            _ => Ok(()),
        }
    }

    /// One that was begun on runtime `home` has ended.
    pub(crate) fn renewed(&mut self, home: Id) {
        if let Some(index) = self.renewals.iter().position(|renewal| *renewal == home) {
            self.renewals.swap_remove(index);
        }
    }

    fn dials(&self, home: Id) -> bool {
        let mut dialling = self.dialling.iter();
        dialling.any(|(runtime, count)| *runtime == home && *count > 0)
    }

    /// What a new attempt would only say again, for now.
    pub(crate) fn refusal(&self) -> Option<ConnectError> {
        let error = self.last_error.as_ref()?;
        let again = error.is_permanent() && Instant::now() < self.retry_at?;
        again.then(|| error.clone())
    }
}

pub(crate) mod lasting;
#[cfg(test)]
mod models;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn after_a_failure_a_runtime_renews_one_at_a_time_once_the_pause_is_over() {
        let [here, elsewhere] = [(); 2].map(|()| {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            runtime.unwrap().handle().id()
        });
        let mut slots = Slots::<u32>::new(4);
        assert!(slots.begin_to_renew(here).is_ok());
        assert!(slots.begin_to_renew(here).is_ok());

        slots.renewed(here);
        slots.renewed(here);
        assert!(slots.renewals.is_empty());
        slots.failures = 1;
        slots.last_error = Some(ConnectError::timed_out("a server", Duration::ZERO));
        slots.retry_at = Some(Instant::now() + Duration::from_secs(600));
        assert!(slots.begin_to_renew(here).is_err());
        slots.retry_at = Some(Instant::now());
        assert!(slots.begin_to_renew(here).is_ok());
        assert!(slots.begin_to_renew(here).is_err());
        // Its runtime may not be driven.
        assert!(slots.begin_to_renew(elsewhere).is_ok());

        assert!(slots.forget_failures());
        assert!(slots.begin_to_renew(here).is_ok());
        slots.closed = true;
        assert!(slots.begin_to_renew(here).is_err());
    }
}
