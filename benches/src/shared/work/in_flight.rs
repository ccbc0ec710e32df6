use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use respool_benches::resident;
use respool_benches::table::{Sample, sample};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cell::Cell;
use crate::subjects::{KEY, Shares, VALUE};

/// Until what was asked has been written; less than any client's time-out.
const WRITTEN: Duration = Duration::from_millis(200);

/// Everybody asks a server that has been told to answer nobody: what a GET that waits takes. The
/// tasks are there before; their commands and the client's part of it come with the question.
pub(crate) async fn in_flight<C: Shares>(client: &C, cell: &Cell) -> Sample {
    assert_eq!(client.clone().get(KEY).await, VALUE);
    let [there, asked, answered] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
    let (open, gate) = watch::channel(false);
    let mut tasks = JoinSet::new();
    for _ in 0..cell.tasks {
        let (mut client, mut gate) = (client.clone(), gate.clone());
        let (there, asked, answered) = (there.clone(), asked.clone(), answered.clone());
        tasks.spawn(async move {
            there.fetch_add(1, Ordering::Relaxed);
            gate.changed().await.expect("it is opened");
            asked.fetch_add(1, Ordering::Relaxed);
            client.get(KEY).await;
            answered.fetch_add(1, Ordering::Relaxed);
        });
    }
    all(&there, cell.tasks).await;
    answer_nobody(&cell.url).await;
    let before = resident();
    open.send(true).expect("all wait for it");
    all(&asked, cell.tasks).await;
    tokio::time::sleep(WRITTEN).await;
    let more = resident() - before;
    assert_eq!(answered.load(Ordering::Relaxed), 0, "the server answers");
    sample([("kib", more / 1024.0 / cell.tasks as f64)])
}

async fn all(count: &AtomicUsize, tasks: usize) {
    while count.load(Ordering::Relaxed) < tasks {
        tokio::task::yield_now().await;
    }
}

/// Until long after the cell's end. The server has no other clients.
async fn answer_nobody(url: &str) {
    let client = redis::Client::open(url).expect("the server's URL");
    let mut connection = client
        .get_multiplexed_async_connection()
        .await
        .expect("a connection");
    redis::cmd("CLIENT")
        .arg(&["PAUSE", "600000", "ALL"])
        .exec_async(&mut connection)
        .await
        .expect("it can be told");
}
