use std::cell::Cell;
use std::time::{Duration, Instant};

use respool_core::{Pool, PoolConfig, PoolError};
use respool_testserver::{FaultProxy, RedisServer};
use tokio::runtime::{Builder, Runtime};

use crate::{Broken, Finding, Nature, Outcome, Subject};

/// One run of one check against one subject: a runtime of its own, and what checks share.
#[derive(Debug)]
pub struct Trial {
    subject: Subject,
    runtime: Runtime,
    /// What to report instead of "kept" when the check ends well.
    verdict: Cell<Outcome>,
}

impl Trial {
    pub(crate) fn new(subject: &Subject) -> Result<Self, Broken> {
        Ok(Trial {
            subject: subject.clone(),
            runtime: Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("trial")
                .enable_all()
                .build()?,
            verdict: Cell::new(Outcome::Kept),
        })
    }

    /// What the check is put to.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Runs `future` on the trial's runtime, which has two workers.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Builds a pool of the subject.
    ///
    /// # Errors
    ///
    /// [`PoolError::Config`], when the subject refuses the settings.
    pub fn pool(&self, config: PoolConfig) -> Result<Pool, PoolError> {
        self.subject.pool(config)
    }

    /// Builds a pool whose `Status` is the subject's own account of itself: for the rules about
    /// figures. All other checks may steer by the status of any pool, and judge nothing by it.
    ///
    /// # Errors
    ///
    /// As [`pool`](Trial::pool).
    pub fn pool_showing_itself(&self, config: PoolConfig) -> Result<Pool, PoolError> {
        self.subject.pool_showing_itself(config)
    }

    /// What the subject is, as far as rules depend on it.
    pub fn nature(&self) -> Nature {
        self.subject.nature()
    }

    /// Settings that suit a check of the server at `url`: four connections at most, and limits that
    /// a loaded machine doesn't reach by chance but a check needn't wait long for.
    pub fn config(&self, url: &str) -> PoolConfig {
        let mut config = PoolConfig::from_url(url).expect("the kit's own servers have good URLs");
        config.max_size = 4;
        config.get_timeout = Some(Duration::from_secs(5));
        config.connect_timeout = Some(Duration::from_secs(2));
        config.response_timeout = Some(Duration::from_secs(1));
        config
    }

    /// A fresh Redis server.
    ///
    /// # Errors
    ///
    /// [`Broken`] with what to do about it, when none is installed or it doesn't start: without a
    /// server no promise is proven.
    pub async fn server(&self) -> Result<RedisServer, Broken> {
        Ok(RedisServer::start().await?)
    }

    /// A fault proxy in front of `server`.
    ///
    /// # Errors
    ///
    /// [`Broken`], when no port can be had.
    pub async fn proxy(&self, server: &RedisServer) -> Result<FaultProxy, Broken> {
        Ok(FaultProxy::start(server.address()).await?)
    }

    /// Ends a check that asserted the typed refusal of what the subject doesn't claim.
    pub fn declared_unsupported(&self, evidence: impl Into<String>) -> Finding {
        self.verdict.set(Outcome::DeclaredUnsupported);
        Ok(evidence.into())
    }

    /// Ends a check whose rule has nothing to bind in the subject.
    pub fn not_applicable(&self, evidence: impl Into<String>) -> Finding {
        self.verdict.set(Outcome::NotApplicable);
        Ok(evidence.into())
    }

    pub(crate) fn verdict(&self) -> Outcome {
        self.verdict.get()
    }
}

/// Waits until `condition` holds: for what announces itself by no event, such as the end of a
/// socket at the server. `limit` proves "not a hang"; it is no measure of speed.
///
/// # Errors
///
/// [`Broken`], which expects `what`, when it still doesn't hold after `limit`.
pub(crate) async fn eventually(
    limit: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> bool,
) -> Result<(), Broken> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    while !condition().await {
        if started.elapsed() > limit {
            return Err(Broken::new(what, format!("not so after {limit:?}")));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(20));
    }
    Ok(())
}

/// The outcome of `future`, which must come within `limit`: "not a hang".
///
/// # Errors
///
/// [`Broken`], which expects `what`, when it doesn't.
pub(crate) async fn within<F: Future>(
    limit: Duration,
    what: &str,
    future: F,
) -> Result<F::Output, Broken> {
    tokio::time::timeout(limit, future)
        .await
        .map_err(|_| Broken::new(what, format!("nothing within {limit:?}")))
}
