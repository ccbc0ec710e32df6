use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
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
    /// How many tasks there have been.
    tasks: AtomicU64,
    /// Which of them runs; zero for none. One that was aborted ends when its runtime comes round to it,
    /// after its successor has begun.
    runs: AtomicU64,
    /// When it has something to do next, in nanoseconds since `started`.
    due: AtomicU64,
}

impl<K: Kept> Upkeep<K> {
    /// The upkeep of what is `kept`; nothing runs yet.
    pub fn new(kept: K) -> Self {
        let watch = kept.ledger().needs_upkeep().then(|| {
            Arc::new(Watch {
                started: Instant::now(),
                tasks: AtomicU64::new(0),
                runs: AtomicU64::new(0),
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
        // It may never have a turn there.
        let running = Running::begin(watch, now);
        let run = keep_up(self.kept.clone(), running);
        if let Some(stuck) = task.replace(here.spawn(run)) {
            stuck.abort();
        }
    }

    /// Whether there is a task, or nothing to do for one. One load; it doesn't tell whether somebody
    /// drives the task's runtime.
    #[inline]
    pub fn runs(&self) -> bool {
        let watch = self.watch.as_ref();
        watch.is_none_or(|watch| watch.runs.load(Ordering::Acquire) > 0)
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
        self.runs.load(Ordering::Acquire) > 0
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

/// The running task, however it ends: by itself, aborted, or with its runtime.
struct Running {
    watch: Arc<Watch>,
    number: u64,
}

impl Running {
    /// A task that is due `now`, in place of the one before.
    fn begin(watch: &Arc<Watch>, now: Instant) -> Self {
        let number = watch.tasks.fetch_add(1, Ordering::Relaxed) + 1;
        watch.runs.store(number, Ordering::Release);
        watch.note_next(Some(now));
        Running {
            watch: watch.clone(),
            number,
        }
    }

    fn note_next(&self, due: Option<Instant>) {
        if self.watch.runs.load(Ordering::Acquire) == self.number {
            self.watch.note_next(due);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let runs = &self.watch.runs;
        let _ = runs.compare_exchange(self.number, 0, Ordering::Release, Ordering::Relaxed);
    }
}

async fn keep_up<K: Kept>(kept: K, running: Running) {
    let ledger: Arc<Ledger> = kept.ledger().clone();
    let mut opening = None;
    while !ledger.is_closed() {
        let now = Instant::now();
        let mut next = kept.end_expired(now);
        if ledger.keeps_some_idle() {
            kept.end_lost();
            next = earliest(next, now + LOOK_EVERY);
        }
        if opening.is_none() && kept.wants_one_more_idle() {
            opening = Some(Box::pin(kept.open_ahead()));
        }
        running.note_next(next);
        // A server may take its time to greet: all else goes on meanwhile, and the task is not late.
        let opened = match &mut opening {
            Some(opening) => match select(opening, pin!(until_wanted(&ledger, next))).await {
                Either::Left((opened, _)) => opened,
                Either::Right(_) => continue,
            },
            None => {
                until_wanted(&ledger, next).await;
                continue;
            }
        };
        opening = None;
        if let Err(again_at) = opened {
            let next = earliest(next, again_at);
            running.note_next(next);
            until_wanted(&ledger, next).await;
        }
    }
}

fn earliest(moment: Option<Instant>, other: Instant) -> Option<Instant> {
    Some(moment.map_or(other, |moment| moment.min(other)))
}

/// Waits until there is something to do, at `next` at the latest.
async fn until_wanted(ledger: &Ledger, next: Option<Instant>) {
    select(pin!(ledger.upkeep_wanted()), pin!(sleep_until(next))).await;
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    use respool_core::PoolConfig;
    use tokio::runtime::Builder;
    use tokio::sync::Semaphore;

    const LATER: Duration = Duration::from_secs(3_600);

    /// Has nothing to do until much later, unless one is to be opened ahead.
    #[derive(Clone)]
    struct Counted {
        ledger: Arc<Ledger>,
        turns: Arc<AtomicUsize>,
        opens: Arc<AtomicUsize>,
        go: Arc<Semaphore>,
    }

    impl Counted {
        fn new(min_idle: usize) -> Self {
            let mut config = PoolConfig::default();
            config.idle_timeout = Some(LATER);
            config.min_idle = min_idle;
            Counted {
                ledger: Ledger::new(&config),
                turns: Arc::default(),
                opens: Arc::default(),
                go: Arc::new(Semaphore::new(0)),
            }
        }

        fn turns(&self) -> usize {
            self.turns.load(Ordering::Relaxed)
        }

        fn opens(&self) -> usize {
            self.opens.load(Ordering::Relaxed)
        }
    }

    impl Kept for Counted {
        fn ledger(&self) -> &Arc<Ledger> {
            &self.ledger
        }

        fn end_expired(&self, now: Instant) -> Option<Instant> {
            self.turns.fetch_add(1, Ordering::Relaxed);
            Some(now + LATER)
        }

        fn end_lost(&self) {}

        fn wants_one_more_idle(&self) -> bool {
            self.ledger.keeps_some_idle()
        }

        async fn open_ahead(&self) -> Result<(), Instant> {
            self.opens.fetch_add(1, Ordering::Relaxed);
            self.go.acquire().await.unwrap().forget();
            Ok(())
        }
    }

    /// All that was spawned has its turn, and comes to its end if it was aborted.
    async fn all_have_a_turn() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn one_that_was_late_once_is_replaced_once() {
        let kept = Counted::new(0);
        let upkeep = Upkeep::new(kept.clone());
        upkeep.ensure();
        all_have_a_turn().await;
        assert_eq!(kept.turns(), 1);
        upkeep.ensure_at(Instant::now() + 2 * LATER);
        for _ in 0..1_000 {
            all_have_a_turn().await;
            upkeep.ensure();
        }
        assert_eq!(kept.turns(), 2);
        assert!(upkeep.runs());
    }

    #[tokio::test]
    async fn all_else_goes_on_while_one_is_opened_ahead() {
        let kept = Counted::new(1);
        let upkeep = Upkeep::new(kept.clone());
        upkeep.ensure();
        all_have_a_turn().await;
        for turns in 2..10 {
            kept.ledger.want_upkeep();
            all_have_a_turn().await;
            assert_eq!((kept.turns(), kept.opens()), (turns, 1));
        }
        kept.go.add_permits(1);
        all_have_a_turn().await;
        assert_eq!(kept.opens(), 2);
    }

    #[test]
    fn a_runtime_that_was_left_before_its_first_turn_is_left() {
        let runtimes =
            [(); 2].map(|()| Builder::new_current_thread().enable_all().build().unwrap());
        let kept = Counted::new(0);
        let upkeep = Upkeep::new(kept.clone());
        let here = runtimes[0].enter();
        upkeep.ensure();
        drop(here);
        runtimes[1].block_on(async {
            upkeep.ensure_at(Instant::now() + 2 * PATIENCE);
            all_have_a_turn().await;
        });
        assert_eq!(kept.turns(), 1);
    }
}
