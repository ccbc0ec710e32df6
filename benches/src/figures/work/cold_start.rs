use std::sync::Arc;
use std::time::Instant;

use redis::aio::MultiplexedConnection;
use respool_benches::table::{Sample, sample};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::cell::Cell;
use crate::subjects::{Asks, VALUE};

/// Everybody at once at a pool that has opened nothing, each for one GET: the time until the last
/// has its reply, and how many connections the server saw.
pub(crate) async fn cold_start<P: Asks>(pool: P, cell: &Cell) -> Sample {
    let client = redis::Client::open(&*cell.url).expect("the server's URL");
    let mut witness = client
        .get_multiplexed_async_connection()
        .await
        .expect("a connection");
    let before = connections_received(&mut witness).await;
    let gate = Arc::new(Barrier::new(cell.tasks + 1));
    let mut tasks = JoinSet::new();
    for _ in 0..cell.tasks {
        let (pool, gate) = (pool.clone(), gate.clone());
        tasks.spawn(async move {
            gate.wait().await;
            let mut held = pool.get().await;
            assert_eq!(P::ask(&mut held).await.len(), VALUE);
        });
    }
    gate.wait().await;
    let started = Instant::now();
    tasks.join_all().await;
    let elapsed = started.elapsed();
    let opened = connections_received(&mut witness).await - before;
    sample([("ms", elapsed.as_secs_f64() * 1e3), ("connections", opened)])
}

async fn connections_received(witness: &mut MultiplexedConnection) -> f64 {
    let info: String = redis::cmd("INFO")
        .arg("stats")
        .query_async(witness)
        .await
        .expect("INFO");
    info.lines()
        .find_map(|line| line.strip_prefix("total_connections_received:"))
        .and_then(|number| number.trim().parse().ok())
        .expect("INFO stats has it")
}
