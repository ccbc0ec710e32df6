//! Allocations, counted on the one thread that a current_thread runtime works on. Each is the
//! difference of two numbers of turns, so that what only the start needs falls out.

use std::hint::black_box;

use respool_benches::table::{Sample, sample};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::fill;
use crate::subjects::{Asks, KEY, Lends, VALUE};

const FEW: u64 = 1_000;
const MANY: u64 = 11_000;

/// Of get and drop while one is idle.
pub(crate) fn heap_idle(runtime: &Runtime, pool: &impl Lends) -> Sample {
    let each = each(|turns| {
        runtime.block_on(async {
            for _ in 0..turns {
                drop(black_box(pool.get().await));
            }
        });
    });
    sample([("allocations", each)])
}

/// Of get and drop when each get has to wait: one more task than connections, and nobody gives back
/// before all others had a chance to ask.
pub(crate) fn heap_waiting(runtime: &Runtime, pool: &impl Lends) -> Sample {
    let each = each(|turns| {
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..2 {
                let pool = pool.clone();
                tasks.spawn(async move {
                    for _ in 0..turns / 2 {
                        let held = pool.get().await;
                        tokio::task::yield_now().await;
                        drop(black_box(held));
                    }
                });
            }
            tasks.join_all().await;
        });
    });
    sample([("allocations", each)])
}

/// Of a GET on a held connection, beyond those of its Cmd and one Vec for the reply.
pub(crate) fn heap_of_get<P: Asks>(runtime: &Runtime, pool: &P) -> Sample {
    runtime.block_on(fill(pool, 1));
    let all = each(|turns| {
        runtime.block_on(async {
            let mut held = pool.get().await;
            for _ in 0..turns {
                black_box(P::ask(&mut held).await);
            }
        });
    });
    let callers = each(|turns| {
        for _ in 0..turns {
            black_box(redis::cmd("GET").arg(KEY));
            black_box(vec![0_u8; VALUE]);
        }
    });
    sample([("allocations", all - callers)])
}

fn each(work: impl Fn(u64)) -> f64 {
    let count = |turns| allocation_counter::measure(|| work(turns)).count_total as f64;
    // Once without counting: queues grow to their size.
    work(FEW);
    (count(MANY) - count(FEW)) / (MANY - FEW) as f64
}
