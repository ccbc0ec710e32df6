//! The work of the cells, the same for every subject.

mod cold_start;
mod counted;
mod crowd;
mod heap;
mod memory;

use std::hint::black_box;

use crate::subjects::Lends;

pub(crate) use cold_start::cold_start;
pub(crate) use counted::{counted_get_and_drop, counted_gets, get_and_drop};
pub(crate) use crowd::{round_trips, turns};
pub(crate) use heap::{heap_idle, heap_of_get, heap_waiting};
pub(crate) use memory::idle_memory;

/// Holds `count` at once, so that as many are open and idle afterwards.
pub(crate) async fn fill(pool: &impl Lends, count: usize) {
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        held.push(pool.get().await);
    }
    drop(black_box(held));
    // mobc gives back in tasks.
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}
