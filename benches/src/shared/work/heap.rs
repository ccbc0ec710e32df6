//! Allocations, counted on the one thread that a current_thread runtime works on: those of the
//! callers and those of the client's own tasks. They are the difference of two numbers of turns, so
//! that what only the start needs falls out.

use std::hint::black_box;

use respool_benches::table::{Sample, sample};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::subjects::{KEY, Shares, VALUE};

/// Turns of each task.
const FEW: usize = 20;
const MANY: usize = 220;

/// Of a GET among those of so many tasks, beyond its Cmd, where it has one, and one Vec for the
/// reply.
pub(crate) fn heap<C: Shares>(runtime: &Runtime, client: &C, tasks: usize) -> Sample {
    let all = each(tasks, |turns| {
        runtime.block_on(async {
            let mut asking = JoinSet::new();
            for _ in 0..tasks {
                let mut client = client.clone();
                asking.spawn(async move {
                    for _ in 0..turns {
                        assert_eq!(client.get(KEY).await, VALUE);
                    }
                });
            }
            asking.join_all().await;
        });
    });
    let callers = each(1, |turns| {
        for _ in 0..turns {
            if C::TAKES_CMD {
                black_box(redis::cmd("GET").arg(KEY));
            }
            black_box(vec![0_u8; VALUE]);
        }
    });
    sample([("allocations", all - callers)])
}

fn each(tasks: usize, work: impl Fn(usize)) -> f64 {
    let count = |turns| allocation_counter::measure(|| work(turns)).count_total as f64;
    // Once without counting: queues grow to their size.
    work(MANY);
    (count(MANY) - count(FEW)) / ((MANY - FEW) * tasks) as f64
}
