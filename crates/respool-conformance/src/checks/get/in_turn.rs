use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use respool_core::{Pool, PoolError};
use respool_testserver::RedisServer;
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::shares::{TASKS, ensure_equal_shares};
use crate::check::ensure;
use crate::checks::{client_id, execute};
use crate::trial::{eventually, within};
use crate::{Broken, Finding, Trial};

const PATIENCE: Duration = Duration::from_secs(10);

/// GET-4: the order of a queue of known order, and the shares of equal tasks on both kinds of
/// runtime.
pub(crate) fn first_come_first_served(trial: &Trial) -> Finding {
    let server = trial.block_on(trial.server())?;
    let mut config = trial.config(&server.url());
    config.get_timeout = Some(Duration::from_secs(20));
    config.max_size = 1;
    let pool = trial.pool(config.clone())?;
    trial.block_on(queue_is_served_in_order(&pool))?;
    if !pool.is_bare() {
        trial
            .block_on(what_was_waited_for_may_be_dead(&pool, &server))
            .map_err(|broken| broken.in_case("a connection that has ended"))?;
    }

    config.max_size = 2;
    let pool = trial.pool(config)?;
    let on_two_threads = trial
        .block_on(ensure_equal_shares(&pool))
        .map_err(|broken| broken.in_case("on two threads"))?;
    let one_thread = Builder::new_current_thread().enable_all().build()?;
    let on_one_thread = one_thread
        .block_on(ensure_equal_shares(&pool))
        .map_err(|broken| broken.in_case("on one thread"))?;
    Ok(format!(
        "in order; the least served of {TASKS} had {on_two_threads:.2} of the most served's turns \
         on two threads, {on_one_thread:.2} on one"
    ))
}

/// Six wait for one connection, two of them give up, a latecomer and a `try_get` come by.
async fn queue_is_served_in_order(pool: &Pool) -> Result<(), Broken> {
    let held = pool.get().await?;
    let queue = Queue::new();
    let mut waiters = Vec::new();
    for name in ["first", "second", "third", "fourth", "fifth", "sixth"] {
        waiters.push(queue.join(pool, name).await?);
    }
    for given_up in [3, 0] {
        let waiter = waiters.remove(given_up);
        waiter.abort();
        // Its future is gone when this ends.
        let _ = within(PATIENCE, "a waiter to give up", waiter).await?;
    }

    drop(held);
    for _ in 0..20 {
        // Whether or not the next in line has woken up yet, the connection is theirs.
        ensure!(
            pool.try_get().is_none(),
            expected: "try_get to overtake nobody who waits",
            seen: "a connection, with {}",
            pool.status()
        );
        tokio::task::yield_now().await;
    }
    let what = "a waiter to be served";
    eventually(PATIENCE, what, async || queue.served().len() == 1).await?;
    waiters.push(queue.join(pool, "latecomer").await?);
    queue.let_all_give_back();
    for waiter in waiters {
        within(PATIENCE, "a waiter to be served", waiter).await???;
    }
    let served = queue.served();
    ensure!(
        served == ["second", "third", "fifth", "sixth", "latecomer"],
        expected: "second, third, fifth, sixth, latecomer (first and fourth gave up)",
        seen: "{served:?}"
    );
    Ok(())
}

/// The first in line is given a connection that the server has closed: another one is for him, too.
async fn what_was_waited_for_may_be_dead(pool: &Pool, server: &RedisServer) -> Result<(), Broken> {
    let mut held = pool.get().await?;
    let id = client_id(&mut held).await?.to_string();
    let queue = Queue::new();
    let mut waiters = Vec::new();
    for name in ["first", "second", "third"] {
        waiters.push(queue.join(pool, name).await?);
    }
    execute(server, &["CLIENT", "KILL", "ID", &id]).await?;
    // Until its end has arrived.
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(held);
    queue.let_all_give_back();
    for waiter in waiters {
        within(PATIENCE, "a waiter to be served", waiter).await???;
    }
    let served = queue.served();
    ensure!(
        served == ["first", "second", "third"],
        expected: "first, second, third",
        seen: "{served:?}"
    );
    Ok(())
}

/// Who was served, in which order. Each holds on to the connection until told.
#[derive(Clone)]
struct Queue {
    served: Arc<Mutex<Vec<&'static str>>>,
    may_give_back: Arc<Semaphore>,
}

impl Queue {
    fn new() -> Self {
        Queue {
            served: Arc::default(),
            may_give_back: Arc::new(Semaphore::new(0)),
        }
    }

    /// Calls `get` in a task and returns once it waits: after its first poll.
    async fn join(
        &self,
        pool: &Pool,
        name: &'static str,
    ) -> Result<JoinHandle<Result<(), PoolError>>, Broken> {
        let (queue, asker) = (self.clone(), pool.clone());
        let (waits, is_waiting) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut get = pin!(asker.get());
            let first = poll_fn(|context| Poll::Ready(get.as_mut().poll(context))).await;
            let _ = waits.send(first.is_pending());
            let _connection = match first {
                Poll::Ready(outcome) => outcome?,
                Poll::Pending => get.await?,
            };
            queue.served.lock().expect("nobody panics").push(name);
            let permit = queue.may_give_back.acquire().await;
            permit.expect("never closed").forget();
            Ok(())
        });
        ensure!(
            is_waiting.await == Ok(true),
            expected: "the {name} to wait while all are held",
            seen: "a get that is done"
        );
        Ok(task)
    }

    fn let_all_give_back(&self) {
        self.may_give_back.add_permits(Semaphore::MAX_PERMITS);
    }

    fn served(&self) -> Vec<&'static str> {
        self.served.lock().expect("nobody panics").clone()
    }
}
