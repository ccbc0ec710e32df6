use async_trait::async_trait;
use respool_core::{Backend, Connection, Deadline, PoolError, TimeoutKind};

use super::PAUSE;
use crate::mutants::forward::Spoil;

pub(super) struct SwallowsTheCause;

#[async_trait]
impl Spoil for SwallowsTheCause {
    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let outcome = healthy.get(deadline).await;
        outcome.map_err(|_| timed_out_waiting(healthy, deadline))
    }
}

pub(super) struct NeverTimesOut;

#[async_trait]
impl Spoil for NeverTimesOut {
    async fn get(
        &self,
        healthy: &dyn Backend,
        _deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        healthy.get(Deadline::after(None)).await
    }
}

pub(super) struct LimitsTheUnlimited;

#[async_trait]
impl Spoil for LimitsTheUnlimited {
    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let deadline = match deadline.at() {
            Some(_) => deadline,
            None => Deadline::after(Some(100 * PAUSE)),
        };
        healthy.get(deadline).await
    }
}

pub(super) struct GivesUpAtOnce;

#[async_trait]
impl Spoil for GivesUpAtOnce {
    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let status = healthy.status();
        if status.in_use == status.max_size {
            return Err(timed_out_waiting(healthy, deadline));
        }
        healthy.get(deadline).await
    }
}

pub(super) struct RetriesForever;

#[async_trait]
impl Spoil for RetriesForever {
    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        loop {
            match healthy.get(deadline).await {
                Err(PoolError::Connect { .. }) => tokio::time::sleep(PAUSE).await,
                outcome => return outcome,
            }
        }
    }
}

fn timed_out_waiting(healthy: &dyn Backend, deadline: Deadline) -> PoolError {
    PoolError::timeout(TimeoutKind::Wait, deadline.waited(), healthy.status(), None)
}
