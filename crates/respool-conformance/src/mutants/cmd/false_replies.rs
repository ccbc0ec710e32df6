//! What a backend may make of replies that are none, or nobody's.

use redis::{Cmd, ErrorKind, Pipeline, RedisFuture, Value};
use respool_core::Connection;

use crate::mutants::forward::SpoilConnection;

/// How CLIENT REPLY with its word begins on the wire.
const CLIENT_REPLY: &[u8] = b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n";

/// What a malformed reply becomes; `None` is a wait without end.
pub(super) struct MalformedIs(pub(super) Option<Value>);

impl SpoilConnection for MalformedIs {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            match (healthy.req_packed_command(command).await, &self.0) {
                (Err(error), Some(value)) if error.kind() == ErrorKind::Parse => Ok(value.clone()),
                (Err(error), None) if error.kind() == ErrorKind::Parse => {
                    std::future::pending().await
                }
                (reply, _) => reply,
            }
        })
    }
}

/// A connection that was lost is said to have sent malformed bytes.
pub(super) struct LostIsMalformed;

impl SpoilConnection for LostIsMalformed {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let reply = healthy.req_packed_command(command).await;
            reply.map_err(|error| match error.is_io_error() {
                true => (ErrorKind::Parse, "protocol error", error.to_string()).into(),
                false => error,
            })
        })
    }
}

/// What each reply of a pipeline becomes in which one is malformed.
pub(super) struct MalformedPipelineIs(pub(super) Value);

impl SpoilConnection for MalformedPipelineIs {
    fn request_pipeline<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let replies = healthy.req_packed_commands(pipeline, offset, count).await;
            match replies {
                Err(error) if error.kind() == ErrorKind::Parse => Ok(vec![self.0.clone(); count]),
                replies => replies,
            }
        })
    }
}

/// After CLIENT REPLY, what should be an error is a reply.
#[derive(Default)]
pub(super) struct LosesCount {
    has_lost_it: bool,
}

impl SpoilConnection for LosesCount {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            self.has_lost_it |= command.get_packed_command().starts_with(CLIENT_REPLY);
            match healthy.req_packed_command(command).await {
                Err(_) if self.has_lost_it => Ok(Value::BulkString(b"unasked".to_vec())),
                reply => reply,
            }
        })
    }
}

/// Each reply is that of the command before, once a command was sent whose name begins with `since`.
pub(super) struct ShiftsReplies {
    since: &'static [u8],
    has_begun: bool,
    before: Option<Value>,
}

impl ShiftsReplies {
    pub(super) fn since(name: &'static [u8]) -> Self {
        ShiftsReplies {
            since: name,
            has_begun: false,
            before: None,
        }
    }
}

impl SpoilConnection for ShiftsReplies {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let reply = healthy.req_packed_command(command).await?;
            let name = respool_core::command_name(command);
            self.has_begun |= name.as_bytes().starts_with(self.since);
            if !self.has_begun {
                return Ok(reply);
            }
            let before = self.before.replace(reply.clone());
            Ok(before.unwrap_or(reply))
        })
    }
}
