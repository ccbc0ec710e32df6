//! One cell: one kind of work on one subject, in a process of its own.

use std::time::Duration;

use respool_benches::table::Sample;
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};

#[cfg(feature = "peers")]
use crate::subjects::{Fred, Rustis};
use crate::subjects::{Shares, Subject, bare, ours, redis_crate};
use crate::work::{self, Work};

/// What a process of its own is told to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) work: Work,
    pub(crate) subject: Subject,
    pub(crate) backend: String,
    pub(crate) url: String,
    pub(crate) tasks: usize,
    /// Threads of the runtime; `None` is the one that works on its caller's.
    pub(crate) workers: Option<usize>,
    /// How long to work, where the work goes by time.
    pub(crate) time: Duration,
}

/// Does the work of `cell` in this process.
pub(crate) fn run(cell: &Cell) -> Sample {
    let runtime = match cell.workers {
        None => Builder::new_current_thread().enable_all().build(),
        Some(workers) => Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build(),
    }
    .expect("a runtime can be built");
    let url = &*cell.url;
    match cell.subject {
        Subject::Ours => with(cell, &runtime, ours(url, &cell.backend)),
        Subject::Multiplexed => with(cell, &runtime, ours(url, "multiplexed")),
        Subject::RedisPlain => with(cell, &runtime, redis_crate::plain(url)),
        Subject::RedisTuned => with(cell, &runtime, redis_crate::tuned(url)),
        Subject::ConnectionManager => with(cell, &runtime, redis_crate::manager(url)),
        #[cfg(feature = "peers")]
        Subject::Fred => with(cell, &runtime, Fred::connect(url)),
        #[cfg(feature = "peers")]
        Subject::Rustis => with(cell, &runtime, Rustis::connect(url)),
        Subject::BareLane => with(cell, &runtime, bare::lane(url)),
        other => panic!("{other:?} runs in no cell of this program"),
    }
}

fn with<C: Shares>(cell: &Cell, runtime: &Runtime, connecting: impl Future<Output = C>) -> Sample {
    let client = runtime.block_on(connecting);
    match cell.work {
        Work::Get => runtime.block_on(work::gets::<_, false>(&client, cell)),
        Work::ClockedGet => runtime.block_on(work::gets::<_, true>(&client, cell)),
        Work::Set => runtime.block_on(work::sets(&client, cell)),
        Work::LargeGet { large } => runtime.block_on(work::large_gets(&client, cell, large)),
        Work::Mixed { large } => runtime.block_on(work::mixed(&client, cell, large)),
        Work::Heap => work::heap(runtime, &client, cell.tasks),
        Work::InFlight => runtime.block_on(work::in_flight(&client, cell)),
    }
}
