use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::stream::{self, Stream};
use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, Value};
use tokio::runtime::Handle;

use crate::command_error::{command_name, pipeline_name};
use crate::loan::Loan;
use crate::pool::Guards;
use crate::unfit::executed_says_unfit;
use crate::{
    Begun, Blocking, CloseReason, CommandEffect, CommandError, Connection, DetachedConnection,
    PoolError, Session, SessionEffect, error_says_unfit, replies_say_unfit, reply_says_unfit,
};

/// A connection taken out of a pool, for its holder alone. Dropping it gives it back, wherever
/// that happens.
///
/// It is a [`redis::aio::ConnectionLike`]: `AsyncCommands`, `Cmd::query_async`, `Pipeline` and
/// `Script` work on it as on any connection of the `redis` crate.
///
/// - A command whose future is dropped leaves the connection usable: its reply is discarded. A
///   blocking one (BLPOP, XREAD BLOCK...) closes the connection at once instead, so that the
///   server takes no element for somebody who has left.
/// - A command that gets no reply within `response_timeout` fails, and the connection with it; a
///   blocking command gets its own time-out on top.
/// - What a command changes in its session (SELECT, SUBSCRIBE, AUTH...) stays with this holder:
///   a connection whose session is not as it was is closed instead of given back.
/// - A command that failed without a reply is never sent again; [`CommandError`] tells whether it
///   may have been executed.
pub struct PooledConnection {
    /// `None` only once it was detached.
    connection: Option<Box<dyn Connection>>,
    loan: Loan,
}

impl PooledConnection {
    pub(crate) fn new(connection: Box<dyn Connection>, loan: Loan) -> Self {
        PooledConnection {
            connection: Some(connection),
            loan,
        }
    }

    /// Keeps the connection for good. Its slot in the pool is free at once, `response_timeout`
    /// doesn't apply any more, and `max_size` no longer counts it. What it was subscribed to goes on.
    ///
    /// # Errors
    ///
    /// [`PoolError::Unsupported`] where the backend can't ([`crate::Capabilities::detach`]); the
    /// connection is closed then.
    pub fn detach(mut self) -> Result<DetachedConnection, PoolError> {
        match self.connection.take() {
            Some(connection) => Ok(DetachedConnection::new(connection.detach()?)),
            None => Err(PoolError::Closed),
        }
    }

    /// The next message that the server pushed: what came to a subscription (SUBSCRIBE and the like,
    /// sent on this connection before), what MONITOR shows, an invalidated key. Waits for as long as
    /// it takes; messages that arrive while a command waits for its reply are kept, in order. `native` keeps
    /// 65,536; a connection with more ends as one that breaks the protocol. With
    /// [`PoolConfig::on_push`](crate::PoolConfig::on_push) the oldest push goes instead, which was shown.
    ///
    /// A message has the shape in which the server sends it: an array or a push of its kind, channel
    /// and payload. Dropping the future loses none.
    ///
    /// # Errors
    ///
    /// [`PoolError::Unsupported`] where the backend has no messages
    /// ([`crate::Capabilities::messages`]); [`CommandError`] when the connection is lost.
    pub async fn next_message(&mut self) -> RedisResult<Value> {
        in_a_runtime()?;
        let message = poll_fn(|context| match self.usable() {
            Ok(connection) => connection.poll_message(context),
            Err(reason) => Poll::Ready(Err(CommandError::not_sent(MESSAGES, reason).into())),
        })
        .await;
        self.verdict(&|| MESSAGES.to_owned(), Outcome::Replied(message))
    }

