//! How a cell of this table is measured, and the numbers that are taken.

use respool_benches::table::{self, Measured};

use crate::cell::Work;
use crate::subjects::Subject;

pub(crate) use respool_benches::table::Metric;
pub(crate) type Figure = table::Figure<Measurement>;
pub(crate) type Target = table::Target<Subject>;
pub(crate) type Bound = table::Bound<Subject>;
pub(crate) type Group = table::Group<Subject>;

/// One cell, measured once a round.
#[derive(Clone, Debug)]
pub(crate) struct Measurement {
    /// What tells it from the figure's other cells of this subject; may be empty.
    pub(crate) case: String,
    pub(crate) subject: Subject,
    pub(crate) work: Work,
    pub(crate) how: How,
    pub(crate) connections: usize,
    pub(crate) tasks: usize,
    pub(crate) workers: Option<usize>,
    /// What of its sample is shown.
    pub(crate) shows: &'static [Metric],
}

impl Measured for Measurement {
    type Subject = Subject;

    fn case(&self) -> &str {
        &self.case
    }

    fn subject(&self) -> Subject {
        self.subject
    }

    fn name(&self, backend: &str) -> String {
        self.subject.name(backend, self.work.asks_a_server())
    }

    fn shows(&self) -> &'static [Metric] {
        self.shows
    }
}

/// How a cell's process is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// On any core.
    Free,
    /// On one core, with the server on the same.
    SameCore,
    /// Twice under callgrind, for the difference.
    Instructions,
    /// Twice under strace, for the difference.
    SystemCalls,
    /// With few connections and with many, for the difference.
    PerConnection,
    /// Not at all: the crates of a program that has it.
    Crates,
}

pub(crate) const NANOSECONDS: Metric = Metric::less("ns", "ns");
pub(crate) const INSTRUCTIONS: Metric = Metric::less("instructions", "instructions");
pub(crate) const ALLOCATIONS: Metric = Metric::less("allocations", "allocations");
pub(crate) const RATE: Metric = Metric::more("kops", "k ops/s");
pub(crate) const PROCESSOR: Metric = Metric::less("cpu_us", "µs of the client's CPU");
pub(crate) const EVENNESS: Metric = Metric::more("evenness", "least/most served");
pub(crate) const MILLISECONDS: Metric = Metric::less("ms", "ms");
pub(crate) const MEBIBYTES: Metric = Metric::less("mib", "MiB more");
pub(crate) const CALLS: Metric = Metric::less("calls", "system calls");
pub(crate) const WAITS: Metric = Metric::less("waits", "waits");
pub(crate) const KIBIBYTES: Metric = Metric::less("kib", "KiB");
pub(crate) const CONNECTIONS: Metric = Metric::exactly("connections", "connections");
pub(crate) const CRATES: Metric = Metric::less("crates", "crates");
