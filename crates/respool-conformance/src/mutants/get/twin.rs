use std::sync::{Arc, Mutex, Weak};

use async_trait::async_trait;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, Value};
use respool_core::{Backend, CloseReason, Connection, Deadline, Detached, PoolError};

use crate::mutants::forward::Spoil;

type Shared = tokio::sync::Mutex<Box<dyn Connection>>;

#[derive(Default)]
pub(super) struct LendsTwice {
    last_lent: Mutex<Weak<Shared>>,
}

impl LendsTwice {
    fn twin_of_last(&self) -> Option<Box<dyn Connection>> {
        let held = self.last_lent.lock().expect("no panics").upgrade()?;
        Some(Box::new(Twin(held)))
    }

    fn lend_first(&self, healthy: Box<dyn Connection>) -> Box<dyn Connection> {
        let shared = Arc::new(Shared::new(healthy));
        *self.last_lent.lock().expect("no panics") = Arc::downgrade(&shared);
        Box::new(Twin(shared))
    }
}

#[async_trait]
impl Spoil for LendsTwice {
    fn try_get(&self, healthy: &dyn Backend) -> Option<Box<dyn Connection>> {
        self.twin_of_last()
            .or_else(|| Some(self.lend_first(healthy.try_get()?)))
    }

    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        match self.twin_of_last() {
            Some(twin) => Ok(twin),
            None => Ok(self.lend_first(healthy.get(deadline).await?)),
        }
    }
}

struct Twin(Arc<Shared>);

impl ConnectionLike for Twin {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move { self.0.lock().await.req_packed_command(command).await })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let mut connection = self.0.lock().await;
            connection
                .req_packed_commands(pipeline, offset, count)
                .await
        })
    }

    fn get_db(&self) -> i64 {
        0
    }
}

impl Connection for Twin {
    fn owe_reply(&mut self) {
        if let Ok(mut connection) = self.0.try_lock() {
            connection.owe_reply();
        }
    }

    fn condemn(&mut self, reason: CloseReason) {
        if let Ok(mut connection) = self.0.try_lock() {
            connection.condemn(reason);
        }
    }

    fn detach(self: Box<Self>) -> Result<Box<dyn Detached>, PoolError> {
        let remedy = "nothing: it is a mutant";
        match Arc::into_inner(self.0) {
            Some(connection) => connection.into_inner().detach(),
            None => Err(PoolError::unsupported("detach", "twin", remedy)),
        }
    }
}
