use std::pin::pin;
use std::time::Duration;

use redis::cmd;
use tokio::task::JoinSet;

use crate::check::ensure;
use crate::trial::eventually;
use crate::{Broken, Finding, Trial};

const CROWD: usize = 200;

/// GET-6.
pub(crate) fn a_crowd_opens_no_more_than_it_needs(trial: &Trial) -> Finding {
    trial.block_on(async {
        crowd_at_an_empty_pool(trial, 2).await?;
        let opened = crowd_at_an_empty_pool(trial, CROWD).await?;
        cancelled_get_leaves_its_connection(trial).await?;
        Ok(format!(
            "{opened} opened for {CROWD} at once; one opened for a get that was cancelled served \
             the next"
        ))
    })
}

async fn crowd_at_an_empty_pool(trial: &Trial, callers: usize) -> Result<u64, Broken> {
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    proxy.slow_accept(Some(Duration::from_millis(50)));
    let pool = trial.pool(trial.config(&proxy.url()))?;
    let mut crowd = JoinSet::new();
    for _ in 0..callers {
        let pool = pool.clone();
        crowd.spawn(async move {
            let mut connection = pool.get().await?;
            cmd("GET")
                .arg("key")
                .query_async::<Option<String>>(&mut connection)
                .await?;
            Ok::<_, Broken>(())
        });
    }
    while let Some(outcome) = crowd.join_next().await {
        outcome??;
    }
    let needed = callers.min(pool.config().max_size) as u64;
    let opened = proxy.accepted();
    ensure!(
        opened <= needed,
        expected: "at most {needed} connections opened for a crowd of {callers}",
        seen: "{opened}"
    );
    Ok(opened)
}

async fn cancelled_get_leaves_its_connection(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    proxy.slow_accept(Some(Duration::from_millis(100)));
    let pool = trial.pool(trial.config(&proxy.url()))?;
    {
        let mut get = pin!(pool.get());
        let connecting = eventually(
            Duration::from_secs(5),
            "get to start connecting",
            async || proxy.accepted() == 1,
        );
        tokio::select! {
            outcome = &mut get => {
                outcome?;
                return Err(Broken::new("a connect that takes 100ms", "one that is done already"));
            }
            outcome = connecting => outcome?,
        }
    }
    let mut connection = pool.get().await?;
    cmd("PING").query_async::<String>(&mut connection).await?;
    let opened = proxy.accepted();
    ensure!(
        opened == 1,
        expected: "the connection being opened for a cancelled get to serve the next get",
        seen: "{opened} opened"
    );
    Ok(())
}
