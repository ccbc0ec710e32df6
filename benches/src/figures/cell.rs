//! One cell: one kind of work on one subject, in a process of its own.

use std::time::Duration;

use respool_benches::table::Sample;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::subjects::{
    Asks, BareSocket, Bb8Client, Bb8Objects, DeadpoolClient, DeadpoolObjects, DeadpoolRedis, Lends,
    MobcClient, MobcObjects, MobcRedis, Ours, Subject, bare_objects,
};
use crate::work;

/// What a process of its own is told to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) work: Work,
    pub(crate) subject: Subject,
    pub(crate) backend: String,
    pub(crate) url: String,
    pub(crate) connections: usize,
    pub(crate) tasks: usize,
    /// Threads of the runtime; `None` is the one that works on its caller's.
    pub(crate) workers: Option<usize>,
    /// How long to work, where the work goes by time.
    pub(crate) time: Duration,
    /// How often, where it goes by number.
    pub(crate) count: u64,
}

/// The kinds of work. The first ones only get and drop, the others need a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Work {
    /// get and drop for a time: nanoseconds for each.
    GetAndDrop,
    /// get and drop, a number of times, for someone else to count.
    CountedGetAndDrop,
    /// Allocations of get and drop while one is idle.
    HeapIdle,
    /// Allocations of get and drop when each get has to wait.
    HeapWaiting,
    /// Tasks that get, yield and drop: turns a second, evenness, memory.
    Turns,
    /// The same with a clock on each wait.
    LongestWait,
    /// Tasks that get, GET and drop.
    RoundTrips,
    /// Allocations of a GET on a held connection, beyond its Cmd and its reply.
    HeapOfGet,
    /// GETs on a held connection, a number of times, for someone else to count.
    CountedGets,
    /// Resident memory with so many idle connections.
    IdleMemory,
    /// Tasks at a pool that has opened nothing: time until all are served, connections opened.
    ColdStart,
}

impl Work {
    /// Whether its peers too are pools of connections.
    pub(crate) fn asks_a_server(self) -> bool {
        matches!(
            self,
            Work::RoundTrips
                | Work::HeapOfGet
                | Work::CountedGets
                | Work::IdleMemory
                | Work::ColdStart
        )
    }
}

/// Does the work of `cell` in this process.
pub(crate) fn run(cell: &Cell) -> Sample {
    let runtime = match cell.workers {
        None => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build(),
        Some(workers) => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build(),
    }
    .expect("a runtime can be built");
    if cell.work.asks_a_server() {
        with_server(cell, &runtime)
    } else {
        without_network(cell, &runtime)
    }
}

fn without_network(cell: &Cell, runtime: &Runtime) -> Sample {
    let size = cell.connections;
    let _inside = runtime.enter();
    match cell.subject {
        Subject::Ours => gets(cell, runtime, Ours::build(&cell.url, &cell.backend, size)),
        Subject::Bb8 => gets(cell, runtime, runtime.block_on(Bb8Objects::build(size))),
        Subject::Deadpool => gets(cell, runtime, DeadpoolObjects::build(size, None)),
        Subject::DeadpoolTimed => {
            let wait = Some(Duration::from_secs(30));
            gets(cell, runtime, DeadpoolObjects::build(size, wait))
        }
        Subject::Mobc => gets(cell, runtime, MobcObjects::build(size)),
        Subject::BareHandOff => gets(cell, runtime, bare_objects(size)),
        other => panic!("{other:?} is no subject without a network"),
    }
}

fn gets(cell: &Cell, runtime: &Runtime, pool: impl Lends) -> Sample {
    // Filled outside of what is measured: the first gets connect.
    runtime.block_on(work::fill(&pool, cell.connections));
    match cell.work {
        Work::GetAndDrop => runtime.block_on(work::get_and_drop(&pool, cell.time)),
        Work::CountedGetAndDrop => runtime.block_on(work::counted_get_and_drop(&pool, cell.count)),
        Work::HeapIdle => work::heap_idle(runtime, &pool),
        Work::HeapWaiting => work::heap_waiting(runtime, &pool),
        Work::Turns => runtime.block_on(work::turns::<_, false>(pool, cell)),
        Work::LongestWait => runtime.block_on(work::turns::<_, true>(pool, cell)),
        other => panic!("{other:?} needs a server"),
    }
}

fn with_server(cell: &Cell, runtime: &Runtime) -> Sample {
    let (url, size) = (&*cell.url, cell.connections);
    let _inside = runtime.enter();
    match cell.subject {
        Subject::Ours => asks(cell, runtime, Ours::build(url, &cell.backend, size)),
        Subject::Bb8 => {
            let pool = runtime.block_on(Bb8Client::build(url, size, false));
            asks(cell, runtime, pool)
        }
        Subject::Bb8Redis => {
            let pool = runtime.block_on(Bb8Client::build(url, size, true));
            asks(cell, runtime, pool)
        }
        Subject::Deadpool => asks(cell, runtime, DeadpoolClient::build(url, size)),
        Subject::DeadpoolRedis => asks(cell, runtime, DeadpoolRedis::build(url, size)),
        Subject::Mobc => asks(cell, runtime, MobcClient::build(url, size)),
        Subject::MobcRedis => asks(cell, runtime, MobcRedis::build(url, size)),
        Subject::BareSocket => {
            let pool = runtime.block_on(BareSocket::pool(url, size));
            asks(cell, runtime, pool)
        }
        other => panic!("{other:?} is no subject with a server"),
    }
}

fn asks(cell: &Cell, runtime: &Runtime, pool: impl Asks) -> Sample {
    match cell.work {
        Work::RoundTrips => runtime.block_on(work::round_trips(pool, cell)),
        Work::HeapOfGet => work::heap_of_get(runtime, &pool),
        Work::CountedGets => runtime.block_on(work::counted_gets(&pool, cell.count)),
        Work::IdleMemory => runtime.block_on(work::idle_memory(&pool, cell.connections)),
        Work::ColdStart => runtime.block_on(work::cold_start(pool, cell)),
        other => panic!("{other:?} needs no server"),
    }
}
