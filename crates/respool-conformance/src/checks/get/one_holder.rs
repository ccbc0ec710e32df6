use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use redis::cmd;
use respool_core::PooledConnection;
use tokio::task::JoinSet;

use crate::check::ensure;
use crate::checks::client_id;
use crate::{Broken, Finding, Trial};

const TASKS: usize = 16;
const ROUNDS: usize = 50;

/// GET-1. A holder is known by CLIENT ID, twice over: by a set in this process, and by a marker at
/// the server that nobody else may meet.
pub(crate) fn one_holder_at_a_time(trial: &Trial) -> Finding {
    trial.block_on(async {
        let server = trial.server().await?;
        let pool = trial.pool(trial.config(&server.url()))?;
        let held = Arc::new(Mutex::new(HashSet::new()));

        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let (pool, held) = (pool.clone(), held.clone());
            tasks.spawn(async move {
                for _ in 0..ROUNDS {
                    let mut connection = pool.get().await?;
                    hold(&mut connection, task, &held).await?;
                }
                Ok::<_, Broken>(())
            });
        }
        while let Some(outcome) = tasks.join_next().await {
            outcome??;
        }
        Ok(format!("{} times taken by {TASKS} tasks", TASKS * ROUNDS))
    })
}

async fn hold(
    connection: &mut PooledConnection,
    task: usize,
    held: &Mutex<HashSet<u64>>,
) -> Result<(), Broken> {
    let id = client_id(connection).await?;
    let is_alone = held.lock().expect("no holder panics").insert(id);
    ensure!(is_alone, expected: "one holder of client {id} at a time", seen: "two");

    let marker = format!("held:{id}");
    let is_alone: bool = cmd("SETNX")
        .arg(&marker)
        .arg(task)
        .query_async(connection)
        .await?;
    ensure!(is_alone, expected: "nobody else's marker on client {id}", seen: "one");
    tokio::task::yield_now().await;
    let owner: Option<usize> = cmd("GETDEL").arg(&marker).query_async(connection).await?;
    ensure!(owner == Some(task), expected: "the marker of task {task}", seen: "{owner:?}");

    held.lock().expect("no holder panics").remove(&id);
    Ok(())
}
