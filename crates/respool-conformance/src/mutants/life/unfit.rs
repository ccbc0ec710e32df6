//! Pools that mistake what a node says.

use std::io;

use redis::{Cmd, Pipeline, RedisFuture, Value};
use respool_core::{
    CloseReason, Connection, error_says_unfit, replies_say_unfit, reply_says_unfit,
};

use crate::mutants::forward::SpoilConnection;

/// Leaves the node as it should, and makes a lost connection of what the node said.
pub(super) struct SwallowsTheReply;

impl SpoilConnection for SwallowsTheReply {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let reply = healthy.req_packed_command(command).await?;
            match reply_says_unfit(&reply) {
                true => Err(lost(healthy)),
                false => Ok(reply),
            }
        })
    }

    fn request_pipeline<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            match healthy.req_packed_commands(pipeline, offset, count).await {
                Ok(replies) if replies_say_unfit(pipeline, &replies) => Err(lost(healthy)),
                Err(error) if error_says_unfit(&error) => Err(lost(healthy)),
                outcome => outcome,
            }
        })
    }
}

fn lost(healthy: &mut dyn Connection) -> redis::RedisError {
    healthy.condemn(CloseReason::NodeUnfit);
    io::Error::from(io::ErrorKind::BrokenPipe).into()
}

pub(super) struct BlamesTheNode;

impl SpoilConnection for BlamesTheNode {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let reply = healthy.req_packed_command(command).await?;
            if matches!(reply, Value::ServerError(_)) {
                healthy.condemn(CloseReason::NodeUnfit);
            }
            Ok(reply)
        })
    }
}

/// Goes on with a node that refused a transaction.
#[derive(Default)]
pub(super) struct OverlooksTransactions {
    in_transaction: bool,
}

impl SpoilConnection for OverlooksTransactions {
    fn request_pipeline<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.in_transaction = pipeline.is_transaction();
        healthy.req_packed_commands(pipeline, offset, count)
    }

    fn condemn(&mut self, healthy: &mut dyn Connection, reason: CloseReason) {
        if !(self.in_transaction && reason == CloseReason::NodeUnfit) {
            healthy.condemn(reason);
        }
    }
}
