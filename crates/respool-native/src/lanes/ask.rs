use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use redis::{Arg, Cmd, ErrorKind, Pipeline, RedisFuture, RedisResult, Value};
use respool_connect::refused;
use respool_core::{
    CloseReason, CommandError, Deadline, Lane as SharedLane, PoolError, TimeoutKind, Whereabouts,
};
use tokio::runtime::{Handle, Id};

use super::Lanes;
use super::body::{Body, Core};
use super::opening::{Opens, Turn};
use super::places::{Place, Told};
use super::request::{Asked, Request};
use super::traffic::{Patience, Size, Traffic, Way};
use super::unsent::LARGE;
use crate::backend::Native;

/// How long a newcomer waits for a lane to be opened beside those that are held up. Longer, and it
/// may as well wait with their commands.
const BESIDE_WITHIN: Duration = Duration::from_millis(100);

/// After how long without a turn of its driver a lane on another runtime is taken for one that
/// nobody drives.
const FOREIGN_PATIENCE: Duration = Duration::from_millis(5);

/// What somebody asks: a command, or a pipeline.
#[derive(Clone, Copy)]
pub(super) enum Question<'a> {
    Command(&'a Cmd),
    Pipeline(&'a Pipeline),
}

impl Question<'_> {
    pub(super) fn name(self) -> String {
        match self {
            Question::Command(command) => respool_core::command_name(command),
            Question::Pipeline(pipeline) => respool_core::pipeline_name(pipeline),
        }
    }

    /// How many replies will come.
    pub(super) fn replies(self) -> usize {
        match self {
            Question::Command(_) => 1,
            Question::Pipeline(pipeline) if pipeline.is_transaction() => pipeline.len() + 2,
            Question::Pipeline(pipeline) => pipeline.len(),
        }
    }

    /// Its bytes, where they are not to be written under a lock.
    pub(super) fn packed(self) -> Option<Vec<u8>> {
        match self {
            Question::Command(command) => {
                let arguments = command.args_iter().map(|argument| match argument {
                    Arg::Simple(bytes) => bytes.len(),
                    _ => 0,
                });
                let length: usize = arguments.sum();
                (length > LARGE).then(|| command.get_packed_command())
            }
            Question::Pipeline(pipeline) => Some(pipeline.get_packed_pipeline()),
        }
    }
}

/// Where a question went.
pub(super) struct Sent {
    pub(super) number: u64,
    /// Where its reply goes.
    pub(super) place: Place,
    /// Its lane's driver is on another runtime.
    pub(super) is_foreign: bool,
}

impl Lanes {
    /// Appends `question` to what waits to be sent on a lane, and writes it if nobody else would at
    /// once; or says which way it could go. `waker` waits for the reply from then on.
    pub(super) fn send(
        self: &Arc<Self>,
        question: Question<'_>,
        packed: &mut Option<Vec<u8>>,
        waker: Option<&Waker>,
        (here, share): (Id, u32),
        size: Size,
        patience: Patience,
    ) -> Result<Sent, Way> {
        let mut traffic = self.traffic();
        let has_room = || self.shared.has_room_beside();
        let (index, is_foreign) =
            match traffic.choose(here, share, size, || self.most(), patience, has_room) {
                Way::Over(index) => (index, false),
                Way::OverForeign(index) => (index, true),
                way => return Err(way),
            };
        let Traffic { lanes, places, .. } = &mut *traffic;
        let lane = &mut lanes[index];
        let was_quiet = lane.is_quiet();
        let replies = question.replies();
        let is_pipeline = matches!(question, Question::Pipeline(_));
        let place = places.take(waker);
        lane.fresh_until = None;
        match (packed, question) {
            (Some(packed), _) if packed.len() > LARGE => {
                let bytes = std::mem::take(packed);
                lane.unsent.append_large(place, replies, is_pipeline, bytes);
            }
            (Some(packed), _) => lane.unsent.append(place, replies, is_pipeline, |out| {
                out.extend_from_slice(packed);
            }),
            (None, Question::Command(command)) => {
                lane.unsent.append(place, replies, is_pipeline, |out| {
                    command.write_packed_command(out);
                });
            }
            (None, Question::Pipeline(_)) => {}
        }
        let number = lane.body.number;
        let divides = !is_foreign && traffic.is_to_divide(index, here, || self.most(), has_room);
        let lane = &traffic.lanes[index];
        if was_quiet && !is_foreign && lane.body.is_parked.load(Ordering::Acquire) {
            let body = lane.body.clone();
            drop(traffic);
            self.write_now(&body);
        } else if lane.body.must_be_woken() {
            let driver = lane.driver.clone();
            drop(traffic);
            if let Some(driver) = driver {
                driver.wake();
            }
        } else {
            drop(traffic);
        }
        if divides {
            self.divide(here);
        }
        Ok(Sent {
            number,
            place,
            is_foreign,
        })
    }

