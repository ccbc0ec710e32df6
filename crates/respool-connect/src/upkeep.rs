use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures_util::future::select;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::{Dial, Dialler, Ledger};

/// How late the upkeep may be before another runtime takes it over.
const PATIENCE: Duration = Duration::from_millis(500);

/// How often connections that `min_idle` counts on are looked at: nobody may come to notice that the
/// server has closed them.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a pool does without being asked: it ends idle connections whose time is up, and opens some
/// ahead where `min_idle` asks for them (LIFE-4).
///
/// One task does it, on a runtime that uses the pool: there is no other. When that runtime ends, or
/// nobody drives it, the next `get` starts the task anew where it runs itself; until then nothing is
/// lost, because a connection is looked at before it is handed out.
pub struct Upkeep<K: Kept> {
    kept: K,
    watch: Option<Arc<Watch>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What an upkeep keeps: a pool's connections, however they are stored.
pub trait Kept: Clone + Send + Sync + 'static {
    /// Counts them.
    fn ledger(&self) -> &Arc<Ledger>;

    /// Ends the idle ones whose time is up at `now`, and says when the next one's may be.
    fn end_expired(&self, now: Instant) -> Option<Instant>;

    /// Ends the idle ones that the server has ended.
    fn end_lost(&self);

    /// Whether fewer are idle than `min_idle` asks for, and one more may be opened.
    fn wants_one_more_idle(&self) -> bool;

    /// Opens one that nobody has asked for yet. After a failure, says when to try again. Dropping the
    /// future gives up.
    fn open_ahead(&self) -> impl Future<Output = Result<(), Instant>> + Send;
}

impl<D: Dial> Kept for Dialler<D> {
    fn ledger(&self) -> &Arc<Ledger> {
        Dialler::ledger(self)
    }

    fn end_expired(&self, now: Instant) -> Option<Instant> {
        let next = Dialler::ledger(self).end_expired(now);
        self.forget_ended();
        next
    }

    fn end_lost(&self) {
        Dialler::ledger(self).end_lost();
        self.forget_ended();
    }

    fn wants_one_more_idle(&self) -> bool {
        Dialler::ledger(self).wants_one_more_idle()
    }

    async fn open_ahead(&self) -> Result<(), Instant> {
        Dialler::open_ahead(self).await
    }
}

/// How the task is doing, for those who can't see its runtime.
struct Watch {
    started: Instant,
    runs: AtomicBool,
    /// When it has something to do next, in nanoseconds since `started`.
    due: AtomicU64,
}

impl<K: Kept> Upkeep<K> {
    /// The upkeep of what is `kept`; nothing runs yet.
    pub fn new(kept: K) -> Self {
        let watch = kept.ledger().needs_upkeep().then(|| {
            Arc::new(Watch {
                started: Instant::now(),
                runs: AtomicBool::new(false),
                due: AtomicU64::new(u64::MAX),
            })
        });
        Upkeep {
            kept,
            watch,
            task: Mutex::default(),
        }
    }

    /// Sees to it that it runs, if the caller is on a runtime. Two loads when all is well.
    pub fn ensure(&self) {
        self.ensure_at(Instant::now());
    }

    /// The same for a caller who knows what time it is.
    pub fn ensure_at(&self, now: Instant) {
        let Some(watch) = &self.watch else {
            return;
        };
        if watch.is_in_time(now) {
            return;
        }
        let Ok(here) = Handle::try_current() else {
            return;
        };
        let mut task = self.task();
        if watch.is_in_time(now) || self.kept.ledger().is_closed() {
            return;
        }
        watch.runs.store(true, Ordering::Release);
        watch.note_next(None);
        let run = keep_up(self.kept.clone(), Running(watch.clone()));
        if let Some(stuck) = task.replace(here.spawn(run)) {
            stuck.abort();
        }
    }

    /// Whether there is a task, or nothing to do for one. One load; it doesn't tell whether somebody
    /// drives the task's runtime.
    #[inline]
    pub fn runs(&self) -> bool {
        let watch = self.watch.as_ref();
        watch.is_none_or(|watch| watch.runs.load(Ordering::Acquire))
    }

    /// Ends it, and waits until its task is gone. Dropping the future has ended it all the same.
    pub async fn end(&self) {
        if let Some(task) = self.end_now() {
            let _ = task.await;
        }
    }

    /// Ends it; its task is gone as soon as its runtime has a turn.
    pub fn end_now(&self) -> Option<JoinHandle<()>> {
        let task = self.task().take();
        if let Some(task) = &task {
            task.abort();
        }
        task
    }

    fn task(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.task
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Watch {
    fn is_in_time(&self, now: Instant) -> bool {
        self.runs.load(Ordering::Acquire)
            && match self.due.load(Ordering::Relaxed) {
                u64::MAX => true,
                due => {
                    let passed = now.saturating_duration_since(self.started);
                    passed <= Duration::from_nanos(due) + PATIENCE
                }
            }
    }

    fn note_next(&self, due: Option<Instant>) {
        let nanoseconds = due
            .map(|due| due.saturating_duration_since(self.started).as_nanos())
            .and_then(|due| u64::try_from(due).ok());
        let nanoseconds = nanoseconds.unwrap_or(u64::MAX);
        self.due.store(nanoseconds, Ordering::Relaxed);
    }
}

/// The running task, however it ends: by itself, or with its runtime.
struct Running(Arc<Watch>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.runs.store(false, Ordering::Release);
    }
}

async fn keep_up<K: Kept>(kept: K, running: Running) {
    let ledger: Arc<Ledger> = kept.ledger().clone();
    while !ledger.is_closed() {
        let now = Instant::now();
        let mut next = kept.end_expired(now);
        if ledger.keeps_some_idle() {
            kept.end_lost();
            next = [next, Some(now + LOOK_EVERY)].into_iter().flatten().min();
        }
        if kept.wants_one_more_idle() {
            match kept.open_ahead().await {
                Ok(()) => continue,
                Err(again_at) => next = [next, Some(again_at)].into_iter().flatten().min(),
            }
        }
        running.0.note_next(next);
        select(pin!(ledger.upkeep_wanted()), pin!(sleep_until(next))).await;
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => pending().await,
    }
}
