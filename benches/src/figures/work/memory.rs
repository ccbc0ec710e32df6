use std::time::Duration;

use respool_benches::resident;
use respool_benches::table::{Sample, sample};

use super::fill;
use crate::subjects::Asks;

/// With `connections` open and idle.
pub(crate) async fn idle_memory(pool: &impl Asks, connections: usize) -> Sample {
    fill(pool, connections).await;
    // For tasks that the last get started.
    tokio::time::sleep(Duration::from_millis(100)).await;
    sample([("bytes", resident())])
}
