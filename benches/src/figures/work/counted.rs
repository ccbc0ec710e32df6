//! One caller alone.

use std::hint::black_box;
use std::time::{Duration, Instant};

use respool_benches::table::{Sample, sample};

use crate::subjects::{Asks, Lends, VALUE};

/// Gets between two looks at the clock.
const BATCH: u32 = 1_000;

/// Nanoseconds for a get and a drop that nobody else disturbs.
pub(crate) async fn get_and_drop(pool: &impl Lends, time: Duration) -> Sample {
    let started = Instant::now();
    let mut batches = 0;
    let elapsed = loop {
        for _ in 0..BATCH {
            drop(black_box(pool.get().await));
        }
        batches += 1;
        let elapsed = started.elapsed();
        if elapsed >= time {
            break elapsed;
        }
    };
    let gets = f64::from(batches) * f64::from(BATCH);
    sample([("ns", elapsed.as_nanos() as f64 / gets)])
}

/// `count` times get and drop.
pub(crate) async fn counted_get_and_drop(pool: &impl Lends, count: u64) -> Sample {
    for _ in 0..count {
        drop(black_box(pool.get().await));
    }
    Sample::new()
}

/// `count` GETs on a connection that is held all the while.
pub(crate) async fn counted_gets<P: Asks>(pool: &P, count: u64) -> Sample {
    let mut held = pool.get().await;
    for _ in 0..count {
        assert_eq!(P::ask(&mut held).await.len(), VALUE);
    }
    Sample::new()
}
