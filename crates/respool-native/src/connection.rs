use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, Value};
use respool_connect::{Glance, Look, Owed, Parting, Place, Socket, refused};
use respool_core::{Begun, CloseReason, Connection, Detached, PoolError};

use crate::clock::Tick;
use crate::shared::Shared;
use crate::slots::lasting::Lock;
use crate::wire::{Due, DueToMany, Wire};

/// How much of owed replies is read to keep a connection: more, and a new one is cheaper.
const MOST_TO_DISCARD: u64 = 1 << 20;

/// A connection of the native engine, in the box that it keeps from its opening to its end.
pub(crate) struct NativeConnection {
    wire: Wire,
    shared: Arc<Shared>,
    /// The lock of its slots, at hand for when it is given back.
    lock: &'static Lock,
    owed: Owed,
    database: i64,
    /// `None` once it was detached.
    place: Option<Place>,
    condemned: bool,
    /// When the server had answered the handshake.
    greeted_at: Instant,
    /// When it was last lent, or opened.
    lent_at: Tick,
    /// Its holder has sent nothing yet.
    is_unused: bool,
    /// It has a slot in the pool.
    counts: bool,
}

impl NativeConnection {
    pub(crate) fn new(wire: Wire, shared: Arc<Shared>, place: Place) -> Self {
        NativeConnection {
            greeted_at: wire.heard(),
            wire,
            owed: Owed::nothing(&shared.config),
            database: shared.config.endpoint.database(),
            lock: shared.lock(),
            shared,
            place: Some(place),
            condemned: false,
            lent_at: Tick::now(),
            is_unused: true,
            counts: true,
        }
    }

    /// Whether it was lent a moment ago already, seen from `now`, and is owed nothing: it can be handed out
    /// as it is, if the pool has no need of a [finer clock](Shared::needs_fine_clock).
    /// Costs no system call: what has happened to its socket in that moment shows before the first
    /// request, which then goes to a [new one](Self::renew).
    #[inline]
    pub(crate) fn is_warm(&mut self, now: Tick) -> bool {
        self.is_unused = true;
        self.lent_at == now && !self.wire.is_owed() && !self.wire.is_lost()
    }

    /// It is handed out, and was not [warm](Self::is_warm).
    pub(crate) fn lend(&mut self) {
        self.lent_at = Tick::now();
        self.is_unused = true;
    }

    /// Whether it may be handed out. Costs a system call, and where it is owed replies those that read
    /// what has come of them.
    pub(crate) fn glance(&mut self) -> Glance {
        if self.condemned || self.wire.is_lost() {
            return Glance::Unfit(CloseReason::Broken);
        }
        let age = self
            .place
            .as_ref()
            .map_or(Glance::Fit, |place| place.glance_since(self.idle_since()));
        if age == Glance::Unfit(CloseReason::Expired) {
            return age;
        }
        match self.wire.socket().look() {
            Look::Ended => Glance::Unfit(CloseReason::Broken),
            // Bytes that nobody is owed would be taken for the next request's reply (CMD-6).
            Look::Unread if !self.wire.is_owed() => Glance::Unfit(CloseReason::Broken),
            Look::Unread if self.wire.discard_what_is_there(MOST_TO_DISCARD) => {
                self.owed.settled();
                self.wire.settled();
                age
            }
            _ if self.wire.is_lost() => Glance::Unfit(CloseReason::Broken),
            look if self.wire.is_owed() => {
                let owed = self.owed.glance(look == Look::Unread);
                age.and(owed).and(Glance::Unsettled)
            }
            _ => age,
        }
    }

    pub(crate) fn socket(&self) -> &Arc<Socket> {
        self.wire.socket()
    }

    /// For a lane, which reads and writes by itself.
    pub(crate) fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// How many replies the server owes.
    pub(crate) fn owed(&self) -> u64 {
        self.wire.owed()
    }

