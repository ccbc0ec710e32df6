//! Pools whose clients get in each other's way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use redis::{Cmd, RedisFuture, Value};
use respool_core::{Backend, Connection, Deadline, PoolError};
use tokio::sync::OnceCell;

use super::Mutant;
use super::forward::{ForwardConnection, Spoil, SpoilConnection, spoil};
use super::shared_connection::SharedConnection;

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        rule: "SHR-1",
        name: "swaps_replies",
        defect: "now and then two callers get each other's reply",
        wrap: |healthy| spoil(healthy, "swaps replies", SwapsReplies::default),
    },
    Mutant {
        rule: "SHR-2",
        name: "blocks_the_shared_connection",
        defect: "what needs a connection of its own is lent the one that all share",
        wrap: |healthy| {
            spoil(
                healthy,
                "blocks the shared connection",
                LendsTheShared::default,
            )
        },
    },
];

#[derive(Clone, Default)]
struct SwapsReplies {
    requests: Arc<AtomicUsize>,
    parked: Arc<Mutex<Option<Value>>>,
}

impl Spoil for SwapsReplies {
    fn lend(&self, healthy: Box<dyn Connection>) -> Box<dyn Connection> {
        ForwardConnection::boxed(healthy, self.clone())
    }
}

impl SpoilConnection for SwapsReplies {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let reply = healthy.req_packed_command(command).await?;
            if self.requests.fetch_add(1, Ordering::Relaxed) % 1_000 != 999 {
                return Ok(reply);
            }
            let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(parked.replace(reply.clone()).unwrap_or(reply))
        })
    }
}

/// Everybody gets the same connection, on which one waits for the other.
#[derive(Default)]
struct LendsTheShared {
    shared: OnceCell<SharedConnection>,
}

#[async_trait]
impl Spoil for LendsTheShared {
    fn try_get(&self, _healthy: &dyn Backend) -> Option<Box<dyn Connection>> {
        self.shared
            .get()
            .map(|shared| Box::new(shared.clone()) as Box<dyn Connection>)
    }

    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let open = async || healthy.get(deadline).await.map(SharedConnection::new);
        let shared = self.shared.get_or_try_init(open).await?;
        Ok(Box::new(shared.clone()))
    }
}
