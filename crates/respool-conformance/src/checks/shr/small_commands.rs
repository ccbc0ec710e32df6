//! Ordinary commands of many callers, through clones of one client.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis::pipe;
use respool_core::Client;
use tokio::task::JoinSet;

use crate::Broken;
use crate::checks::way::{command, ensure_echo};

const KEYS: usize = 100;

/// The keys that some of the commands ask for.
pub(super) async fn fill(client: &Client) -> Result<(), Broken> {
    let mut pipeline = pipe();
    for key in 0..KEYS {
        pipeline.cmd("SET").arg(key).arg(value(key)).ignore();
    }
    pipeline.query_async::<()>(&mut client.clone()).await?;
    Ok(())
}

/// Sends the command of this number, whose reply is known: every other one to its caller alone, the
/// rest to those who ask for the same key.
pub(super) async fn ask(mut client: Client, number: usize) -> Result<(), Broken> {
    let (command, expected) = match number % 2 {
        0 => (
            command("GET {key}", &(number % KEYS).to_string()),
            value(number % KEYS),
        ),
        _ => (
            command("ECHO {key}", &format!("word:{number}")),
            format!("word:{number}"),
        ),
    };
    let reply: String = command.query_async(&mut client).await?;
    ensure_echo(&expected, &reply)
}

fn value(key: usize) -> String {
    format!("the value of {key}")
}

/// Tasks that send ordinary commands through clones of a client all the time.
pub(super) struct Others {
    shared: Arc<Shared>,
    /// Each ends with the time of its slowest command.
    tasks: JoinSet<Result<Duration, Broken>>,
}

#[derive(Default)]
struct Shared {
    replies: AtomicUsize,
    stop: AtomicBool,
    failure: Mutex<Option<Broken>>,
}

impl Others {
    pub(super) const TASKS: usize = 4;

    pub(super) fn start(client: &Client) -> Self {
        Others::start_many(client, Self::TASKS)
    }

    pub(super) fn start_many(client: &Client, count: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        for task in 0..count {
            let (client, shared) = (client.clone(), shared.clone());
            tasks.spawn(async move {
                let mut number = task;
                let mut slowest = Duration::ZERO;
                while !shared.stop.load(Ordering::Relaxed) {
                    number += count;
                    let started = Instant::now();
                    let asked = ask(client.clone(), number).await;
                    if let Err(broken) = asked {
                        let mut failure = shared.failure.lock().expect("nobody panics");
                        failure.get_or_insert_with(|| broken.clone());
                        return Err(broken);
                    }
                    slowest = slowest.max(started.elapsed());
                    shared.replies.fetch_add(1, Ordering::Relaxed);
                }
                Ok(slowest)
            });
        }
        Others { shared, tasks }
    }

    /// What went wrong first, if anything has.
    pub(super) fn failure(&self) -> Option<Broken> {
        self.shared.failure.lock().expect("nobody panics").clone()
    }

    pub(super) fn replies(&self) -> usize {
        self.shared.replies.load(Ordering::Relaxed)
    }

    pub(super) async fn stop(mut self) -> Result<Stopped, Broken> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut slowest = Duration::ZERO;
        while let Some(outcome) = self.tasks.join_next().await {
            let of_task =
                outcome?.map_err(|broken| broken.in_case("ordinary commands of others"))?;
            slowest = slowest.max(of_task);
        }
        Ok(Stopped {
            replies: self.replies(),
            slowest,
        })
    }
}

/// What [`Others`] had done when they were stopped.
pub(super) struct Stopped {
    pub(super) replies: usize,
    /// How long the slowest of their commands took.
    pub(super) slowest: Duration,
}
