//! The two ways to send a command. What holds for one must hold for the other.

use redis::{Cmd, FromRedisValue, Pipeline, RedisResult, cmd};
use respool_core::{Pool, PooledConnection};

use crate::Broken;
use crate::check::ensure;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// On a connection taken for it with `get`.
    Own,
    /// Through a `Client`.
    Shared,
}

impl Way {
    pub(crate) const BOTH: [Way; 2] = [Way::Own, Way::Shared];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Way::Own => "on a connection of its own",
            Way::Shared => "through a Client",
        }
    }

    pub(crate) async fn query<T: FromRedisValue>(
        self,
        pool: &Pool,
        command: &Cmd,
    ) -> RedisResult<T> {
        match self {
            Way::Own => command.query_async(&mut pool.get().await?).await,
            Way::Shared => command.query_async(&mut pool.client()).await,
        }
    }

    pub(crate) async fn query_pipeline<T: FromRedisValue>(
        self,
        pool: &Pool,
        pipeline: &Pipeline,
    ) -> RedisResult<T> {
        match self {
            Way::Own => pipeline.query_async(&mut pool.get().await?).await,
            Way::Shared => pipeline.query_async(&mut pool.client()).await,
        }
    }

    /// Sends ECHO with `word`, which must come back.
    pub(crate) async fn echo(self, pool: &Pool, word: &str) -> Result<(), Broken> {
        let echo: String = self.query(pool, cmd("ECHO").arg(word)).await?;
        ensure_echo(word, &echo)
    }
}

/// Sends ECHO on a connection that is held.
pub(crate) async fn echo_on(connection: &mut PooledConnection, word: &str) -> Result<(), Broken> {
    let echo: String = cmd("ECHO").arg(word).query_async(connection).await?;
    ensure_echo(word, &echo)
}

pub(crate) fn ensure_echo(word: &str, echo: &str) -> Result<(), Broken> {
    ensure!(word == echo, expected: "the reply {word:?}", seen: "{echo:?}");
    Ok(())
}

/// The command of these words, in which `{key}` stands for `key`.
pub(crate) fn command(words: &str, key: &str) -> Cmd {
    let mut command = Cmd::new();
    for word in words.split(' ') {
        command.arg(word.replace("{key}", key));
    }
    command
}
