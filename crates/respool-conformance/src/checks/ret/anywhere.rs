use std::future::poll_fn;
use std::panic::{self, AssertUnwindSafe};
use std::pin::pin;
use std::task::Poll;
use std::thread;

use redis::{Value, cmd};
use respool_core::{Pool, PooledConnection};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::checks::full_use::lost_nothing;
use crate::{Broken, Finding, Trial};

/// RET-2: wherever a connection is dropped, nothing panics and its slot comes back.
///
/// One connection at a time: two that panic in their drops would end the process.
pub(crate) fn dropping_is_safe_anywhere(trial: &Trial) -> Finding {
    let server = trial.block_on(trial.server())?;
    let mut config = trial.config(&server.url());
    config.max_size = 1;
    macro_rules! places {
        ($($name:literal: $drop_there:ident;)*) => {
            $(
                for state in STATES {
                    let pool = trial.pool(config.clone())?;
                    let place = || format!("{state:?} connection dropped {}", $name);
                    $drop_there(&pool, state).map_err(|broken| broken.in_case(&place()))?;
                    new_runtime()?
                        .block_on(lost_nothing(&pool))
                        .map_err(|broken| broken.in_case(&place()))?;
                }
            )*
            Ok([$($name),*].join("; "))
        };
    }
    places! {
        "on a thread without a runtime": on_a_plain_thread;
        "after the end of its runtime": after_its_runtime;
        "by a runtime that shuts down": by_a_runtime_that_shuts_down;
        "inside another runtime": inside_another_runtime;
    }
}

/// In what state a holder leaves its connection: each takes another way back.
#[derive(Clone, Copy, Debug)]
enum State {
    Clean,
    SessionChanged,
    ReplyOwed,
}

const STATES: [State; 3] = [State::Clean, State::SessionChanged, State::ReplyOwed];

fn on_a_plain_thread(pool: &Pool, state: State) -> Result<(), Broken> {
    let runtime = new_runtime()?;
    let held = runtime.block_on(take(pool, state))?;
    drop_on_a_plain_thread(held)
}

fn after_its_runtime(pool: &Pool, state: State) -> Result<(), Broken> {
    let runtime = new_runtime()?;
    let held = runtime.block_on(take(pool, state))?;
    drop(runtime);
    drop_on_a_plain_thread(held)
}

fn drop_on_a_plain_thread(held: PooledConnection) -> Result<(), Broken> {
    thread::spawn(move || drop(held))
        .join()
        .map_err(|_| Broken::new("drop not to panic", "a panic"))
}

/// The runtime drops tasks that hold a connection, on its own threads and in its own time.
fn by_a_runtime_that_shuts_down(pool: &Pool, state: State) -> Result<(), Broken> {
    let runtime = new_runtime()?;
    let (holding, is_holding) = oneshot::channel();
    let held = runtime.block_on(take(pool, state))?;
    runtime.spawn(async move {
        let _held = held;
        let _ = holding.send(());
        std::future::pending::<()>().await;
    });
    let _ = runtime.block_on(is_holding);
    panic::catch_unwind(AssertUnwindSafe(|| drop(runtime)))
        .map_err(|_| Broken::new("drop not to panic", "a panic in the runtime's own drop"))
}

fn inside_another_runtime(pool: &Pool, state: State) -> Result<(), Broken> {
    let held = new_runtime()?.block_on(take(pool, state))?;
    new_runtime()?
        .block_on(async move { tokio::spawn(async move { drop(held) }).await })
        .map_err(Broken::from)
}

async fn take(pool: &Pool, state: State) -> Result<PooledConnection, Broken> {
    let mut connection = pool.get().await?;
    match state {
        State::Clean => {
            let _: String = cmd("PING").query_async(&mut connection).await?;
        }
        State::SessionChanged => {
            let _: Value = cmd("SELECT").arg(1).query_async(&mut connection).await?;
        }
        State::ReplyOwed => {
            let command = cmd("GET").arg("key").to_owned();
            let mut request = pin!(command.query_async::<Value>(&mut connection));
            poll_fn(|context| Poll::Ready(request.as_mut().poll(context).is_ready())).await;
        }
    }
    Ok(connection)
}

fn new_runtime() -> Result<Runtime, Broken> {
    Ok(Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?)
}
