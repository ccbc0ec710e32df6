//! Pools whose clients get in each other's way.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, RedisFuture, Value};
use respool_core::{Backend, Connection, Deadline, PoolError};
use tokio::sync::OnceCell;

use super::Mutant;
use super::forward::{
    ForwardConnection, Spoil, SpoilConnection, spoil, spoil_connections, spoil_pool,
};
use super::get::InTurn;
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
    Mutant {
        rule: "SHR-2",
        name: "waits_for_who_came_first",
        defect: "everybody waits until the first caller has opened a connection",
        wrap: |healthy| {
            spoil(
                healthy,
                "waits for who came first",
                WaitsForTheFirst::default,
            )
        },
    },
    Mutant {
        rule: "SHR-3",
        name: "stops_for_a_large_reply",
        defect: "all commands share one connection, on which one waits for the other",
        wrap: |healthy| spoil(healthy, "stops for a large reply", LendsTheShared::default),
    },
    Mutant {
        rule: "SHR-3",
        name: "stops_a_command_now_and_then",
        defect: "one command in two hundred waits for as long as a large reply takes",
        wrap: |healthy| {
            spoil(
                healthy,
                "stops a command now and then",
                StopsNowAndThen::default,
            )
        },
    },
    Mutant {
        rule: "SHR-3",
        name: "cuts_large_replies_short",
        defect: "of a reply of more than a megabyte the end is missing",
        wrap: |healthy| spoil_connections(healthy, "cuts large replies short", || CutsShort),
    },
    Mutant {
        rule: "SHR-3",
        name: "opens_others_beside_large_replies",
        defect: "every other command goes over connections beyond max_size",
        wrap: |healthy| spoil_pool(healthy, "opens others beside large replies", InTurn::new),
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

/// The first one opens it in his own future, which others wait for: they do whether he is polled or not.
#[derive(Default)]
struct WaitsForTheFirst {
    opened: OnceCell<()>,
}

#[async_trait]
impl Spoil for WaitsForTheFirst {
    fn try_get(&self, healthy: &dyn Backend) -> Option<Box<dyn Connection>> {
        self.opened.get()?;
        healthy.try_get()
    }

    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let open = async || healthy.get(deadline).await.map(drop);
        self.opened.get_or_try_init(open).await?;
        healthy.get(deadline).await
    }
}

/// The others don't notice: only the slowest command shows it.
#[derive(Default)]
struct StopsNowAndThen {
    gets: AtomicUsize,
    stops_the_next: AtomicBool,
}

#[async_trait]
impl Spoil for StopsNowAndThen {
    fn try_get(&self, healthy: &dyn Backend) -> Option<Box<dyn Connection>> {
        if self.gets.fetch_add(1, Ordering::Relaxed) % 200 == 199 {
            self.stops_the_next.store(true, Ordering::Relaxed);
            return None;
        }
        healthy.try_get()
    }

    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        if self.stops_the_next.swap(false, Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        healthy.get(deadline).await
    }
}

struct CutsShort;

impl SpoilConnection for CutsShort {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        const MOST: usize = 1_000_000;
        Box::pin(async move {
            let mut reply = healthy.req_packed_command(command).await?;
            if let Value::BulkString(bytes) = &mut reply {
                bytes.truncate(MOST);
            }
            Ok(reply)
        })
    }
}
