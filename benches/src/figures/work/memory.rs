//! Resident memory, as the kernel tells it.

use std::time::Duration;

use super::{fill, sample};
use crate::cell::Sample;
use crate::subjects::Asks;

/// With `connections` open and idle.
pub(crate) async fn idle_memory(pool: &impl Asks, connections: usize) -> Sample {
    fill(pool, connections).await;
    // For tasks that the last get started.
    tokio::time::sleep(Duration::from_millis(100)).await;
    sample([("bytes", status("VmRSS"))])
}

/// The most that this process ever had, in bytes.
pub(super) fn high_water_mark() -> f64 {
    status("VmHWM")
}

fn status(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux /proc");
    let kibibytes: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .expect("the kernel tells it in kB");
    kibibytes * 1024.0
}
