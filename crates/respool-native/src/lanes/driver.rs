use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use respool_core::CloseReason;
use tokio::time::Sleep;

use super::body::{Body, Core, REST};
use super::end::Ending;
use super::places::News;
use super::{Lanes, Next};

/// The task that reads what comes for a lane, and writes what its callers didn't write themselves.
///
/// It gives way once between replies and the next write: those whom it woke ask again in that time,
/// and what they ask goes out in one piece.
pub(crate) struct Driver {
    lanes: Arc<Lanes>,
    body: Arc<Body>,
    epoch: u32,
    alarm: Pin<Box<Sleep>>,
    due: Instant,
    gave_way: bool,
    is_armed: bool,
    /// Whether it is time to see if somebody waits for a connection.
    is_to_look: bool,
    news: News,
    woken: Vec<Waker>,
}

enum Turn {
    /// There is nothing to do until the socket or somebody wakes it.
    Parked,
    /// It gives way.
    GaveWay,
    /// Another drives, or there is nothing left to drive.
    Over,
    /// The lane ends.
    Ends(Ending),
}

impl Driver {
    /// For one that is spawned at once.
    pub(crate) fn new(lanes: Arc<Lanes>, body: Arc<Body>, epoch: u32) -> Self {
        let due = Instant::now() + lanes.period();
        Driver {
            lanes,
            body,
            epoch,
            alarm: Box::pin(tokio::time::sleep_until(due.into())),
            due,
            gave_way: false,
            is_armed: false,
            is_to_look: false,
            news: News::default(),
            woken: Vec::new(),
        }
    }

    fn turn(&mut self, core: &mut Core, context: &mut Context<'_>) -> Turn {
        if core.epoch != self.epoch {
            return Turn::Over;
        }
        self.body.is_parked.store(false, Ordering::Release);
        let now = Instant::now();
        // What those ask whom it woke goes out before more is read, where it is much beside what the
        // server has left to do: it is not to wait for the last of a long row.
        if self.gave_way
            && !core.is_quiet()
            && core.outgoing.is_empty()
            && self.lanes.take_much(&self.body, core, now)
        {
            // Whatever becomes of it shows below.
            let _ = core.poll_flush(context);
            self.body.note_unwritten(core);
        }
        loop {
            let replies = self.read(core, now, context);
            self.body.note(core);
            let is_receiving_large = core.connection.wire().is_receiving_large();
            self.body
                .is_receiving_large
                .store(is_receiving_large, Ordering::Relaxed);
            if core.connection.wire().loss().is_some() {
                return Turn::Ends(Ending::Lost);
            }
            if replies > 0 {
                self.gave_way = false;
                self.lanes.tell_of_room();
            }
            if !self.gave_way {
                self.gave_way = true;
                // There may be replies in every turn.
                if now >= self.due {
                    self.look_around(core, now);
                    self.due = now + self.lanes.period();
                    self.is_armed = false;
                }
                return Turn::GaveWay;
            }
            if core.outgoing.is_empty() {
                match core.look() {
                    Ok(false) => {}
                    Ok(true) => continue,
                    Err(_) => return Turn::Ends(Ending::Lost),
                }
                match self
                    .lanes
                    .take_or_park(&self.body, core, now, context.waker())
                {
                    Next::Write => {}
                    Next::Wait => break,
                    Next::End => return Turn::Ends(Ending::Rests),
                }
            }
            let flushed = core.poll_flush(context);
            self.body.note_unwritten(core);
            match flushed {
                Poll::Ready(Ok(())) => {}
                // What the server said before it closed the connection may be worth hearing.
                Poll::Ready(Err(_)) => {
                    self.read(core, now, context);
                    return Turn::Ends(Ending::Lost);
                }
                // Callers needn't wake it: room to write does.
                Poll::Pending => break,
            }
        }
        self.gave_way = false;
        self.keep_time(core, now, context)
    }

