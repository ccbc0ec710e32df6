use std::fmt;
use std::io;
use std::time::Duration;

use redis::{Arg, Cmd, ErrorKind, Pipeline, RedisError};

use crate::CloseReason;
use crate::error::find_cause;

/// A command that got no reply: which one, why, and whether the server may have executed it.
///
/// respool never sends a command again whose bytes may have reached the server (rule CMD-7), unless its
/// [`Client`](crate::Client) was told so by [`retry`](crate::Client::retry). So the caller has to know:
/// repeat it if it is safe to repeat. The error travels as a [`redis::RedisError`];
/// [`CommandError::find_in`] gets it back from there.
#[derive(Debug)]
pub struct CommandError {
    command: String,
    may_have_been_executed: bool,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Lost(RedisError),
    NoReply(Duration),
    Condemned(CloseReason),
}

impl CommandError {
    /// `command` was under way when the connection failed with `cause`.
    pub fn lost(command: impl Into<String>, cause: RedisError) -> Self {
        CommandError {
            command: command.into(),
            may_have_been_executed: true,
            cause: Cause::Lost(cause),
        }
    }

    /// The connection of `command` was lost before anything of it was sent, and for `cause` no other took
    /// its place.
    pub fn lost_before(command: impl Into<String>, cause: RedisError) -> Self {
        CommandError {
            may_have_been_executed: false,
            ..CommandError::lost(command, cause)
        }
    }

    /// `command` got no reply within `limit`.
    pub fn no_reply(command: impl Into<String>, limit: Duration) -> Self {
        CommandError {
            command: command.into(),
            may_have_been_executed: true,
            cause: Cause::NoReply(limit),
        }
    }

    /// `command` was not sent: its connection had been given up before, for `reason`.
    pub fn not_sent(command: impl Into<String>, reason: CloseReason) -> Self {
        CommandError {
            command: command.into(),
            may_have_been_executed: false,
            cause: Cause::Condemned(reason),
        }
    }

    /// The command's name, never its arguments.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Whether bytes of the command may have reached the server.
    pub fn may_have_been_executed(&self) -> bool {
        self.may_have_been_executed
    }

    /// Whether the connection ended under the command, or just before it. False where a reply was only
    /// waited for in vain, or the connection had been given up earlier.
    pub fn was_lost(&self) -> bool {
        matches!(self.cause, Cause::Lost(_))
    }

    /// The command error that `error` was made from, if it was.
    pub fn find_in(error: &RedisError) -> Option<&CommandError> {
        find_cause(error)
    }

    fn io_kind(&self) -> io::ErrorKind {
        match &self.cause {
            Cause::NoReply(_) => io::ErrorKind::TimedOut,
            Cause::Condemned(_) => io::ErrorKind::NotConnected,
            Cause::Lost(error) if error.kind() == ErrorKind::Parse => io::ErrorKind::InvalidData,
            Cause::Lost(error) if error.is_timeout() => io::ErrorKind::TimedOut,
            Cause::Lost(_) => io::ErrorKind::BrokenPipe,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = &self.command;
        match &self.cause {
            Cause::Lost(error) if error.kind() == ErrorKind::Parse => write!(
                f,
                "{command}: protocol error, the connection was closed: {error}"
            )?,
            Cause::Lost(error) => write!(f, "{command}: the connection was lost: {error}")?,
            Cause::NoReply(limit) => write!(
                f,
                "{command}: no reply within response_timeout ({limit:?}), the connection was closed"
            )?,
            Cause::Condemned(reason) => write!(
                f,
                "{command}: not sent, this connection was given up earlier ({reason}); take another"
            )?,
        }
        if self.may_have_been_executed {
            f.write_str("; the command may have been executed")?;
        }
        Ok(())
    }
}

impl std::error::Error for CommandError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Lost(error) => Some(error),
            Cause::NoReply(_) | Cause::Condemned(_) => None,
        }
    }
}

impl From<CommandError> for RedisError {
    fn from(error: CommandError) -> Self {
        io::Error::new(error.io_kind(), error).into()
    }
}

/// A command's name for an error, never its arguments. For authors of lanes.
pub fn command_name(command: &Cmd) -> String {
    match command.args_iter().next() {
        Some(Arg::Simple(name)) => String::from_utf8_lossy(name).into_owned(),
        _ => "an empty command".to_owned(),
    }
}

/// A pipeline's name for an error, such as `pipeline of 3 from SET`.
pub fn pipeline_name(pipeline: &Pipeline) -> String {
    let kind = if pipeline.is_transaction() {
        "transaction"
    } else {
        "pipeline"
    };
    match pipeline.cmd_iter().next() {
        Some(first) => format!("{kind} of {} from {}", pipeline.len(), command_name(first)),
        None => format!("empty {kind}"),
    }
}
