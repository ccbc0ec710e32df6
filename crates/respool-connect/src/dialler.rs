mod dial_task;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use respool_core::{ConnectError, PoolConfig, PoolError};
use tokio::runtime::{Handle, Id};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::back_off;
use crate::poll::wants_only_what_is_there;
use crate::{Glance, Ledger, Link, Opening};
use dial_task::DialTask;

/// Opens one connection.
#[async_trait]
pub trait Dial: Send + Sync + 'static {
    /// What it opens.
    type Link: Link;

    /// Refuses settings that no connection could be opened with, such as a file that isn't there.
    /// Asked once, when the pool is built.
    ///
    /// # Errors
    ///
    /// [`PoolError::Config`], which names the setting.
    fn check(&self) -> Result<(), PoolError> {
        Ok(())
    }

    /// Opens a connection and performs its handshake. Limits no time: the [`Dialler`] does.
    async fn dial(&self, opening: Opening) -> Result<Self::Link, ConnectError>;
}

/// Opens connections for callers who may give up, to a server that may be down.
///
/// - A connection is opened in a task of its own: a caller who gives up throws none away, it goes
///   to whoever asks next (GET-6).
/// - No more are opened than callers ask for (GET-6), nor than the ledger has permits (GET-2).
/// - After a failure one attempt at a time is made, with growing pauses, and all callers wait for
///   its outcome (LIFE-3). What won't get better by itself, such as a refused login, is told to
///   them at once, and asked again only after a pause.
/// - A task that dies with its runtime is replaced by one on the runtime of a caller who is still
///   there (LIFE-5).
pub struct Dialler<D: Dial> {
    shared: Arc<Shared<D>>,
}

struct Shared<D: Dial> {
    dial: D,
    ledger: Arc<Ledger>,
    address: String,
    connect_timeout: Option<Duration>,
    state: Mutex<State<D::Link>>,
}

/// The lock is never held across an await, and no link is dropped under it.
struct State<L> {
    /// Opened, but whoever asked has gone.
    ready: Vec<L>,
    askers: VecDeque<WhoAsks<L>>,
    /// Tasks that dial, by the runtime that they run on.
    dialling: HashMap<Id, usize>,
    tasks: Vec<AbortHandle>,
    failures: u32,
    retry_at: Option<Instant>,
    last_error: Option<ConnectError>,
    closed: bool,
}

struct WhoAsks<L> {
    home: Id,
    answer: oneshot::Sender<Answer<L>>,
}

enum Answer<L> {
    Opened(L),
    Failed(ConnectError),
    Closed,
    /// The task that dialled has gone with its runtime: ask again.
    AskAgain,
}

impl<D: Dial> Dialler<D> {
    /// A dialler for the pool of `config`, whose connections `ledger` counts.
    pub fn new(dial: D, config: &PoolConfig, ledger: Arc<Ledger>) -> Self {
        Dialler {
            shared: Arc::new(Shared {
                dial,
                ledger,
                address: config.endpoint.to_string(),
                connect_timeout: config.connect_timeout,
                state: Mutex::new(State {
                    ready: Vec::new(),
                    askers: VecDeque::new(),
                    dialling: HashMap::new(),
                    tasks: Vec::new(),
                    failures: 0,
                    retry_at: None,
                    last_error: None,
                    closed: false,
                }),
            }),
        }
    }

    /// A new connection: one that was opened for somebody who has gone, or one opened now. Waits
    /// for as long as it takes, trying again with pauses while the server can't be reached.
    ///
    /// Dropping the future loses nothing: the connection goes to whoever asks next.
    ///
    /// # Errors
    ///
    /// [`PoolError::Connect`] for what won't get better by itself, [`PoolError::Closed`].
    pub async fn connect(&self) -> Result<D::Link, PoolError> {
        if wants_only_what_is_there() {
            return self.try_ready().ok_or_else(|| {
                // Never seen by a user: `try_take` makes it "nothing idle".
                PoolError::config("try_get", "no connection is ready")
            });
        }
        let _asker = self.shared.ledger.asker();
        loop {
            let mut asker = match self.ask()? {
                Ask::Ready(link) => return Ok(link),
                Ask::Wait(asker) => asker,
            };
            match asker.answer().await {
                Answer::Opened(link) => return Ok(link),
                Answer::Failed(error) => return Err(error.into()),
                Answer::Closed => return Err(PoolError::Closed),
                // The runtime may be ending around us: give it the chance to.
                Answer::AskAgain => tokio::task::yield_now().await,
            }
        }
    }

