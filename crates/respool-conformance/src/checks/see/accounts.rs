use std::time::Duration;

use redis::{Value, cmd};
use respool_core::{CloseReason, Pool, PoolError};
use respool_testserver::RedisServer;

use crate::check::ensure;
use crate::checks::full_use::hold_all;
use crate::checks::{client_id, execute};
use crate::trial::eventually;
use crate::{Broken, Finding, Trial};

const PATIENCE: Duration = Duration::from_secs(5);

/// SEE-4: after a mixed history the pool's books agree with themselves and with the server's.
pub(crate) fn opened_is_closed_plus_size(trial: &Trial) -> Finding {
    trial.block_on(async {
        let server = trial.server().await?;
        let pool = trial.pool_showing_itself(trial.config(&server.url()))?;

        drop(hold_all(&pool).await?);
        ensure_books_agree(&pool, &server, 0).await?;

        killed_by_the_server(&pool, &server).await?;
        ensure_books_agree(&pool, &server, 0).await?;

        session_changed(&pool).await?;
        ensure_closed(trial, &pool, CloseReason::SessionChanged, 1).await?;
        pop_cancelled(&pool).await?;
        ensure_closed(trial, &pool, CloseReason::Cancelled, 1).await?;
        ensure_books_agree(&pool, &server, 0).await?;

        let detached = detach(&pool).await?;
        let open_beside = usize::from(detached.is_some());
        ensure_closed(trial, &pool, CloseReason::Detached, open_beside as u64).await?;
        drop(hold_all(&pool).await?);
        ensure_books_agree(&pool, &server, open_beside).await?;

        let status = pool.status();
        let reasons: Vec<_> = status
            .closed
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        Ok(format!(
            "{} opened = {} closed ({}) + {} idle, as at the server",
            status.opened,
            status.closed.total(),
            reasons.join(", "),
            status.idle
        ))
    })
}

/// Two that are held and two that are idle, and then all are used until nobody meets a dead one
/// any more: whether anybody does at all is LIFE-1's to say.
async fn killed_by_the_server(pool: &Pool, server: &RedisServer) -> Result<(), Broken> {
    let mut held = hold_all(pool).await?;
    let mut ids = Vec::new();
    for connection in &mut held {
        ids.push(client_id(connection).await?);
    }
    held.truncate(2);
    for id in ids {
        execute(server, &["CLIENT", "KILL", "ID", &id.to_string()]).await?;
    }
    for mut connection in held {
        let outcome = cmd("PING").query_async::<Value>(&mut connection).await;
        ensure!(outcome.is_err(), expected: "a killed connection to fail", seen: "{outcome:?}");
    }
    for _ in 0..2 {
        let mut all = Vec::new();
        for _ in 0..pool.config().max_size {
            all.push(pool.get().await?);
        }
        for connection in &mut all {
            let _ = cmd("PING").query_async::<Value>(connection).await;
        }
    }
    drop(hold_all(pool).await?);
    Ok(())
}

async fn session_changed(pool: &Pool) -> Result<(), Broken> {
    let mut connection = pool.get().await?;
    let _: Value = cmd("SELECT").arg(1).query_async(&mut connection).await?;
    Ok(())
}

async fn pop_cancelled(pool: &Pool) -> Result<(), Broken> {
    let mut connection = pool.get().await?;
    let command = cmd("BLPOP").arg("empty").arg(0).to_owned();
    let pop = command.query_async::<Value>(&mut connection);
    let outcome = tokio::time::timeout(Duration::from_millis(20), pop).await;
    ensure!(outcome.is_err(), expected: "a pop that waits", seen: "{outcome:?}");
    Ok(())
}

/// `None` where the subject refuses, as it declares.
async fn detach(pool: &Pool) -> Result<Option<impl Sized + use<>>, Broken> {
    match (pool.capabilities().detach, pool.get().await?.detach()) {
        (true, Ok(detached)) => Ok(Some(detached)),
        (false, Err(PoolError::Unsupported { .. })) => Ok(None),
        (claimed, outcome) => Err(Broken::new(
            format!("detach as declared ({claimed})"),
            format!("{:?}", outcome.map(drop)),
        )),
    }
}

async fn ensure_closed(
    trial: &Trial,
    pool: &Pool,
    reason: CloseReason,
    count: u64,
) -> Result<(), Broken> {
    if !trial.nature().shows.reasons {
        return Ok(());
    }
    let what = format!("{count} closed as {reason}");
    eventually(PATIENCE, &what, async || {
        pool.status().closed.of(reason) == count
    })
    .await
    .map_err(|broken| Broken::new(broken.expected, format!("{:?}", pool.status())))
}

/// The pool's figures are equations at any moment; the server's follow when it has noticed.
async fn ensure_books_agree(
    pool: &Pool,
    server: &RedisServer,
    open_beside: usize,
) -> Result<(), Broken> {
    let mut seen = String::new();
    eventually(PATIENCE, "", async || {
        let status = pool.status();
        let (accepted, clients) = (
            server.total_connections_received().await,
            server.connected_clients().await,
        );
        seen = format!(
            "{} opened, {} closed, {status}; at the server {accepted} accepted, {clients} clients",
            status.opened,
            status.closed.total()
        );
        status.is_at_rest()
            && status.opened == status.closed.total() + status.idle as u64
            && status.opened == accepted
            && status.idle + open_beside == clients
    })
    .await
    .map_err(|_| {
        Broken::new(
            format!(
                "opened = closed + idle = accepted by the server, and idle + {open_beside} \
                 detached = clients there"
            ),
            seen,
        )
    })
}
