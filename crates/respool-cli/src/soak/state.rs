use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use respool::Pool;
use tokio::sync::{Notify, RwLock};

/// For how long after a fault an operation that begins may still fail for it.
pub(super) const AFTERMATH: Duration = Duration::from_secs(2);

/// What tasks, faults and watchers of one run share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) pool: Pool,
    /// Each operation holds it for reading; a quiet moment takes it for writing.
    pub(super) quiet: RwLock<()>,
    pub(super) operations: AtomicU64,
    pub(super) cancelled: AtomicU64,
    pub(super) detached: Detached,
    /// The most connections that were allowed since the last quiet moment.
    pub(super) ceiling: AtomicUsize,
    stopped: AtomicBool,
    stop: Notify,
    weather: Mutex<Weather>,
    tallies: Mutex<Tallies>,
    breach: Mutex<Option<String>>,
}

/// What was counted by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Tallies {
    pub(super) errors: BTreeMap<String, u64>,
    pub(super) faults: BTreeMap<&'static str, u64>,
}

/// Connections that tasks keep for good, which the pool no longer answers for.
#[derive(Debug, Default)]
pub(super) struct Detached {
    now: AtomicUsize,
    most: AtomicUsize,
    /// One looks at a time.
    look: Mutex<()>,
}

/// When faults happen.
#[derive(Debug)]
struct Weather {
    rages: bool,
    faults: u64,
    last: &'static str,
    ended: Instant,
    /// Until when a client's end may stand behind bytes that nobody reads.
    muffled_until: Instant,
}

/// What the weather was when an operation began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forecast {
    calm: bool,
    faults: u64,
}

#[cfg(test)]
impl Forecast {
    pub(super) const CALM: Forecast = Forecast {
        calm: true,
        faults: 0,
    };
}

impl State {
    pub(super) fn new(pool: Pool) -> Self {
        State {
            ceiling: AtomicUsize::new(pool.config().max_size),
            pool,
            quiet: RwLock::new(()),
            operations: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            detached: Detached::default(),
            stopped: AtomicBool::new(false),
            stop: Notify::new(),
            weather: Mutex::new(Weather {
                rages: false,
                faults: 0,
                last: "nothing yet",
                ended: Instant::now(),
                muffled_until: Instant::now(),
            }),
            tallies: Mutex::default(),
            breach: Mutex::default(),
        }
    }

    /// An invariant does not hold: the first one counts, and ends the run.
    pub(super) fn breach(&self, account: impl Into<String>) {
        lock(&self.breach).get_or_insert_with(|| account.into());
        self.stop();
    }

    pub(super) fn first_breach(&self) -> Option<String> {
        lock(&self.breach).clone()
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.stop.notify_waiters();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Sleeps, for less when the run ends.
    pub(super) async fn sleep(&self, time: Duration) {
        let stop = self.stop.notified();
        if !self.is_stopped() {
            let _ = tokio::time::timeout(time, stop).await;
        }
    }

    pub(super) fn fault_begins(&self, name: &'static str) {
        *lock(&self.tallies).faults.entry(name).or_default() += 1;
        let mut weather = lock(&self.weather);
        weather.rages = true;
        weather.faults += 1;
        weather.last = name;
    }

    pub(super) fn fault_ends(&self) {
        let mut weather = lock(&self.weather);
        weather.rages = false;
        weather.ended = Instant::now();
    }

    /// For so long nothing passes, or not everything.
    pub(super) fn muffle(&self, time: Duration) {
        lock(&self.weather).muffled_until = Instant::now() + time + AFTERMATH;
    }

    /// Whether a client that has left can't be seen for what it sent before.
    pub(super) fn is_muffled(&self) -> bool {
        Instant::now() < lock(&self.weather).muffled_until
    }

    /// The last fault, and how long ago it was, for an account of what went wrong.
    pub(super) fn weather(&self) -> String {
        let weather = lock(&self.weather);
        match weather.rages {
            true => format!("during \"{}\"", weather.last),
            false => format!("{:?} after \"{}\"", weather.ended.elapsed(), weather.last),
        }
    }

    pub(super) fn forecast(&self) -> Forecast {
        let weather = lock(&self.weather);
        Forecast {
            calm: !weather.rages && weather.ended.elapsed() >= AFTERMATH,
            faults: weather.faults,
        }
    }

    /// Whether no fault can be the cause of an error of an operation that began with `forecast`.
    pub(super) fn stayed_calm(&self, forecast: Forecast) -> bool {
        forecast.calm && lock(&self.weather).faults == forecast.faults
    }

    pub(super) fn count_error(&self, kind: String) {
        *lock(&self.tallies).errors.entry(kind).or_default() += 1;
    }

    pub(super) fn tallies(&self) -> Tallies {
        lock(&self.tallies).clone()
    }
}

impl Detached {
    /// One more, from before it leaves the pool until the guard is dropped.
    pub(super) fn keep(&self) -> Kept<'_> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        Kept(self)
    }

    /// What `look` gives, and the most that there were at once while it did.
    pub(super) fn most_during<T>(&self, look: impl FnOnce() -> T) -> (T, usize) {
        let _alone = lock(&self.look);
        // In this order: who comes between the two is counted by either.
        self.most.store(0, Ordering::SeqCst);
        let first = self.now.load(Ordering::SeqCst);
        let seen = look();
        (seen, self.most.load(Ordering::SeqCst).max(first))
    }
}

/// See [`Detached::keep`].
#[derive(Debug)]
pub(super) struct Kept<'a>(&'a Detached);

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_during_a_look_is_counted_and_who_left_before_is_not() {
        let detached = Detached::default();
        drop(detached.keep());
        let stays = detached.keep();
        let leaves = detached.keep();
        assert_eq!(detached.most_during(|| drop(leaves)).1, 2);
        assert_eq!(detached.most_during(|| drop(stays)).1, 1);
        assert_eq!(detached.most_during(|| drop(detached.keep())).1, 1);
        assert_eq!(detached.most_during(|| ()).1, 0);
    }
}