    /// A connection that came back: to whoever waits for one to be opened, which a server that is
    /// slow, full or down may not allow for long. If nobody does any more, it is kept ready.
    pub(crate) fn hand_over(&self, link: D::Link) {
        self.shared.deliver(link);
    }

    /// The ledger that counts its connections.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.shared.ledger
    }

    /// Opens a connection that nobody has asked for yet: it goes to the first who does, or is kept
    /// ready. After a failure, says when to try again. Dropping the future gives up.
    pub(crate) async fn open_ahead(&self) -> Result<(), Instant> {
        let dialler = self.clone();
        let attempt = async move { dialler.try_to_open_ahead().await };
        // Given up for others: the upkeep looks again.
        let outcome = self.shared.ledger.attempt(attempt).await;
        outcome.unwrap_or(Ok(()))
    }

    async fn try_to_open_ahead(&self) -> Result<(), Instant> {
        let home = Handle::current().id();
        let dialling = {
            let mut state = self.shared.state();
            let now = Instant::now();
            match state.retry_at {
                Some(retry_at) if now < retry_at => return Err(retry_at),
                // Whoever waits tries already, one at a time.
                _ if state.failures > 0 && !state.dialling.is_empty() => {
                    return Err(now + back_off::pause(state.failures));
                }
                _ => {}
            }
            *state.dialling.entry(home).or_insert(0) += 1;
            DialTask {
                shared: self.shared.clone(),
                home,
            }
        };
        match dialling.shared.dial_once().await {
            Ok(link) => {
                dialling.shared.succeeded();
                dialling.shared.deliver(link);
                Ok(())
            }
            Err(error) => Err(dialling.shared.failed(&error)),
        }
    }

    /// Drops what was kept ready and has ended since.
    pub(crate) fn forget_ended(&self) {
        let mut state = self.shared.state();
        let ended: Vec<_> = state
            .ready
            .extract_if(.., |link| matches!(link.glance(), Glance::Unfit(_)))
            .collect();
        drop(state);
        drop(ended);
    }

    /// Whether a connection is ready without dialling.
    pub fn has_ready(&self) -> bool {
        !self.shared.state().ready.is_empty()
    }

    /// A connection that is ready without dialling, if there is one.
    pub fn try_ready(&self) -> Option<D::Link> {
        self.shared.take_ready()
    }

    /// The last failure to connect, if there was no success since.
    pub fn last_error(&self) -> Option<ConnectError> {
        self.shared.state().last_error.clone()
    }

    /// Ends it: whoever asks gets [`PoolError::Closed`], connections being opened are given up.
    pub fn close(&self) {
        let (askers, tasks, ready) = {
            let mut state = self.shared.state();
            state.closed = true;
            (
                std::mem::take(&mut state.askers),
                std::mem::take(&mut state.tasks),
                std::mem::take(&mut state.ready),
            )
        };
        for asker in askers {
            let _ = asker.answer.send(Answer::Closed);
        }
        for task in tasks {
            task.abort();
        }
        self.shared.ledger.give_up_attempts();
        drop(ready);
    }

    fn ask(&self) -> Result<Ask<D>, PoolError> {
        if let Some(link) = self.shared.take_ready() {
            return Ok(Ask::Ready(link));
        }
        let Ok(here) = Handle::try_current().map(|here| here.id()) else {
            return Err(PoolError::NoRuntime);
        };
        let mut state = self.shared.state();
        if state.closed {
            return Err(PoolError::Closed);
        }
        if let (Some(error), Some(retry_at)) = (&state.last_error, state.retry_at)
            && error.is_permanent()
            && Instant::now() < retry_at
        {
            return Err(error.clone().into());
        }
        let (sender, receiver) = oneshot::channel();
        state.askers.push_back(WhoAsks {
            home: here,
            answer: sender,
        });
        let needed = state.count_needed(here);
        drop(state);
        self.shared.dial(needed, here);
        Ok(Ask::Wait(Asker {
            shared: self.shared.clone(),
            receiver,
        }))
    }
}

impl<D: Dial> Shared<D> {
    fn state(&self) -> MutexGuard<'_, State<D::Link>> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A ready connection that is still fit.
    fn take_ready(&self) -> Option<D::Link> {
        loop {
            let mut link = self.state().ready.pop()?;
            match link.glance() {
                Glance::Fit | Glance::Unsettled => return Some(link),
                Glance::Unfit(reason) => link.condemn(reason),
            }
        }
    }

