use std::time::Duration;

use respool_core::PoolError;

use super::renewal::timeless;
use crate::check::ensure;
use crate::checks::cmd::run;
use crate::checks::way::Way;
use crate::trial::eventually;
use crate::{Broken, Trial};

const PATIENCE: Duration = Duration::from_secs(3);
const MIN_IDLE: usize = 2;
const LIFETIME: Duration = Duration::from_millis(200);
/// Longer than anybody would go without a look at what else there is to do.
const GREETS_AFTER: Duration = Duration::from_secs(2);

/// The part of LIFE-4 that is about `min_idle`: kept up where it is claimed, else refused.
pub(super) async fn some_are_kept_ready(trial: &Trial) -> Result<String, Broken> {
    let server = trial.server().await?;
    let mut config = timeless(trial, &server);
    let claimed = trial.pool(config.clone())?.capabilities().min_idle;
    config.min_idle = MIN_IDLE;
    let built = trial.pool(config);
    if claimed {
        drop(built?);
        never_more_than_max_size(trial).await?;
        opened_ahead(trial).await?;
        renewed_as_they_end(trial).await?;
        opened_once(trial).await?;
        return Ok(format!("{MIN_IDLE} kept ready"));
    }
    match built {
        Err(PoolError::Config { field, .. }) if field == "min_idle" => {
            Ok("min_idle refused".to_owned())
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err(Broken::new(
            "min_idle refused at build, because it is not claimed",
            "a pool",
        )),
    }
}

/// Without a call, where it was built on a runtime. Killed ones are replaced: where the pool sees the
/// end of a socket without a call, too, else once somebody has asked for one.
async fn opened_ahead(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    let mut config = timeless(trial, &server);
    config.min_idle = MIN_IDLE;
    let pool = trial.pool(config)?;
    let what = "min_idle connections opened ahead, though nobody called the pool";
    let ready = async || server.connected_clients().await == MIN_IDLE;
    eventually(PATIENCE, what, ready).await?;
    if trial.nature().shows.opened_and_closed {
        let what = "them to count as idle, and as opened";
        let counted = async || {
            let status = pool.status();
            status.idle == MIN_IDLE && status.opened == MIN_IDLE as u64
        };
        eventually(PATIENCE, what, counted).await?;
    }

    run(&server, "CLIENT KILL TYPE normal", "").await?;
    let sees = pool.capabilities().sees_closed_sockets;
    let opened = 2 * MIN_IDLE as u64;
    eventually(PATIENCE, "min_idle connections ready again", async || {
        if !sees {
            // An error is for LIFE-1 to judge.
            let _ = Way::Own.echo(&pool, "word").await;
        }
        server.total_connections_received().await >= opened
            && server.connected_clients().await >= MIN_IDLE
    })
    .await
}

async fn renewed_as_they_end(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    let mut config = timeless(trial, &server);
    config.min_idle = MIN_IDLE;
    config.max_lifetime = Some(LIFETIME);
    let _pool = trial.pool(config)?;
    let what = "expired connections replaced to keep min_idle, though nobody called the pool";
    let renewed = async || {
        server.total_connections_received().await >= 3 * MIN_IDLE as u64
            && server.connected_clients().await == MIN_IDLE
    };
    eventually(PATIENCE, what, renewed).await
}

/// By a server that is slow to greet, while others call the pool.
async fn opened_once(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    let mut config = trial.config(&proxy.url());
    config.connect_timeout = Some(5 * GREETS_AFTER);
    config.min_idle = MIN_IDLE;
    let pool = trial.pool(config)?;
    let what = "min_idle connections opened ahead";
    let ready = async || server.connected_clients().await == MIN_IDLE;
    eventually(PATIENCE, what, ready).await?;

    proxy.slow_accept(Some(GREETS_AFTER));
    let _held = pool.get().await?;
    let what =
        "one more opened ahead by a server that is slow to greet, while others call the pool";
    eventually(GREETS_AFTER + PATIENCE, what, async || {
        let called = pool.get().await.is_ok();
        called && server.connected_clients().await == MIN_IDLE + 1
    })
    .await?;
    // A caller has one of those that are idle in his hand for a moment, and one more may be opened for it.
    let (opened, most) = (proxy.accepted() - MIN_IDLE as u64, 2);
    ensure!(
        opened <= most,
        expected: "at most {most} connections opened for that",
        seen: "{opened}"
    );
    Ok(())
}

async fn never_more_than_max_size(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    let mut config = trial.config(&proxy.url());
    config.min_idle = MIN_IDLE;
    let pool = trial.pool(config)?;
    let max_size = pool.config().max_size;
    let mut held = Vec::new();
    for _ in 0..max_size {
        held.push(pool.get().await?);
        let idle = MIN_IDLE.min(max_size - held.len());
        let what = format!("{idle} idle beside {} in use", held.len());
        let ready = async || server.connected_clients().await >= held.len() + idle;
        eventually(PATIENCE, &what, ready).await?;
    }
    drop(held);
    for way in Way::BOTH {
        way.echo(&pool, "word").await?;
    }
    let most = proxy.most_open();
    ensure!(
        most <= max_size,
        expected: "at most {max_size} connections, those kept ready included",
        seen: "{most}"
    );
    Ok(())
}