    /// Whether its lifetime has run out.
    pub(crate) fn is_too_old(&self, now: Instant) -> bool {
        let expires_at = self.place.as_ref().and_then(Place::expires_at);
        expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// When its time is up, if nobody uses it before.
    pub(crate) fn ends_at(&self) -> Option<Instant> {
        self.place.as_ref()?.ends_at(self.idle_since())
    }

    /// Since when nobody has used it.
    fn idle_since(&self) -> Instant {
        self.lent_at.instant().max(self.wire.heard())
    }

    /// Discards the replies that are owed, and makes sure that the server answers. False: it is not
    /// to be used any more. Bounded in bytes and time; dropping it leaves it to be settled later.
    pub(crate) async fn settle(&mut self) -> bool {
        self.note_settled();
        let limit = self.owed.settle_within();
        self.owed.owe();
        self.wire.settled();
        let settled = tokio::time::timeout(limit, self.discard_or_ping()).await;
        let settled = matches!(settled, Ok(Ok(true)));
        if settled {
            self.owed.settled();
        }
        settled
    }

    async fn discard_or_ping(&mut self) -> RedisResult<bool> {
        if !self.wire.is_owed() {
            self.wire.prepare()?;
            self.wire.send_packed(b"*1\r\n$4\r\nPING\r\n", 1);
        } else {
            self.wire.move_here()?;
        }
        while self.wire.is_owed() {
            let wire = &mut self.wire;
            let mut next = Due { before: 0 };
            let mut reply = pin!(poll_fn(|context| {
                match wire.poll_due(&mut next, context) {
                    Poll::Pending if wire.burden() > MOST_TO_DISCARD => Poll::Ready(None),
                    outcome => outcome.map(Some),
                }
            }));
            match reply.as_mut().await {
                Some(reply) => drop(reply?),
                None => return Ok(false),
            }
        }
        Ok(self.wire.burden() <= MOST_TO_DISCARD)
    }

    async fn request(&mut self, command: &Cmd) -> RedisResult<Value> {
        if is_empty(command) {
            return Err((redis::ErrorKind::Client, "empty command").into());
        }
        self.prepare().await?;
        let mut begun = self.start(command);
        poll_fn(|context| self.poll_begun(&mut begun, context)).await
    }

    /// Puts `command` into the buffer, to be written by whoever polls for its reply.
    fn start(&mut self, command: &Cmd) -> Begun {
        self.note_settled();
        let due = self.wire.send(command);
        Begun {
            is_answered: due.is_some() && !command.is_no_response(),
            ahead: due.map_or(0, |due| due.before),
        }
    }

    /// What was owed has come with the replies to later requests: what will be owed is a debt of its own
    /// (LIFE-8).
    #[inline]
    fn note_settled(&mut self) {
        if self.owed.is_any() && !self.wire.is_owed() {
            self.owed.settled();
        }
    }

    /// Before each request. A connection that has ended since it was handed out, and before anything
    /// was sent, costs its holder nothing but time.
    async fn prepare(&mut self) -> RedisResult<()> {
        let is_unused = std::mem::replace(&mut self.is_unused, false);
        match self.wire.prepare() {
            Err(_) if is_unused && self.may_be_renewed() => Box::pin(self.renew()).await,
            outcome => outcome,
        }
    }

    /// Where the pool was closed, its holder hears that then.
    fn may_be_renewed(&self) -> bool {
        self.counts && !self.condemned
    }

    /// Opens another in its place, in the same slot. Dropping the future leaves it lost.
    #[cold]
    async fn renew(&mut self) -> RedisResult<()> {
        self.part();
        let (wire, place) = self.shared.renew().await?;
        self.greeted_at = wire.heard();
        self.wire = wire;
        self.place = Some(place);
        self.owed.settled();
        self.wire.prepare()
    }

    /// Whether it is owed replies, and not merely to be asked whether it is well.
    pub(crate) fn is_owed(&self) -> bool {
        self.wire.is_owed()
    }

    /// Takes leave of the socket, and of its place in the ledger.
    fn part(&mut self) {
        if let Some(mut place) = self.place.take() {
            let is_broken = matches!(place.reason(), None | Some(CloseReason::Broken));
            if is_broken && self.wire.heard() == self.greeted_at {
                self.shared.dial_rate.note_broken();
            }
            place.part(Parting::Watched(self.wire.socket().clone()));
            // Counted before anybody can see at the server that it is gone.
            drop(place);
            self.wire.socket().say_goodbye();
        }
    }

    /// Ready once all is written, for what waits for no reply that would show it.
    fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<RedisResult<()>> {
        self.wire.follow_poller(context)?;
        self.wire.poll_flush(context)
    }

    async fn request_pipeline(
        &mut self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        if pipeline.is_empty() {
            return Err((redis::ErrorKind::Client, "empty command").into());
        }
        self.prepare().await?;
        self.note_settled();
        let DueToMany {
            mut due,
            replies: coming,
            all_come,
        } = self.wire.send_pipeline(pipeline)?;
        let mut replies = Vec::with_capacity(count.min(pipeline.len() + 2));
        let mut refusals = Vec::new();
        for index in coming.clone() {
            let reply = poll_fn(|context| {
                let before = due.before;
                let reply = self.wire.poll_due(&mut due, context);
                if due.before == 0 && before > 0 {
                    self.owed.settled();
                }
                reply
            });
            let reply = reply.await?;
            if index < offset {
                if pipeline.is_transaction() && matches!(reply, Value::ServerError(_)) {
                    refusals.push((index, reply));
                }
            } else if replies.len() < count {
                replies.push(reply);
            }
        }
        if !all_come {
            // No reply is waited for that would show that all was written.
            poll_fn(|context| self.poll_written(context)).await?;
            if pipeline.is_transaction() && coming.is_empty() {
                replies.push(Value::Nil);
            }
        }
        match refused(refusals) {
            Some(error) => Err(error),
            None => Ok(replies),
        }
    }

    /// The lock of the slots that it belongs to.
    #[inline]
    pub(crate) fn lock(&self) -> &'static Lock {
        self.lock
    }

