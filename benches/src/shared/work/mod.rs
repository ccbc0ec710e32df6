//! The work of the cells, the same for every subject.

mod crowd;
mod heap;
mod in_flight;

use serde::{Deserialize, Serialize};

pub(crate) use crowd::{gets, large_gets, mixed, sets};
pub(crate) use heap::heap;
pub(crate) use in_flight::in_flight;

/// The kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Work {
    /// Tasks that GET: rate, evenness, the client's CPU.
    Get,
    /// The same with a clock on each GET.
    ClockedGet,
    /// Tasks that SET.
    Set,
    /// Tasks that GET a value of so many bytes.
    LargeGet { large: usize },
    /// Tasks that GET beside as many that GET a value of so many bytes.
    Mixed { large: usize },
    /// Allocations of a GET, beyond its Cmd and its reply.
    Heap,
    /// Resident memory for each GET that waits for its reply.
    InFlight,
}
