use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::small_commands::{ask, fill};
use crate::check::ensure;
use crate::checks::full_use::come_to_rest;
use crate::{Finding, Trial};

const COMMANDS: usize = 10_000;

/// SHR-1: half of the replies are known to their caller alone, half to those who ask for a key.
pub(crate) fn ten_thousand_at_once(trial: &Trial) -> Finding {
    trial.block_on(async {
        let server = trial.server().await?;
        let proxy = trial.proxy(&server).await?;
        let mut config = trial.config(&proxy.url());
        config.max_size = 10;
        config.get_timeout = Some(Duration::from_secs(40));
        config.response_timeout = Some(Duration::from_secs(40));
        let pool = trial.pool(config)?;
        let client = pool.client();
        fill(&client).await?;

        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for number in 0..COMMANDS {
            let client = client.clone();
            tasks.spawn(async move { ask(client, number).await });
        }
        while let Some(outcome) = tasks.join_next().await {
            outcome??;
        }
        let took = started.elapsed();
        let most = proxy.most_open();
        ensure!(most <= 10, expected: "at most 10 connections at the server", seen: "{most}");
        come_to_rest(&pool).await?;
        Ok(format!(
            "{COMMANDS} replies on at most {most} connections in {took:?}"
        ))
    })
}