    /// Ends it because the pool has no use for it.
    pub(crate) fn end(mut self: Box<Self>, reason: CloseReason) {
        self.condemned = true;
        if let Some(place) = &mut self.place {
            place.set_reason(reason);
        }
    }
}

impl ConnectionLike for NativeConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(self.request(command))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(self.request_pipeline(pipeline, offset, count))
    }

    fn get_db(&self) -> i64 {
        self.database
    }
}

impl Connection for NativeConnection {
    fn give_back(mut self: Box<Self>) {
        if self.condemned || self.wire.is_lost() {
            return;
        }
        if self.place.as_ref().is_none_or(Place::is_too_old) {
            return self.end(CloseReason::Expired);
        }
        self.wire.rest();
        Shared::take_back(self);
    }

    #[inline]
    fn begin(&mut self, command: &Cmd) -> Option<Begun> {
        // What has to be opened anew takes a future.
        if is_empty(command) || self.wire.prepare().is_err() {
            return None;
        }
        self.is_unused = false;
        Some(self.start(command))
    }

    #[inline]
    fn poll_begun(
        &mut self,
        begun: &mut Begun,
        context: &mut Context<'_>,
    ) -> Poll<RedisResult<Value>> {
        if !begun.is_answered {
            // Its reply, if there is one, is discarded by whoever asks next.
            return self.poll_written(context).map_ok(|()| Value::Nil);
        }
        let mut due = Due {
            before: begun.ahead,
        };
        let reply = self.wire.poll_due(&mut due, context);
        if due.before == 0 && begun.ahead > 0 {
            self.owed.settled();
        }
        begun.ahead = due.before;
        reply
    }

    fn poll_overdue(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        self.wire.poll_past(deadline, context)
    }

    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<RedisResult<Value>> {
        self.wire.follow_task()?;
        self.wire.follow_poller(context)?;
        self.wire.poll_message(context)
    }

    fn owe_reply(&mut self) {
        self.owed.owe();
    }

    fn has_sent_nothing(&self) -> bool {
        // It has parted with one that had ended, and has no other yet.
        self.counts && self.place.is_none()
    }

    fn condemn(&mut self, reason: CloseReason) {
        self.condemned = true;
        if let Some(place) = &mut self.place {
            place.set_reason(reason);
        }
        self.wire.socket().say_goodbye();
    }

    fn detach(mut self: Box<Self>) -> Result<Box<dyn Detached>, PoolError> {
        if let Some(mut place) = self.place.take() {
            place.set_reason(CloseReason::Detached);
        }
        self.counts = false;
        self.shared.one_ended();
        Ok(self)
    }
}

impl Detached for NativeConnection {
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<RedisResult<Value>> {
        Connection::poll_message(self, context)
    }
}

impl Drop for NativeConnection {
    fn drop(&mut self) {
        self.part();
        if self.counts {
            self.shared.one_ended();
        }
    }
}

pub(crate) fn is_empty(command: &Cmd) -> bool {
    command.args_iter().next().is_none()
}
