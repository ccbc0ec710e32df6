use std::panic;
use std::time::Duration;

use redis::cmd;
use respool_core::{Pool, PooledConnection};
use respool_testserver::RedisServer;
use tokio::sync::oneshot;
use tokio::task::JoinError;

use crate::check::ensure;
use crate::checks::full_use::lost_nothing;
use crate::trial::eventually;
use crate::{Broken, Finding, Trial};

const PATIENCE: Duration = Duration::from_secs(10);
const ROUNDS: usize = 10;

/// RET-1, with a pool of one: a slot that is lost once is missed at once.
pub(crate) fn slot_comes_back(trial: &Trial) -> Finding {
    trial.block_on(async {
        let server = trial.server().await?;
        let mut config = trial.config(&server.url());
        config.max_size = 1;
        let pool = trial.pool(config)?;
        macro_rules! endings {
            ($($name:literal: $ending:expr;)*) => {
                for _ in 0..ROUNDS {
                    $(
                        $ending.await.map_err(|broken: Broken| broken.in_case($name))?;
                        is_back(&pool).await.map_err(|broken| broken.in_case($name))?;
                    )*
                }
                Ok(format!("{ROUNDS} times each: {}", [$($name),*].join(", ")))
            };
        }
        endings! {
            "dropped": dropped(&pool);
            "holder panicked": panicked(&pool);
            "holder aborted": aborted(&pool);
            "holder aborted in a blocking pop": aborted_in_a_blocking_pop(&pool, &server);
            "holder aborted in a command": aborted_in_a_command(&pool, &server);
        }
    })
}

/// Other libraries may hand out a connection that is of no use any more: that is not about its slot.
async fn is_back(pool: &Pool) -> Result<(), Broken> {
    match pool.is_bare() {
        false => lost_nothing(pool).await,
        true => pool.get().await.map(drop).map_err(Broken::from),
    }
}

/// The slot is free when the drop has returned, without any task having to run first.
async fn dropped(pool: &Pool) -> Result<(), Broken> {
    drop(pool.get().await?);
    if pool.is_bare() {
        // It has no `try_get`. What can be asked of it is that the next one gets it.
        return pool.get().await.map(drop).map_err(Broken::from);
    }
    ensure!(
        pool.try_get().is_some(),
        expected: "the connection to be had at once after its drop",
        seen: "{}",
        pool.status()
    );
    Ok(())
}

async fn panicked(pool: &Pool) -> Result<(), Broken> {
    let mut connection = pool.get().await?;
    let task = tokio::spawn(async move {
        let _: String = cmd("PING")
            .query_async(&mut connection)
            .await
            .expect("a PONG");
        // Unwinds like a panic, without the message on standard error.
        panic::resume_unwind(Box::new("the holder panics"));
    });
    let ended: Result<(), JoinError> = task.await;
    ensure!(
        ended.as_ref().is_err_and(JoinError::is_panic),
        expected: "the holder to panic",
        seen: "{ended:?}"
    );
    Ok(())
}

async fn aborted(pool: &Pool) -> Result<(), Broken> {
    let connection = pool.get().await?;
    abort_once(async { Ok(()) }, async move {
        let _connection = connection;
        std::future::pending::<()>().await;
    })
    .await
}

async fn aborted_in_a_blocking_pop(pool: &Pool, server: &RedisServer) -> Result<(), Broken> {
    let connection = pool.get().await?;
    let blocked = eventually(PATIENCE, "the pop to wait at the server", async || {
        has_a_blocked_client(server).await
    });
    abort_once(blocked, async move {
        command_without_end(connection, "BLPOP", &["empty", "0"]).await;
    })
    .await
}

/// The server stands still meanwhile, so that the reply is still owed when the holder is aborted.
async fn aborted_in_a_command(pool: &Pool, server: &RedisServer) -> Result<(), Broken> {
    let connection = pool.get().await?;
    server.pause();
    // Nothing tells when the bytes have left; whichever moment it is, the slot comes back.
    let sent = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok(())
    };
    let outcome = abort_once(sent, async move {
        command_without_end(connection, "GET", &["key"]).await;
    })
    .await;
    server.resume();
    outcome
}

async fn command_without_end(mut connection: PooledConnection, name: &str, arguments: &[&str]) {
    let _ = cmd(name)
        .arg(arguments)
        .query_async::<redis::Value>(&mut connection)
        .await;
    std::future::pending::<()>().await;
}

/// Runs `holder` in a task and aborts it after its first poll, once `moment` has come.
async fn abort_once(
    moment: impl Future<Output = Result<(), Broken>>,
    holder: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Broken> {
    let (started, has_started) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        let _ = started.send(());
        holder.await;
    });
    let _ = has_started.await;
    moment.await?;
    task.abort();
    let ended = task.await;
    ensure!(
        ended.as_ref().is_err_and(JoinError::is_cancelled),
        expected: "the holder to be aborted",
        seen: "{ended:?}"
    );
    Ok(())
}

async fn has_a_blocked_client(server: &RedisServer) -> bool {
    let info = server.command(&["INFO", "clients"]).await;
    info.is_ok_and(|info| {
        info.text()
            .is_some_and(|text| text.contains("blocked_clients:1"))
    })
}
