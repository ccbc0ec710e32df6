use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use respool_core::{Backend, Connection, Deadline, PoolError, Status, TimeoutKind};

use super::PAUSE;
use crate::mutants::forward::Spoil;
use crate::mutants::on_cancel::OnCancel;

pub(super) enum Order {
    LastFirst,
    NewcomersFirst,
}

/// A queue of its own in front of the healthy pool, with a wrong order.
pub(super) struct Queue {
    order: Order,
    next_ticket: AtomicU64,
    line: Mutex<Vec<u64>>,
}

impl Queue {
    pub(super) fn new(order: Order) -> Self {
        Queue {
            order,
            next_ticket: AtomicU64::new(0),
            line: Mutex::default(),
        }
    }

    fn is_next(&self, ticket: u64) -> bool {
        let line = self.line.lock().expect("no panics");
        let next = match self.order {
            Order::LastFirst => line.last(),
            Order::NewcomersFirst => line.first(),
        };
        next == Some(&ticket)
    }

    fn leave(&self, ticket: u64) {
        let mut line = self.line.lock().expect("no panics");
        line.retain(|waiting| *waiting != ticket);
    }

    async fn wait(&self, ticket: u64, healthy: &dyn Backend) -> Box<dyn Connection> {
        loop {
            if self.is_next(ticket)
                && let Some(connection) = take_without_waiting(healthy).await
            {
                return connection;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[async_trait]
impl Spoil for Queue {
    fn try_get(&self, healthy: &dyn Backend) -> Option<Box<dyn Connection>> {
        match self.order {
            Order::LastFirst if !self.line.lock().expect("no panics").is_empty() => None,
            Order::LastFirst | Order::NewcomersFirst => healthy.try_get(),
        }
    }

    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let ticket = self.next_ticket.fetch_add(1, Ordering::Relaxed);
        self.line.lock().expect("no panics").push(ticket);
        let _place = OnCancel::new(|| self.leave(ticket));
        let served = deadline.limit(self.wait(ticket, healthy)).await;
        served.ok_or_else(|| {
            PoolError::timeout(TimeoutKind::Wait, deadline.waited(), healthy.status(), None)
        })
    }

    fn status(&self, healthy: &dyn Backend) -> Status {
        let mut status = healthy.status();
        status.waiting += self.line.lock().expect("no panics").len();
        status
    }
}

async fn take_without_waiting(healthy: &dyn Backend) -> Option<Box<dyn Connection>> {
    let status = healthy.status();
    if status.size() < status.max_size {
        return healthy.get(Deadline::after(None)).await.ok();
    }
    healthy.try_get()
}

/// Every other task reaches the queue later than it came.
pub(super) struct PlaysFavourites;

#[async_trait]
impl Spoil for PlaysFavourites {
    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let number = tokio::task::try_id().map(|id| id.to_string());
        if number.is_some_and(|number| number.ends_with(['1', '3', '5', '7', '9'])) {
            tokio::time::sleep(2 * PAUSE).await;
        }
        healthy.get(deadline).await
    }
}