    /// [`next_message`](PooledConnection::next_message) as a stream, which ends after an error.
    pub fn messages(&mut self) -> impl Stream<Item = RedisResult<Value>> + Send + '_ {
        stream::unfold(Some(self), |connection| async move {
            let connection = connection?;
            match connection.next_message().await {
                Ok(message) => Some((Ok(message), Some(connection))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    /// Whether this connection has failed or was given up: commands on it are refused, and it
    /// won't be given back to the pool.
    pub fn is_condemned(&self) -> bool {
        self.loan.condemned.is_some()
    }

    #[cold]
    fn condemn(&mut self, reason: CloseReason) {
        if self.is_condemned() {
            return;
        }
        self.loan.condemned = Some(reason);
        if let Some(connection) = &mut self.connection {
            connection.condemn(reason);
        }
    }

    /// The backend's connection itself, where nothing is to stand before it.
    fn bare(&mut self) -> Option<&mut Box<dyn Connection>> {
        match self.loan.guards {
            Guards::On => None,
            Guards::Off => self.connection.as_mut(),
        }
    }

    /// How long to wait for a reply: a command's own time-out governs (CMD-3).
    fn reply_limit(&self, blocking: Blocking) -> Option<Duration> {
        let limit = self.loan.response_timeout.get();
        match blocking {
            Blocking::No => limit,
            Blocking::For(own) => limit.map(|limit| limit.saturating_add(own)),
            Blocking::Forever => None,
        }
    }

    fn usable(&mut self) -> Result<&mut Box<dyn Connection>, CloseReason> {
        match (self.loan.condemned, &mut self.connection) {
            (Some(reason), _) => Err(reason),
            (None, Some(connection)) => Ok(connection),
            (None, None) => Err(CloseReason::Detached),
        }
    }

    fn verdict<T>(&mut self, name: &dyn Fn() -> String, outcome: Outcome<T>) -> RedisResult<T> {
        match outcome {
            Outcome::Replied(Ok(reply)) => Ok(reply),
            // Of what a backend can't do the server hears nothing.
            Outcome::Replied(Err(error)) if is_unsupported(&error) => Err(error),
            Outcome::Replied(Err(error)) if ends_connection(&error) => {
                self.condemn(CloseReason::Broken);
                // A backend that says so in the pool's words had no connection to send it on.
                let lost = match PoolError::find_in(&error).is_some() {
                    true => CommandError::lost_before(name(), error),
                    false => CommandError::lost(name(), error),
                };
                Err(lost.into())
            }
            Outcome::Replied(Err(error)) => {
                if error_says_unfit(&error) {
                    self.condemn(CloseReason::NodeUnfit);
                }
                Err(error)
            }
            Outcome::NoReply(limit) => {
                let connection = self.connection.as_ref();
                let was_sent = !connection.is_some_and(|it| it.has_sent_nothing());
                self.condemn(CloseReason::TimedOut);
                Err(match was_sent {
                    true => CommandError::no_reply(name(), limit),
                    false => CommandError::lost_before(name(), no_other_within(limit)),
                }
                .into())
            }
        }
    }

    /// LIFE-7: what such a node answers is not worth waiting for.
    fn retire_if_unfit(&mut self, says_unfit: bool) {
        if says_unfit {
            self.condemn(CloseReason::NodeUnfit);
        }
    }
}

impl ConnectionLike for PooledConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            if let Some(connection) = self.bare() {
                return connection.req_packed_command(command).await;
            }
            let effect = CommandEffect::of(command);
            let blocks = effect.blocking != Blocking::No;
            let limit = match blocks && self.loan.session.is_in_transaction() {
                true => self.reply_limit(Blocking::No),
                false => self.reply_limit(effect.blocking),
            };
            let session_before = self.loan.session;
            if effect.changes_replies && session_before.may_be_in_transaction() {
                return Err(BREAKS_OFF.into());
            }
            if effect.session != SessionEffect::None {
                let database = self.get_db();
                self.loan.session.note(effect.session, database);
            }

            let mut if_unknown = self.loan.session;
            if_unknown.take_nothing_back(session_before);
            let mut request = RequestGuard::new(self, blocks, if_unknown);
            let connection = match request.holder.usable() {
                Ok(connection) => connection,
                Err(reason) => {
                    request.finish();
                    return Err(CommandError::not_sent(command_name(command), reason).into());
                }
            };
            // Dropped here: the guard tells the connection that a reply is owed, or closes it.
            let outcome = match connection.begin(command) {
                Some(begun) => in_place(limit, &mut **connection, begun).await,
                None => match in_a_runtime()
                    .map_err(Into::into)
                    .and_then(|()| not_empty(command))
                {
                    Ok(()) => within(limit, connection.req_packed_command(command)).await,
                    Err(error) => {
                        request.finish();
                        request.holder.loan.session = if_unknown;
                        return Err(error);
                    }
                },
            };
            request.finish();
            if command.is_no_response() {
                request.holder.loan.session = if_unknown;
                request.holder.note_unawaited_reply();
            }
            let holder = request.holder_after();
            let reply = holder.verdict(&|| command_name(command), outcome);
            if effect.session != SessionEffect::None && is_refusal(&reply) {
                holder.loan.session.take_nothing_back(session_before);
                if effect.session == SessionEffect::OpensTransaction {
                    // The EXEC to come will be refused, too, seen or not.
                    let database = holder.get_db();
                    holder.loan.session.note(SessionEffect::Changes, database);
                    holder.loan.session.doubt_transaction();
                }
            }
            let reply = reply?;
            holder.retire_if_unfit(match effect.session {
                SessionEffect::EndsTransaction => executed_says_unfit(&reply),
                _ => reply_says_unfit(&reply),
            });
            Ok(reply)
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            if let Some(connection) = self.bare() {
                return connection
                    .req_packed_commands(pipeline, offset, count)
                    .await;
            }
            in_a_runtime()?;
            pipeline.cmd_iter().try_for_each(not_empty)?;
            self.loan.session.keeps_replies(pipeline)?;
            let database = self.get_db();
            let mut limit = self.loan.response_timeout.get();
            let mut blocks = false;
            // Inside MULTI nothing blocks at the server, unless a command ends that.
            let is_queued = pipeline.is_transaction()
                && (pipeline.cmd_iter())
                    .all(|command| CommandEffect::of(command).session == SessionEffect::None);
            // Without a command, nothing is sent.
            let is_wrapped = pipeline.is_transaction() && !pipeline.is_empty();
            let was_clean = self.loan.session.is_clean();
            let mut has_effects = false;
            if is_wrapped {
                let multi = SessionEffect::OpensTransaction;
                self.loan.session.note(multi, database);
            }
            for command in pipeline.cmd_iter() {
                let effect = CommandEffect::of(command);
                has_effects |= effect.session != SessionEffect::None;
                let is_limited = self.loan.session.is_in_transaction();
                self.loan.session.note(effect.session, database);
                if effect.blocking == Blocking::No {
                    continue;
                }
                // Queued or not: the server may have refused MULTI.
                blocks = true;
                if !is_limited && !is_queued {
                    limit = match (limit, effect.blocking) {
                        (Some(limit), Blocking::For(own)) => Some(limit.saturating_add(own)),
                        _ => None,
                    };
                }
            }
            // Where something is watched, only once it is seen to end that: the server may refuse MULTI.
            let exec = SessionEffect::EndsTransaction;
            if is_wrapped && was_clean {
                self.loan.session.note(exec, database);
            }

            let mut if_unknown = self.loan.session;
            if has_effects {
                if_unknown.note(SessionEffect::Changes, database);
            }
            let mut request = RequestGuard::new(self, blocks, if_unknown);
            let connection = match request.holder.usable() {
                Ok(connection) => connection,
                Err(reason) => {
                    request.finish();
                    return Err(CommandError::not_sent(pipeline_name(pipeline), reason).into());
                }
            };
            // Dropped here: as above.
            let replies = connection.req_packed_commands(pipeline, offset, count);
            let outcome = within(limit, replies).await;
            request.finish();
            let holder = request.holder_after();
            let replies = holder.verdict(&|| pipeline_name(pipeline), outcome);
            let is_error = |reply: &Value| matches!(reply, Value::ServerError(_));
            match &replies {
                Ok(replies) if !replies.iter().any(is_error) => {
                    if is_wrapped && !was_clean {
                        holder.loan.session.note(exec, database);
                    }
                }
                _ => {
                    holder.loan.session.doubt_transaction();
                    if has_effects {
                        // Which of them were refused is not looked for.
                        let changes = SessionEffect::Changes;
                        holder.loan.session.note(changes, database);
                    }
                }
            }
            let replies = replies?;
            holder.retire_if_unfit(replies_say_unfit(pipeline, &replies));
            Ok(replies)
        })
    }

