use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

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
pub(crate) struct Upkeep<D: Dial> {
    dialler: Dialler<D>,
    watch: Option<Arc<Watch>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// How the task is doing, for those who can't see its runtime.
struct Watch {
    started: Instant,
    runs: AtomicBool,
    /// When it has something to do next, in nanoseconds since `started`.
    due: AtomicU64,
}

impl<D: Dial> Upkeep<D> {
    /// The upkeep of the pool that `dialler` opens connections for; nothing runs yet.
    pub(crate) fn new(dialler: Dialler<D>) -> Self {
        let watch = dialler.ledger().needs_upkeep().then(|| {
            Arc::new(Watch {
                started: Instant::now(),
                runs: AtomicBool::new(false),
                due: AtomicU64::new(u64::MAX),
            })
        });
        Upkeep {
            dialler,
            watch,
            task: Mutex::default(),
        }
    }

    /// Sees to it that it runs, if the caller is on a runtime. Two loads when all is well.
    pub(crate) fn ensure(&self) {
        let Some(watch) = &self.watch else {
            return;
        };
        if watch.is_in_time() {
            return;
        }
        let Ok(here) = Handle::try_current() else {
            return;
        };
        let mut task = self.task();
        if watch.is_in_time() || self.dialler.ledger().is_closed() {
            return;
        }
        watch.runs.store(true, Ordering::Release);
        watch.note_next(None);
        let run = keep_up(self.dialler.clone(), Running(watch.clone()));
        if let Some(stuck) = task.replace(here.spawn(run)) {
            stuck.abort();
        }
    }

    /// Ends it, and waits until its task is gone. Dropping the future has ended it all the same.
    pub(crate) async fn end(&self) {
        if let Some(task) = self.end_now() {
            let _ = task.await;
        }
    }

    /// Ends it; its task is gone as soon as its runtime has a turn.
    pub(crate) fn end_now(&self) -> Option<JoinHandle<()>> {
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
    fn is_in_time(&self) -> bool {
        self.runs.load(Ordering::Acquire)
            && match self.due.load(Ordering::Relaxed) {
                u64::MAX => true,
                due => self.started.elapsed() <= Duration::from_nanos(due) + PATIENCE,
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

async fn keep_up<D: Dial>(dialler: Dialler<D>, running: Running) {
    let ledger: Arc<Ledger> = dialler.ledger().clone();
    while !ledger.is_closed() {
        let now = Instant::now();
        let mut next = ledger.end_expired(now);
        if ledger.keeps_some_idle() {
            ledger.end_lost();
            next = [next, Some(now + LOOK_EVERY)].into_iter().flatten().min();
        }
        dialler.forget_ended();
        if ledger.wants_one_more_idle() {
            match dialler.open_ahead().await {
                Ok(()) => continue,
                Err(again_at) => next = [next, Some(again_at)].into_iter().flatten().min(),
            }
        }
        running.0.note_next(next);
        tokio::select! {
            () = ledger.upkeep_wanted() => {}
            () = sleep_until(next) => {}
        }
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => pending().await,
    }
}