    /// Writes what waits to be sent on a lane on which nothing is under way. Its driver sees to
    /// whatever does not go at once.
    fn write_now(&self, body: &Arc<Body>) {
        let is_written = match body.try_core().as_deref_mut() {
            Some(Some(core)) => self.write_alone(body, core),
            _ => false,
        };
        if !is_written && body.must_be_woken() {
            let driver = self
                .traffic()
                .lane(body.number)
                .map(|lane| lane.driver.clone());
            if let Some(Some(driver)) = driver {
                driver.wake();
            }
        }
    }

    /// False: it did not all go at once, or must not.
    fn write_alone(&self, body: &Body, core: &mut Core) -> bool {
        if !core.is_quiet() || !matches!(core.look(), Ok(false)) {
            return false;
        }
        match self.traffic().lane(body.number) {
            Some(lane) if !lane.unsent.is_empty() => {
                core.take(&mut lane.unsent, Instant::now());
                body.note(core);
            }
            _ => return true,
        }
        let mut context = Context::from_waker(Waker::noop());
        let flushed = core.poll_flush(&mut context);
        body.note_unwritten(core);
        matches!(flushed, Poll::Ready(Ok(())))
    }

    /// How many turns the driver of a lane had, and how to wake it.
    fn turns(&self, number: u64) -> Option<(u64, Option<Waker>)> {
        let mut traffic = self.traffic();
        let lane = traffic.lane(number)?;
        let turns = lane.body.turns.load(Ordering::Relaxed);
        Some((turns, lane.driver.clone()))
    }
}

impl Native {
    /// Asks, and waits for what becomes of it: nothing after which it has to wait on.
    pub(super) async fn ask(
        &self,
        question: Question<'_>,
        size: Size,
        whereabouts: Whereabouts,
    ) -> RedisResult<(Told, u64)> {
        // Tasks are spawned here, and that may be another runtime than the caller's task is on.
        let here = match Handle::try_current() {
            Ok(here) => here.id(),
            Err(_) => return Err(PoolError::NoRuntime.into()),
        };
        let share = whereabouts.share();
        let mut packed = question.packed();
        let size = match &packed {
            Some(packed) if packed.len() > LARGE => Size::Large,
            _ => size,
        };
        let mut delay: Option<Delay> = None;
        let mut was_moved_on = false;
        let mut crowded = None;
        loop {
            // Whatever changes from here on is noticed.
            let changed = delay.as_ref().map(|_| self.lanes.changed.notified());
            let patience = match &delay {
                Some(delay) if Instant::now() >= delay.beside_until => Patience::Lane,
                _ => Patience::LaneBeside,
            };
            let sent = self
                .lanes
                .send(question, &mut packed, None, (here, share), size, patience);
            if sent.is_ok() {
                crowded = None;
            }
            let way = match sent {
                Ok(sent) => match self.told(&sent).await {
                    Told::NotSent => {
                        packed = question.packed();
                        // It may have been moved on with the others, after a long wait: once.
                        if !std::mem::replace(&mut was_moved_on, true) {
                            delay = Some(Delay::new(self.shared.config.get_timeout));
                        }
                        continue;
                    }
                    told => return Ok((told, sent.number)),
                },
                Err(way) => way,
            };
            let delay = delay.get_or_insert_with(|| Delay::new(self.shared.config.get_timeout));
            let deadline = delay.deadline;
            if deadline.at().is_some_and(|at| at <= Instant::now()) {
                return Err(match way {
                    Way::Full => self.shared.timed_out_in(TimeoutKind::Room, deadline),
                    Way::Open | Way::OpenBeside => {
                        drop(Turn::new(&self.lanes, here));
                        self.shared.timed_out(deadline)
                    }
                    _ => self.shared.timed_out(deadline),
                }
                .into());
            }
            // What a new attempt would only say again is told to all at once.
            if matches!(way, Way::Open | Way::Wait)
                && let Some(error) = self.shared.refusal()
            {
                if matches!(way, Way::Open) {
                    drop(Turn::new(&self.lanes, here));
                }
                return Err(PoolError::from(error).into());
            }
            match (way, changed) {
                (Way::Closed, _) => return Err(PoolError::Closed.into()),
                (Way::Adopt(number), _) => self.lanes.adopt(number),
                (Way::Open, _) => self.open_lane(here, Opens::First, deadline).await?,
                (Way::OpenBeside, _) => {
                    let within = Deadline::after(Some(BESIDE_WITHIN));
                    if self.open_lane(here, Opens::Beside, within).await.is_err() {
                        // Whatever the reason, a lane that is held up is better than none.
                        delay.beside_until = Instant::now();
                    }
                }
                (Way::WaitBeside, Some(changed)) => {
                    // When that takes too long, the next choice is another.
                    let _ = tokio::time::timeout_at(delay.beside_until.into(), changed).await;
                }
                (Way::Wait, Some(changed)) => {
                    let waited = deadline.limit(changed).await;
                    waited.ok_or_else(|| self.shared.timed_out(deadline))?;
                }
                // There may have been room before it was known that somebody waits for it.
                (Way::Full, _) if crowded.is_none() => crowded = Some(Crowded::new(&self.lanes)),
                (Way::Full, Some(changed)) => {
                    let waited = deadline.limit(changed).await;
                    let late = || self.shared.timed_out_in(TimeoutKind::Room, deadline);
                    waited.ok_or_else(late)?;
                }
                _ => {}
            }
        }
    }

