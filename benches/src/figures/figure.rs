//! How a cell of this table is measured, and the numbers that are taken.

use respool_benches::table::{self, Good, Measured};

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

macro_rules! metrics {
    ($($name:ident: $key:literal in $unit:literal, $good:ident;)*) => {
        $(pub(crate) const $name: Metric = Metric { key: $key, unit: $unit, good: Good::$good };)*
    };
}

metrics! {
    NANOSECONDS: "ns" in "ns", Less;
    INSTRUCTIONS: "instructions" in "instructions", Less;
    ALLOCATIONS: "allocations" in "allocations", Less;
    RATE: "kops" in "k ops/s", More;
    PROCESSOR: "cpu_us" in "µs of the client's CPU", Less;
    EVENNESS: "evenness" in "least/most served", More;
    MILLISECONDS: "ms" in "ms", Less;
    MEBIBYTES: "mib" in "MiB more", Less;
    CALLS: "calls" in "system calls", Less;
    WAITS: "waits" in "waits", Less;
    KIBIBYTES: "kib" in "KiB", Less;
    CONNECTIONS: "connections" in "connections", Exactly;
    CRATES: "crates" in "crates", Less;
}