    fn get_db(&self) -> i64 {
        let connection = self.connection.as_ref();
        connection.map_or(0, |connection| connection.get_db())
    }
}

impl Drop for PooledConnection {
    #[inline]
    fn drop(&mut self) {
        // Always clean where there are no guards: nothing is noted there.
        if !self.loan.session.is_clean() {
            self.condemn(CloseReason::SessionChanged);
        }
        if let Some(connection) = self.connection.take() {
            connection.give_back();
        }
    }
}

impl fmt::Debug for PooledConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledConnection")
            .field("session", &self.loan.session)
            .field("condemned", &self.loan.condemned)
            .finish_non_exhaustive()
    }
}

impl PooledConnection {
    /// A command sent with `set_no_response` may be answered all the same.
    fn note_unawaited_reply(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.owe_reply();
        }
    }
}

/// Notices that a request's future was dropped before it ended.
///
/// It is declared before the request's own future and so dropped after it: by then nothing borrows
/// the connection any more.
struct RequestGuard<'a> {
    holder: &'a mut PooledConnection,
    blocks: bool,
    /// What its session differs in, if it is not known what was refused.
    if_unknown: Session,
    finished: bool,
}

impl<'a> RequestGuard<'a> {
    fn new(holder: &'a mut PooledConnection, blocks: bool, if_unknown: Session) -> Self {
        RequestGuard {
            holder,
            blocks,
            if_unknown,
            finished: false,
        }
    }

