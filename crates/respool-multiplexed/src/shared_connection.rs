use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use redis::RedisError;
use redis::aio::MultiplexedConnection;
use respool_connect::{CloseNow, Glance, Look, Parting, Place, SharedParts, Socket};
use respool_core::CloseReason;
use tokio::runtime::Id;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;

/// A connection that many commands share.
pub(crate) struct SharedConnection {
    pub(crate) handle: MultiplexedConnection,
    socket: Arc<Socket>,
    pub(crate) home: Id,
    driver: AbortHandle,
    load: Mutex<Load>,
}

/// What is under way, and what the connection holds of the pool until it is retired.
struct Load {
    in_flight: usize,
    /// It takes no new commands, and why it ends with the last that is under way.
    leaves: Option<CloseReason>,
    /// Since when commands wait, and how much the server had sent by then. Callers who give up
    /// leave it as it is: each of them may be less patient than `response_timeout`, and yet between
    /// them they notice that nothing comes (CMD-4).
    silent: Option<Silence>,
    holds: Option<(Place, OwnedSemaphorePermit)>,
}

struct Silence {
    since: Instant,
    reads_before: u64,
}

impl SharedConnection {
    pub(crate) fn new(parts: SharedParts, permit: OwnedSemaphorePermit, home: Id) -> Self {
        // It may have been opened by a task of another runtime.
        let moved = parts.socket.move_to_this_runtime();
        if moved.is_err() {
            parts.socket.close_now();
        }
        SharedConnection {
            handle: parts.connection,
            socket: parts.socket,
            home,
            driver: tokio::spawn(parts.driver).abort_handle(),
            load: Mutex::new(Load {
                in_flight: 0,
                leaves: None,
                silent: None,
                holds: Some((parts.place, permit)),
            }),
        }
    }

    /// Counts one more command under way, and says whether the connection is to be asked first: nothing
    /// was heard from it for long. `None` when it has ended or fallen silent: nothing was sent.
    pub(crate) fn begin(&self, response_timeout: Option<Duration>) -> Option<bool> {
        let mut load = self.load();
        let idle = load.in_flight == 0;
        if load.leaves.is_some() {
            return None;
        }
        if idle && !self.socket.is_owed() {
            // Who gave up before anything was sent is no reason to expect a reply.
            load.silent = None;
        }
        let place = &mut load.holds.as_mut()?.0;
        let age = if idle {
            place.lend();
            place.glance()
        } else if place.has_outlived() {
            // It ends with the last command that is under way.
            load.leaves = Some(CloseReason::Expired);
            return None;
        } else {
            Glance::Fit
        };
        let ended = match idle {
            // Its driver may not have had a turn since the server closed it (LIFE-1).
            // What nobody asked for would be taken for the next one's reply (CMD-6).
            true => self.socket.look() == Look::Ended || self.socket.has_unasked(),
            false => self.socket.has_ended(),
        };
        let fault = match (age, ended, load.is_silent(&self.socket, response_timeout)) {
            (Glance::Unfit(reason), ..) => Some(reason),
            (_, true, _) => Some(CloseReason::Broken),
            (_, false, true) => Some(CloseReason::TimedOut),
            (_, false, false) => None,
        };
        if let Some(reason) = fault {
            drop(load);
            self.retire(reason);
            return None;
        }
        load.in_flight += 1;
        Some(age == Glance::Unsettled)
    }

    /// It takes no new commands, and ends for `reason` with the last that is under way: at once if there is
    /// none.
    pub(crate) fn leave(&self, reason: CloseReason) {
        let is_idle = {
            let mut load = self.load();
            load.leaves.get_or_insert(reason);
            load.in_flight == 0
        };
        if is_idle {
            self.retire(reason);
        }
    }

    /// What the server did wrong is a better reason for a loss than what the redis crate made of it.
    pub(crate) fn explain(&self, error: RedisError) -> RedisError {
        self.socket.violation().unwrap_or(error)
    }

    /// One command less under way; `heard` if it got its reply: then the server answers.
    pub(crate) fn end(&self, heard: bool) -> usize {
        let mut load = self.load();
        if heard {
            load.silent = None;
        }
        load.in_flight -= 1;
        let in_flight = load.in_flight;
        if in_flight == 0 {
            if let Some(reason) = load.leaves {
                drop(load);
                self.retire(reason);
            } else if let Some((place, _)) = &mut load.holds {
                place.give_back();
            }
        }
        in_flight
    }

    /// How many commands are under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.load().in_flight
    }

    /// Whether a reply is arriving that holds up every other. Costs an atomic load.
    pub(crate) fn is_receiving_large_reply(&self) -> bool {
        self.socket.is_receiving_large_reply()
    }

    /// Closes it if no command is under way, and says whether it did. One step: a command that
    /// begins meanwhile either keeps it open or goes elsewhere.
    pub(crate) fn retire_if_idle(&self, reason: CloseReason) -> bool {
        let holds = {
            let mut load = self.load();
            match load.in_flight {
                0 => load.holds.take(),
                _ => None,
            }
        };
        let retired = holds.is_some();
        self.close(holds, reason);
        retired
    }

    /// Closes it; what is under way fails. Doing so again changes nothing.
    pub(crate) fn retire(&self, reason: CloseReason) {
        let holds = self.load().holds.take();
        self.close(holds, reason);
    }

    fn close(&self, holds: Option<(Place, OwnedSemaphorePermit)>, reason: CloseReason) {
        let Some((mut place, permit)) = holds else {
            return;
        };
        place.set_reason(reason);
        self.socket.say_goodbye();
        self.driver.abort();
        place.part(Parting::Watched(self.socket.clone()));
        // The place goes before the slot, so that the next in line finds its permit on its way.
        drop(place);
        drop(permit);
    }

    fn load(&self) -> MutexGuard<'_, Load> {
        self.load
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Load {
    /// Whether the server has sent nothing for as long as a reply may take, while commands waited.
    fn is_silent(&mut self, socket: &Socket, response_timeout: Option<Duration>) -> bool {
        let reads = socket.reads();
        let silence = self.silent.get_or_insert_with(|| Silence {
            since: Instant::now(),
            reads_before: reads,
        });
        if silence.reads_before != reads {
            *silence = Silence {
                since: Instant::now(),
                reads_before: reads,
            };
        }
        response_timeout.is_some_and(|limit| silence.since.elapsed() >= limit)
    }
}
