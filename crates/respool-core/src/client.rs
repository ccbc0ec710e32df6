use std::fmt;

use redis::aio::ConnectionLike;
use redis::{Arg, Cmd, Pipeline, RedisFuture, RedisResult, Value};

use crate::pool::Guards;
use crate::{Blocking, CommandEffect, Pool, PoolError, Session, SessionEffect};

/// The cheap handle to share between tasks: `Clone`, and a [`redis::aio::ConnectionLike`].
///
/// Each command runs on a connection of the pool: on one taken for it and given back after it, or
/// on a shared one where the backend has lanes ([`crate::Capabilities::lanes`]).
///
/// A command that blocks (BLPOP, XREAD BLOCK...) gets a connection of its own for its duration. One
/// that changes its session (SELECT, WATCH, MULTI outside a pipeline, SUBSCRIBE, MONITOR...) is
/// refused with [`PoolError::Unsupported`]: it needs [`Pool::get`]. Neither harms other users.
#[derive(Clone)]
pub struct Client {
    pool: Pool,
}

impl Client {
    pub(crate) fn new(pool: Pool) -> Self {
        Client { pool }
    }

    /// The pool that this client's commands run on.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    async fn request(&self, command: &Cmd) -> RedisResult<Value> {
        if self.pool.guards() == Guards::Off {
            return self.pool.get().await?.req_packed_command(command).await;
        }
        let effect = CommandEffect::of(command);
        if effect.session != SessionEffect::None {
            return Err(self.refusal(command));
        }
        match self.pool.backend().lane() {
            Some(lane) if effect.is_plain() => lane.request(command).await,
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
        let mut blocks = false;
        for command in pipeline.cmd_iter() {
            let effect = CommandEffect::of(command);
            session.note(effect.session, self.get_db());
            blocks |= effect.blocking != Blocking::No && !pipeline.is_transaction();
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
            Some(lane) if !blocks => lane.request_pipeline(pipeline, offset, count).await,
            _ => {
                let mut connection = self.pool.get().await?;
                connection
                    .req_packed_commands(pipeline, offset, count)
                    .await
            }
        }
    }

    fn refusal(&self, command: &Cmd) -> redis::RedisError {
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
        // The common case, without a future around the lane's own.
        match self.pool.backend().lane() {
            Some(lane)
                if self.pool.guards() == Guards::On && CommandEffect::of(command).is_plain() =>
            {
                lane.request(command)
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
        Box::pin(self.request_pipeline(pipeline, offset, count))
    }

    fn get_db(&self) -> i64 {
        self.pool.config().endpoint.database()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("pool", &self.pool).finish()
    }
}