    fn finish(&mut self) {
        self.finished = true;
    }

    fn holder_after(&mut self) -> &mut PooledConnection {
        self.holder
    }
}

impl Drop for RequestGuard<'_> {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        self.holder.loan.session = self.if_unknown;
        if self.blocks {
            self.holder.condemn(CloseReason::Cancelled);
        } else if let Some(connection) = &mut self.holder.connection {
            connection.owe_reply();
        }
    }
}

/// The server doesn't answer a command without a name: what waits for its reply would be given another's.
pub(crate) fn not_empty(command: &Cmd) -> RedisResult<()> {
    match command.args_iter().next() {
        Some(_) => Ok(()),
        None => Err((ErrorKind::Client, "empty command").into()),
    }
}

/// Before anything is sent: sockets and timers would panic without a runtime.
pub(crate) fn in_a_runtime() -> Result<(), PoolError> {
    Handle::try_current()
        .map(drop)
        .map_err(|_| PoolError::NoRuntime)
}

enum Outcome<T> {
    Replied(RedisResult<T>),
    NoReply(Duration),
}

/// What a connection began, to its end, for at most `limit`.
fn in_place<'a>(
    limit: Option<Duration>,
    connection: &'a mut dyn Connection,
    mut begun: Begun,
) -> impl Future<Output = Outcome<Value>> + 'a {
    let mut deadline = None;
    poll_fn(move |context| {
        if let Poll::Ready(reply) = connection.poll_begun(&mut begun, context) {
            return Poll::Ready(Outcome::Replied(reply));
        }
        let Some(limit) = limit else {
            return Poll::Pending;
        };
        // A limit beyond what the clock can count is no limit.
        match *deadline.get_or_insert_with(|| Instant::now().checked_add(limit)) {
            Some(at) => connection
                .poll_overdue(at, context)
                .map(|()| Outcome::NoReply(limit)),
            None => Poll::Pending,
        }
    })
}

async fn within<T>(
    limit: Option<Duration>,
    request: impl Future<Output = RedisResult<T>>,
) -> Outcome<T> {
    match limit {
        None => Outcome::Replied(request.await),
        Some(limit) => match tokio::time::timeout(limit, request).await {
            Ok(result) => Outcome::Replied(result),
            Err(_) => Outcome::NoReply(limit),
        },
    }
}

/// Whether the server refused a command, so that nothing came of it. EXEC that was aborted is done.
fn is_refusal(reply: &RedisResult<Value>) -> bool {
    match reply {
        Ok(Value::ServerError(error)) => error.code() != "EXECABORT",
        Ok(_) => false,
        Err(error) => error.code() != Some("EXECABORT"),
    }
}

/// The server answers CLIENT REPLY in a transaction as it queues it, and breaks off the reply to EXEC.
pub(crate) const BREAKS_OFF: (ErrorKind, &str) = (
    ErrorKind::Client,
    "not sent: CLIENT REPLY in a transaction would break off the reply to EXEC",
);

/// What waited for a message is called in an error.
const MESSAGES: &str = "next message";

fn no_other_within(limit: Duration) -> RedisError {
    let why = format!("it had ended before, and no other was open in its place within {limit:?}");
    io::Error::new(io::ErrorKind::TimedOut, why).into()
}

fn is_unsupported(error: &RedisError) -> bool {
    matches!(
        PoolError::find_in(error),
        Some(PoolError::Unsupported { .. })
    )
}

/// Whether an error leaves the connection in a state that nobody knows.
fn ends_connection(error: &RedisError) -> bool {
    error.is_io_error() || error.kind() == ErrorKind::Parse
}
