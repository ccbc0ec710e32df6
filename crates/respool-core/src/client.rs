use std::fmt;

use redis::aio::ConnectionLike;
use redis::{Arg, Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value};

use crate::pool::Guards;
use crate::pooled_connection::not_empty;
use crate::{
    CommandEffect, CommandError, Pool, PoolError, Retry, Session, SessionEffect, Whereabouts,
    command_name, pipeline_name,
};

/// The cheap handle to share between tasks: `Clone`, and a [`redis::aio::ConnectionLike`].
///
/// Each command runs on a connection of the pool: on one taken for it and given back after it, or
/// on a shared one where the backend has lanes ([`crate::Capabilities::lanes`]).
///
/// A command that blocks (BLPOP, XREAD BLOCK...) gets a connection of its own for its duration. One
/// that changes its session (SELECT, WATCH, MULTI outside a pipeline, SUBSCRIBE, MONITOR...) is
/// refused with [`PoolError::Unsupported`]: it needs [`Pool::get`]. Neither harms other users.
///
/// A command fails with what the server says, or with an error of ours inside of the
/// [`redis::RedisError`]: [`PoolError::find_in`] finds those that told before anything was sent (no
/// connection in time, a login that is refused, a pool that was closed), and [`CommandError::find_in`] that
/// its reply did not come. Dropping its future does no harm: what was not written is not sent, a reply is
/// discarded, and the connection of one that blocks is closed.
#[derive(Clone)]
pub struct Client {
    pool: Pool,
    retry: Retry,
    here: Whereabouts,
}

/// How often a command is sent in all where it may be sent again.
const ATTEMPTS: usize = 3;

impl Client {
    pub(crate) fn new(pool: Pool) -> Self {
        Client {
            pool,
            retry: Retry::Never,
            here: Whereabouts::default(),
        }
    }

    /// The pool that this client's commands run on.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The same client, which sends again what `retry` allows when the connection was lost under it,
    /// up to twice. What was waited for in vain (`response_timeout`) is not sent again: a server that
    /// hangs would only get more to do.
    ///
    /// ```
    /// # fn example(pool: &respool_core::Pool) {
    /// use respool_core::Retry;
    ///
    /// let client = pool.client().retry(Retry::ReadOnly);
    /// # let _ = client;
    /// # }
    /// ```
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    async fn request(&self, command: &Cmd) -> RedisResult<Value> {
        if self.pool.guards() == Guards::Off {
            return self.pool.get().await?.req_packed_command(command).await;
        }
        not_empty(command)?;
        let effect = CommandEffect::of(command);
        if effect.session != SessionEffect::None {
            return Err(self.refusal(command));
        }
        match self.pool.backend().lane() {
            Some(lane) if effect.is_plain() => {
                let mut here = self.here;
                lane.request(command, &mut here).await
            }
            _ => self.pool.get().await?.req_packed_command(command).await,
        }
    }

    async fn request_pipeline(
        &self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        if self.pool.guards() == Guards::Off {
            let mut connection = self.pool.get().await?;
            return connection
                .req_packed_commands(pipeline, offset, count)
                .await;
        }
        let mut session = Session::default();
        // What leaves its session clean in the end goes over a connection of its own: the server may
        // refuse the second half.
        let mut is_plain = true;
        for command in pipeline.cmd_iter() {
            not_empty(command)?;
            let effect = CommandEffect::of(command);
            session.note(effect.session, self.get_db());
            // In a transaction nothing blocks; but the server may refuse MULTI.
            is_plain &= effect.is_plain();
            if effect.session == SessionEffect::Changes {
                return Err(self.refusal(command));
            }
        }
        if !session.is_clean()
            && let Some(command) = pipeline
                .cmd_iter()
                .find(|command| CommandEffect::of(command).session != SessionEffect::None)
        {
            return Err(self.refusal(command));
        }
        match self.pool.backend().lane() {
            Some(lane) if is_plain => {
                let mut here = self.here;
                lane.request_pipeline(pipeline, offset, count, &mut here)
                    .await
            }
            _ => {
                let mut connection = self.pool.get().await?;
                connection
                    .req_packed_commands(pipeline, offset, count)
                    .await
            }
        }
    }

    fn refusal(&self, command: &Cmd) -> RedisError {
        let mut words = command.args_iter().filter_map(|argument| match argument {
            Arg::Simple(word) => Some(String::from_utf8_lossy(word).to_uppercase()),
            _ => None,
        });
        let mut operation = words.next().unwrap_or_default();
        if matches!(operation.as_str(), "CLIENT" | "SCRIPT")
            && let Some(subcommand) = words.next()
        {
            operation = format!("{operation} {subcommand}");
        }
        PoolError::unsupported(
            format!("{operation} through a shared Client"),
            self.pool.info().name,
            "it changes the session of its connection, so take one of your own with Pool::get()",
        )
        .into()
    }
}

impl ConnectionLike for Client {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        if self.retry.allows(command) {
            return Box::pin(async move {
                // Kept from one to the next: each attempt works with a copy.
                let _ = self.here.find().await;
                let this = &*self;
                let ask = move || this.request(command);
                again(|| command_name(command), ask).await
            });
        }
        // The common case, without a future around the lane's own.
        match self.pool.backend().lane() {
            Some(lane)
                if self.pool.guards() == Guards::On
                    && CommandEffect::of(command).is_plain()
                    && not_empty(command).is_ok() =>
            {
                lane.request(command, &mut self.here)
            }
            _ => Box::pin(self.request(command)),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            // Kept from one to the next, as above.
            let _ = self.here.find().await;
            let this = &*self;
            let ask = move || this.request_pipeline(pipeline, offset, count);
            match this.retry.allows_all(pipeline) {
                true => again(|| pipeline_name(pipeline), ask).await,
                false => ask().await,
            }
        })
    }

    fn get_db(&self) -> i64 {
        self.pool.config().endpoint.database()
    }
}

/// Asks once more, and again, while the connection is lost under it. That it may have been executed is not
/// forgotten when a later attempt fails before anything is sent.
async fn again<T, F: Future<Output = RedisResult<T>>>(
    name: impl Fn() -> String,
    ask: impl Fn() -> F,
) -> RedisResult<T> {
    let mut outcome = ask().await;
    for _ in 1..ATTEMPTS {
        if !was_lost(&outcome) {
            break;
        }
        outcome = ask().await;
        if let Err(error) = &outcome
            && was_not_sent(error)
        {
            return outcome.map_err(|error| CommandError::lost(name(), error).into());
        }
    }
    outcome
}

fn was_not_sent(error: &RedisError) -> bool {
    match CommandError::find_in(error) {
        Some(error) => !error.may_have_been_executed(),
        None => PoolError::find_in(error).is_some(),
    }
}

fn was_lost<T>(outcome: &RedisResult<T>) -> bool {
    let error = outcome.as_ref().err().and_then(CommandError::find_in);
    error.is_some_and(CommandError::was_lost)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("pool", &self.pool)
            .field("retry", &self.retry)
            .finish()
    }
}