    /// Reads what has come and tells whoever asked for it; says how many replies there were.
    fn read(&mut self, core: &mut Core, now: Instant, context: &mut Context<'_>) -> usize {
        let replies = core.read(now, context, &mut self.news);
        if !self.news.is_empty() {
            let mut traffic = self.lanes.traffic();
            // Before anybody is told: its connection must not go to another in between (LIFE-7).
            if std::mem::take(&mut self.news.say_unfit)
                && let Some(lane) = traffic.lane(self.body.number)
            {
                lane.leave(CloseReason::NodeUnfit);
            }
            traffic.places.tell_all(&mut self.news, &mut self.woken);
        }
        replies
    }

    /// What time brings: a reply that is overdue, or a lane that has nothing to do.
    fn keep_time(&mut self, core: &mut Core, now: Instant, context: &mut Context<'_>) -> Turn {
        if now < self.due && self.is_armed {
            return Turn::Parked;
        }
        let overdue = self.lanes.overdue(core.waits_since());
        if overdue.is_some_and(|overdue| overdue <= now) {
            return Turn::Ends(Ending::TimedOut);
        }
        self.look_around(core, now);
        let rests = core.quiet_since + REST <= now || core.connection.is_too_old(now);
        if core.is_quiet() && rests {
            return Turn::Ends(Ending::Rests);
        }
        let period = now + self.lanes.period();
        self.due = overdue.map_or(period, |overdue| overdue.min(period));
        self.alarm.as_mut().reset(self.due.into());
        self.is_armed = true;
        match self.alarm.as_mut().poll(context) {
            Poll::Pending => Turn::Parked,
            Poll::Ready(()) => Turn::GaveWay,
        }
    }

    /// What is to be seen to now and then, whatever goes on.
    fn look_around(&mut self, core: &Core, now: Instant) {
        // Newcomers go elsewhere, and it ends when nothing is under way.
        if core.connection.is_too_old(now) {
            self.lanes.retire(&self.body);
        }
        self.lanes.allow_to_divide(&self.body);
        self.is_to_look = true;
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let body = this.body.clone();
        body.turns.fetch_add(1, Ordering::Relaxed);
        let turn = match &mut *body.core() {
            Some(core) => this.turn(core, context),
            None => Turn::Over,
        };
        for waker in this.woken.drain(..) {
            waker.wake();
        }
        // Whoever began to wait while this lane was being opened, or was fresh, has asked in vain.
        if std::mem::take(&mut this.is_to_look) && this.lanes.shared.has_line() {
            this.lanes.make_room();
        }
        match turn {
            Turn::Parked => Poll::Pending,
            Turn::GaveWay => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Turn::Over => Poll::Ready(()),
            Turn::Ends(ending) => match this.lanes.end(&body, Some(this.epoch), ending) {
                true => Poll::Ready(()),
                // Somebody came meanwhile.
                false => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
            },
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.lanes.orphan(&self.body, self.epoch);
    }
}

impl Lanes {
    /// When what was sent at `since` must have been answered.
    fn overdue(&self, since: Option<Instant>) -> Option<Instant> {
        since?.checked_add(self.shared.config.response_timeout?)
    }

    /// Its connection is too old for newcomers.
    fn retire(&self, body: &Body) {
        if let Some(lane) = self.traffic().lane(body.number) {
            lane.leave(CloseReason::Expired);
        }
    }

    /// If it is still too much for one lane, that is to be seen anew.
    fn allow_to_divide(&self, body: &Body) {
        if let Some(lane) = self.traffic().lane(body.number) {
            lane.may_divide = self.overlaps && !lane.is_beside;
        }
    }

    /// How far ahead a driver's alarm is set at most, so that it is never late for what begins
    /// while it is parked.
    fn period(&self) -> Duration {
        let limit = self.shared.config.response_timeout;
        limit.map_or(REST, |limit| limit.min(REST))
    }
}
