use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use respool_connect::{CloseNow, Opening, Parting, Place, Socket, pause};
use respool_core::ConnectError;
use tokio::runtime::{Handle, Id};

use crate::connection::NativeConnection;
use crate::handshake::shake_hands;
use crate::queue::Word;
use crate::shared::Shared;
use crate::wire::Wire;

impl Shared {
    /// Starts a task that dials for those who wait, which was counted already. Never under the lock:
    /// on a runtime that is ending a task is dropped as it is spawned, and takes the lock.
    pub(crate) fn dial(self: &Arc<Self>, home: Id) {
        let task = DialTask {
            shared: self.clone(),
            home,
            has_served: Cell::new(false),
        };
        let handle = self.ledger.spawn_attempt(task.run()).abort_handle();
        self.note_task(handle);
    }

    /// Opens a connection that nobody has asked for yet: it goes to whoever waits, or is idle.
    pub(crate) async fn open_ahead(self: &Arc<Self>) -> Result<(), Instant> {
        let shared = self.clone();
        let attempt = async move { shared.try_to_open_ahead().await };
        // Given up for others: the upkeep looks again.
        self.ledger.attempt(attempt).await.unwrap_or(Ok(()))
    }

    async fn try_to_open_ahead(self: &Arc<Self>) -> Result<(), Instant> {
        let home = Handle::current().id();
        if let Some(pause) = self.pause_of_the_rate() {
            return Err(Instant::now() + pause);
        }
        let task = {
            let mut slots = self.slots();
            let now = Instant::now();
            match slots.retry_at {
                Some(retry_at) if now < retry_at => return Err(retry_at),
                // Whoever waits tries already, one at a time.
                _ if slots.failures > 0 && slots.dialling_in_all() > 0 => {
                    return Err(now + pause(slots.failures));
                }
                _ => {}
            }
            slots.began_to_dial(home);
            DialTask {
                shared: self.clone(),
                home,
                has_served: Cell::new(false),
            }
        };
        match self.dial_once().await {
            Ok(connection) => {
                task.succeeded(connection);
                Ok(())
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Waits where too many connections broke lately. Dropping it loses nothing.
    pub(crate) async fn keep_to_the_rate(&self) {
        if let Some(pause) = self.pause_of_the_rate() {
            tokio::time::sleep(pause).await;
        }
    }

    fn pause_of_the_rate(&self) -> Option<Duration> {
        self.dial_rate.pause(Instant::now(), self.ledger.max_size())
    }

    async fn dial_once(self: &Arc<Self>) -> Result<Box<NativeConnection>, ConnectError> {
        let (wire, place) = self.open_another().await?;
        Ok(Box::new(NativeConnection::new(wire, self.clone(), place)))
    }

    /// Opens a connection in a slot that the caller has, within `connect_timeout`. Dropping the future
    /// gives up.
    pub(crate) async fn open_another(&self) -> Result<(Wire, Place), ConnectError> {
        let opening = self.ledger.opening().await;
        let open = self.open(opening);
        match self.config.connect_timeout {
            None => open.await,
            Some(limit) => match tokio::time::timeout(limit, open).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    let address = self.config.endpoint.to_string();
                    Err(ConnectError::timed_out(address, limit))
                }
            },
        }
    }

    async fn open(&self, opening: Opening) -> Result<(Wire, Place), ConnectError> {
        let endpoint = &self.config.endpoint;
        let failed = |error: std::io::Error| ConnectError::at(endpoint, error.into());
        let (connected, opening) = opening.until(self.route.connect()).await;
        let socket = connected.map_err(failed)?;
        let half_open = HalfOpen {
            socket: socket.clone(),
            opening: Some(opening),
        };
        let greeted = match self.route.secure(&socket).await {
            Ok(()) => shake_hands(socket.clone(), &self.config).await,
            Err(error) => Err(error.into()),
        };
        let wire = match greeted {
            Ok(wire) => wire,
            Err(error) => return Err(self.route.why(&socket, error).await),
        };
        let place = half_open
            .opened()
            .ok_or_else(|| failed(std::io::ErrorKind::NotConnected.into()))?;
        Ok((wire, place))
    }

    /// Takes note of a failure, and says when to try again.
    pub(crate) fn failed(&self, error: &ConnectError) -> Instant {
        tracing::warn!(%error, "could not connect");
        let mut slots = self.slots();
        slots.failures = slots.failures.saturating_add(1);
        let retry_at = Instant::now() + pause(slots.failures);
        slots.retry_at = Some(retry_at);
        slots.last_error = Some(error.clone());
        retry_at
    }
}

/// A task that dials, from its spawning to its end, however that comes.
struct DialTask {
    shared: Arc<Shared>,
    home: Id,
    /// It opened a connection, which somebody has.
    has_served: Cell<bool>,
}

impl DialTask {
    async fn run(self) {
        let shared = &self.shared;
        loop {
            let retry_at = shared.slots().retry_at;
            if let Some(retry_at) = retry_at {
                tokio::time::sleep_until(retry_at.into()).await;
            }
            shared.keep_to_the_rate().await;
            if !self.is_wanted() {
                return;
            }
            match shared.dial_once().await {
                Ok(connection) => return self.succeeded(connection),
                Err(error) => {
                    shared.failed(&error);
                    if error.is_permanent() {
                        let told = {
                            let mut slots = shared.slots();
                            slots
                                .queue
                                .tell_all(|| Word::Failed(Box::new(error.clone())))
                        };
                        for waker in told {
                            waker.wake();
                        }
                        return;
                    }
                    // After a failure one task dials for all.
                    if shared.slots().dialling(self.home) > 1 {
                        return;
                    }
                }
            }
        }
    }

    /// Whether anybody still waits for what it opens.
    fn is_wanted(&self) -> bool {
        let slots = self.shared.slots();
        !slots.closed && !slots.queue.is_empty() && slots.open < slots.max_size
    }

    /// Hands over what was opened, and ends.
    fn succeeded(&self, connection: Box<NativeConnection>) {
        let (returned, had_failed) = {
            let mut slots = self.shared.slots();
            let had_failed = slots.failures > 0;
            slots.opened();
            // In one step: nobody may find no room for what is open already.
            slots.ended_to_dial(self.home);
            self.has_served.set(true);
            (slots.take_back(connection), had_failed)
        };
        Shared::settle_return(returned);
        if had_failed {
            // The others have waited for this one's outcome.
            self.shared.rouse();
        }
    }
}

impl Drop for DialTask {
    fn drop(&mut self) {
        if !self.has_served.get() {
            self.shared.slots().ended_to_dial(self.home);
            // Whoever still waits starts another, on a runtime that is there.
            self.shared.rouse_if_there_is_room();
        }
        self.shared.tell_that_one_left();
    }
}

/// A connection in its handshake. However it ends, the server may know of it.
struct HalfOpen {
    socket: Arc<Socket>,
    opening: Option<Opening>,
}

impl HalfOpen {
    fn opened(mut self) -> Option<Place> {
        let closer: Arc<dyn CloseNow> = self.socket.clone();
        Some(self.opening.take()?.opened(closer))
    }
}

impl Drop for HalfOpen {
    fn drop(&mut self) {
        if let Some(opening) = self.opening.take() {
            self.socket.say_goodbye();
            opening.failed(Parting::Watched(self.socket.clone()));
        }
    }
}
