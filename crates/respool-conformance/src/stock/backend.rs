use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, Value};
use respool_core::{
    Backend, BackendInfo, Capabilities, CloseReason, Connection, Deadline, PoolConfig, PoolError,
    Status, TimeoutKind,
};

/// A connection as the library hands it out, under the redis crate's trait.
pub(super) type Taken = Box<dyn ConnectionLike + Send + Sync>;

/// A library's pool or client: as little as a check needs. Its `Debug` is that of what a user of
/// the library holds.
#[async_trait]
pub(super) trait StockPool: Debug + Send + Sync + 'static {
    /// The library's own way to a connection, under its own limit. Errors are the library's own, in
    /// a `PoolError::Backend` of this name.
    async fn take(&self, name: &'static str) -> Result<Taken, PoolError>;

    /// What the library shows of itself. The default is for those that show nothing.
    fn figures(&self) -> Status {
        Status::default()
    }

    /// The library's own end, where it has one.
    async fn close(&self) {}
}

/// Whose figures a pool's status shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figures {
    /// What the adapter counts: checks steer by it, and judge nothing by it.
    Counted,
    /// What the library shows: for the rules about figures.
    Shown,
}

/// A library's pool under the contract's trait. It adds nothing but a count of holders and waiters.
#[derive(Debug)]
pub(super) struct StockBackend<P> {
    pool: P,
    info: BackendInfo,
    max_size: usize,
    get_timeout: Option<Duration>,
    figures: Figures,
    in_use: Arc<AtomicUsize>,
    waiting: Arc<AtomicUsize>,
}

impl<P: StockPool> StockBackend<P> {
    pub(super) fn new(pool: P, info: BackendInfo, config: &PoolConfig, figures: Figures) -> Self {
        StockBackend {
            pool,
            info,
            max_size: config.max_size,
            get_timeout: config.get_timeout,
            figures,
            in_use: Arc::default(),
            waiting: Arc::default(),
        }
    }

    /// Whether a caller has less time than the library was told.
    fn is_in_a_hurry(&self, deadline: Deadline) -> bool {
        const SLACK: Duration = Duration::from_millis(10);
        let left = |at: Instant| at.saturating_duration_since(Instant::now());
        match (deadline.at().map(left), self.get_timeout) {
            (Some(left), Some(told)) => left + SLACK < told,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

#[async_trait]
impl<P: StockPool> Backend for StockBackend<P> {
    /// Nothing at once: none of them can without an await.
    fn try_get(&self) -> Option<Box<dyn Connection>> {
        None
    }

    /// Under the library's own limit. A caller with less time puts a time-out around it, as users of
    /// the library do.
    async fn get(&self, deadline: Deadline) -> Result<Box<dyn Connection>, PoolError> {
        let waiting = Counted::one_more(&self.waiting);
        let take = self.pool.take(self.info.name);
        let taken = match self.is_in_a_hurry(deadline) {
            false => take.await?,
            true => deadline.limit(take).await.unwrap_or_else(|| {
                let (waited, status) = (deadline.waited(), self.status());
                Err(PoolError::timeout(TimeoutKind::Wait, waited, status, None))
            })?,
        };
        drop(waiting);
        Ok(Box::new(StockConnection {
            taken,
            _in_use: Counted::one_more(&self.in_use),
        }))
    }

    fn status(&self) -> Status {
        let mut status = match self.figures {
            Figures::Shown => self.pool.figures(),
            Figures::Counted => {
                let mut status = Status::default();
                status.in_use = self.in_use.load(Ordering::SeqCst);
                status.waiting = self.waiting.load(Ordering::SeqCst);
                status
            }
        };
        status.max_size = self.max_size;
        status
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE
    }

    fn info(&self) -> &BackendInfo {
        &self.info
    }

    async fn close(&self, _grace: Duration) {
        self.pool.close().await;
    }

    /// The library's handle is dropped right after this, as its users would.
    fn close_now(&self) {}
}

/// One that counts for as long as it lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn one_more(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Counted(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

struct StockConnection {
    taken: Taken,
    _in_use: Counted,
}

impl ConnectionLike for StockConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        self.taken.req_packed_command(command)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.taken.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.taken.get_db()
    }
}

/// A user of the library has no such calls, and a bare pool makes none.
impl Connection for StockConnection {
    fn owe_reply(&mut self) {}

    fn condemn(&mut self, _reason: CloseReason) {}

    fn detach(self: Box<Self>) -> Result<Box<dyn respool_core::Detached>, PoolError> {
        Err(PoolError::unsupported(
            "detach",
            "stock",
            "use the library itself",
        ))
    }
}
