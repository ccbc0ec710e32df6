use async_trait::async_trait;
use redis::{Cmd, RedisFuture, Value, cmd};
use respool_core::{Backend, CloseReason, Connection, Deadline, PoolError};

use crate::mutants::forward::{Spoil, SpoilConnection};

pub(super) struct PingsAtEachGet;

#[async_trait]
impl Spoil for PingsAtEachGet {
    fn try_get(&self, _healthy: &dyn Backend) -> Option<Box<dyn Connection>> {
        None
    }

    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let mut connection = healthy.get(deadline).await?;
        if connection.req_packed_command(&cmd("PING")).await.is_err() {
            connection.condemn(CloseReason::Broken);
        }
        Ok(connection)
    }
}

#[derive(Default)]
pub(super) struct UnwatchesFirst {
    is_done: bool,
}

impl SpoilConnection for UnwatchesFirst {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            if !self.is_done {
                self.is_done = true;
                healthy.req_packed_command(&cmd("UNWATCH")).await?;
            }
            healthy.req_packed_command(command).await
        })
    }
}

pub(super) struct ReconnectsEachTime;

impl SpoilConnection for ReconnectsEachTime {
    fn give_back(&mut self, mut healthy: Box<dyn Connection>) {
        healthy.condemn(CloseReason::Expired);
    }
}