    /// Waits for what becomes of what was asked: never [`Told::Orphaned`] or [`Told::Moved`].
    pub(super) async fn told(&self, sent: &Sent) -> Told {
        let mut asked = Asked::new(&self.lanes, sent.number, sent.place);
        if !sent.is_foreign {
            match (&mut asked).await {
                Told::Moved => {}
                told => return told,
            }
        }
        self.told_abroad(asked).await
    }

    /// The same where the lane's driver is on another runtime, which nobody may drive.
    pub(super) async fn told_abroad(&self, mut asked: Asked<'_>) -> Told {
        let mut turns = None;
        loop {
            match tokio::time::timeout(FOREIGN_PATIENCE, &mut asked).await {
                Ok(Told::Moved) => continue,
                Ok(told) => return told,
                Err(_) => {}
            }
            let Some((now, driver)) = self.lanes.turns(asked.number()) else {
                continue;
            };
            if turns == Some(now) {
                self.lanes.adopt(asked.number());
            } else if let Some(driver) = driver {
                driver.wake();
            }
            turns = Some(now);
        }
    }

    async fn request_pipeline(
        &self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
        here: &mut Whereabouts,
    ) -> RedisResult<Vec<Value>> {
        if pipeline.is_empty() {
            return Err((ErrorKind::Client, "empty command").into());
        }
        let question = Question::Pipeline(pipeline);
        here.find().await?;
        let (mut replies, number) = match self.ask(question, Size::Small, *here).await? {
            (Told::Replies(replies), number) => (replies, number),
            (told, _) => return Err(self.failure(question, told)),
        };
        if respool_core::replies_say_unfit(pipeline, &replies) {
            self.lanes.leave(number, CloseReason::NodeUnfit);
        }
        let rest = replies.split_off(offset.min(replies.len()));
        let refusals = replies.into_iter().enumerate();
        let refusals = refusals.filter(|(_, reply)| matches!(reply, Value::ServerError(_)));
        if pipeline.is_transaction()
            && let Some(error) = refused(refusals)
        {
            return Err(error);
        }
        Ok(rest.into_iter().take(count).collect())
    }

    /// What a caller hears of what got no reply.
    pub(super) fn failure(&self, question: Question<'_>, told: Told) -> redis::RedisError {
        match (told, self.shared.config.response_timeout) {
            (Told::NoReply, Some(limit)) => CommandError::no_reply(question.name(), limit).into(),
            (Told::Lost(cause), _) => CommandError::lost(question.name(), cause).into(),
            _ => PoolError::Closed.into(),
        }
    }
}

impl SharedLane for Native {
    fn request<'a>(
        &'a self,
        command: &'a Cmd,
        here: &'a mut Whereabouts,
    ) -> RedisFuture<'a, Value> {
        Box::pin(Request::new(self, command, here))
    }

    fn request_pipeline<'a>(
        &'a self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
        here: &'a mut Whereabouts,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(Native::request_pipeline(
            self, pipeline, offset, count, here,
        ))
    }
}

/// A question that can't be sent at once.
struct Delay {
    deadline: Deadline,
    /// Until when a lane beside another is worth waiting for.
    beside_until: Instant,
}

impl Delay {
    fn new(limit: Option<Duration>) -> Self {
        Delay {
            deadline: Deadline::after(limit),
            beside_until: Instant::now() + BESIDE_WITHIN,
        }
    }
}

/// Somebody who waits for room on a lane.
struct Crowded<'a>(&'a Lanes);

impl<'a> Crowded<'a> {
    fn new(lanes: &'a Lanes) -> Self {
        lanes.crowded.fetch_add(1, Ordering::SeqCst);
        // Either he sees the room that a driver makes, or the driver sees him.
        fence(Ordering::SeqCst);
        Crowded(lanes)
    }
}

impl Drop for Crowded<'_> {
    fn drop(&mut self) {
        self.0.crowded.fetch_sub(1, Ordering::Relaxed);
    }
}
