use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use respool_core::{
    Backend, BackendInfo, Capabilities, Connection, Deadline, Lane, Pool, PoolError, Status,
};

use super::{ForwardConnection, SpoilConnection};
use crate::Subject;

/// The subject that `healthy` becomes when each of its pools is spoiled by what `spoil` makes.
pub(in crate::mutants) fn spoil<S: Spoil>(
    healthy: &Subject,
    name: &str,
    spoil: fn() -> S,
) -> Subject {
    spoil_pool(healthy, name, move |_, _| spoil())
}

/// The same where the spoiling takes the healthy pool, or the subject that makes more of them.
pub(in crate::mutants) fn spoil_pool<S: Spoil>(
    healthy: &Subject,
    name: &str,
    spoil: impl Fn(&Pool, &Subject) -> S + Send + Sync + 'static,
) -> Subject {
    let maker = healthy.clone();
    with_backend(healthy, name, move |pool| ForwardBackend {
        spoil: spoil(&pool, &maker),
        healthy: pool,
    })
}

/// The same where only the connections are spoiled.
pub(in crate::mutants) fn spoil_connections<C: SpoilConnection>(
    healthy: &Subject,
    name: &str,
    spoil_connection: fn() -> C,
) -> Subject {
    spoil_pool(healthy, name, move |_, _| {
        SpoilsConnections(spoil_connection)
    })
}

/// The subject that `healthy` becomes when `backend` is put over each of its pools.
fn with_backend<B: Backend>(
    healthy: &Subject,
    name: &str,
    backend: impl Fn(Pool) -> B + Send + Sync + 'static,
) -> Subject {
    let maker = healthy.clone();
    let info = BackendInfo {
        // The mutant must be seen to fail, whatever is known of the healthy one.
        known_failures: &[],
        ..healthy.info
    };
    let name = format!("{} that {name}", healthy.name);
    Subject::new(name, info, move |config| {
        let pool = maker.pool(config.clone())?;
        Ok(Pool::new(backend(pool), config))
    })
}

/// What a mutant does otherwise than its healthy pool. Every method but these forwards.
#[async_trait]
pub(in crate::mutants) trait Spoil: Send + Sync + 'static {
    fn try_get(&self, healthy: &dyn Backend) -> Option<Box<dyn Connection>> {
        healthy.try_get()
    }

    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        healthy.get(deadline).await
    }

    /// Every connection on its way to a holder, taken by `try_get` or `get`.
    fn lend(&self, healthy: Box<dyn Connection>) -> Box<dyn Connection> {
        healthy
    }

    fn status(&self, healthy: &dyn Backend) -> Status {
        healthy.status()
    }

    fn lane<'a>(&'a self, healthy: &'a dyn Backend) -> Option<&'a dyn Lane> {
        healthy.lane()
    }

    fn capabilities(&self, healthy: &dyn Backend) -> Capabilities {
        healthy.capabilities()
    }

    async fn close(&self, healthy: &dyn Backend, grace: Duration) {
        healthy.close(grace).await;
    }

    fn close_now(&self, healthy: &dyn Backend) {
        healthy.close_now();
    }

    /// How the mutant prints itself.
    fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mutant")
    }
}

struct ForwardBackend<S> {
    healthy: Pool,
    spoil: S,
}

#[async_trait]
impl<S: Spoil> Backend for ForwardBackend<S> {
    fn try_get(&self) -> Option<Box<dyn Connection>> {
        let connection = self.spoil.try_get(self.healthy.backend())?;
        Some(self.spoil.lend(connection))
    }

    async fn get(&self, deadline: Deadline) -> Result<Box<dyn Connection>, PoolError> {
        let connection = self.spoil.get(self.healthy.backend(), deadline).await?;
        Ok(self.spoil.lend(connection))
    }

    fn lane(&self) -> Option<&dyn Lane> {
        self.spoil.lane(self.healthy.backend())
    }

    fn status(&self) -> Status {
        self.spoil.status(self.healthy.backend())
    }

    fn capabilities(&self) -> Capabilities {
        self.spoil.capabilities(self.healthy.backend())
    }

    fn info(&self) -> &BackendInfo {
        self.healthy.info()
    }

    async fn close(&self, grace: Duration) {
        self.spoil.close(self.healthy.backend(), grace).await;
    }

    fn close_now(&self) {
        self.spoil.close_now(self.healthy.backend());
    }
}

impl<S: Spoil> fmt::Debug for ForwardBackend<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.spoil.debug(f)
    }
}

struct SpoilsConnections<C>(fn() -> C);

impl<C: SpoilConnection> Spoil for SpoilsConnections<C> {
    fn lend(&self, healthy: Box<dyn Connection>) -> Box<dyn Connection> {
        ForwardConnection::boxed(healthy, (self.0)())
    }
}