    /// Starts tasks that dial, which were counted already. Never under the lock: on a runtime that
    /// is ending a task is dropped as it is spawned, and takes the lock.
    fn dial(self: &Arc<Self>, tasks: usize, home: Id) {
        for _ in 0..tasks {
            let task = DialTask {
                shared: self.clone(),
                home,
            };
            let handle = self.ledger.spawn_attempt(task.run()).abort_handle();
            let mut state = self.state();
            if state.closed {
                handle.abort();
            }
            state.tasks.retain(|task| !task.is_finished());
            state.tasks.push(handle);
        }
    }

    /// Gives an opened connection to the first who still asks, or keeps it.
    fn deliver(&self, mut link: D::Link) {
        loop {
            let mut state = self.state();
            if state.closed {
                drop(state);
                return;
            }
            match state.askers.pop_front() {
                None => {
                    state.ready.push(link);
                    return;
                }
                Some(asker) => match asker.answer.send(Answer::Opened(link)) {
                    Ok(()) => return,
                    Err(Answer::Opened(returned)) => link = returned,
                    Err(_) => return,
                },
            }
        }
    }

    /// Tells everybody who asks on `home`, or everywhere.
    fn answer_all(&self, home: Option<Id>, answer: impl Fn() -> Answer<D::Link>) {
        let told: Vec<_> = {
            let mut state = self.state();
            let all = std::mem::take(&mut state.askers);
            let (told, others) = all
                .into_iter()
                .partition::<Vec<_>, _>(|asker| home.is_none_or(|home| asker.home == home));
            state.askers = others.into();
            told
        };
        for asker in told {
            let _ = asker.answer.send(answer());
        }
    }

    fn succeeded(&self) {
        let mut state = self.state();
        state.failures = 0;
        state.retry_at = None;
        state.last_error = None;
    }

    /// Takes note of a failure, and says when to try again.
    fn failed(&self, error: &ConnectError) -> Instant {
        tracing::warn!(%error, "could not connect");
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        let retry_at = Instant::now() + back_off::pause(state.failures);
        state.retry_at = Some(retry_at);
        state.last_error = Some(error.clone());
        retry_at
    }

    async fn dial_once(&self) -> Result<D::Link, ConnectError> {
        let opening = self.ledger.opening().await;
        let dial = self.dial.dial(opening);
        match self.connect_timeout {
            None => dial.await,
            Some(limit) => match tokio::time::timeout(limit, dial).await {
                Ok(outcome) => outcome,
                Err(_) => Err(ConnectError::timed_out(self.address.as_str(), limit)),
            },
        }
    }
}

impl<L> State<L> {
    /// Counts, as dialling already, the tasks that the callers of runtime `home` need: one each;
    /// after a failure, one for all.
    ///
    /// Each runtime dials for its own callers: one that nobody drives holds up nobody else (LIFE-5).
    fn count_needed(&mut self, home: Id) -> usize {
        let wanted = match self.failures {
            0 => self.asking(home),
            _ => self.asking(home).min(1),
        };
        let dialling = self.dialling.entry(home).or_insert(0);
        let needed = wanted.saturating_sub(*dialling);
        *dialling += needed;
        needed
    }

    /// Callers of runtime `home` that still ask.
    fn asking(&mut self, home: Id) -> usize {
        self.askers.retain(|asker| !asker.answer.is_closed());
        self.askers
            .iter()
            .filter(|asker| asker.home == home)
            .count()
    }

    fn dialling(&self, home: Id) -> usize {
        self.dialling.get(&home).copied().unwrap_or(0)
    }
}

enum Ask<D: Dial> {
    Ready(D::Link),
    Wait(Asker<D>),
}

/// A caller that waits for its answer. What was sent to one who has gone goes to the next.
struct Asker<D: Dial> {
    shared: Arc<Shared<D>>,
    receiver: oneshot::Receiver<Answer<D::Link>>,
}

impl<D: Dial> Asker<D> {
    async fn answer(&mut self) -> Answer<D::Link> {
        (&mut self.receiver).await.unwrap_or(Answer::AskAgain)
    }
}

impl<D: Dial> Drop for Asker<D> {
    fn drop(&mut self) {
        self.receiver.close();
        if let Ok(Answer::Opened(link)) = self.receiver.try_recv() {
            self.shared.deliver(link);
        }
    }
}

impl<D: Dial> Clone for Dialler<D> {
    fn clone(&self) -> Self {
        Dialler {
            shared: self.shared.clone(),
        }
    }
}

impl<D: Dial> fmt::Debug for Dialler<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialler")
            .field("address", &self.shared.address)
            .finish_non_exhaustive()
    }
}
