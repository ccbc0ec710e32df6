//! What a figure consists of: measurements, and targets that judge them.

use serde::Serialize;

use crate::cell::Work;
use crate::subjects::Subject;

/// One line of what the backend is meant to reach.
#[derive(Debug)]
pub(crate) struct Figure {
    /// For `--only`.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) targets: Vec<Target>,
}

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

/// One number of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Metric {
    #[serde(rename = "metric")]
    pub(crate) key: &'static str,
    pub(crate) unit: &'static str,
    #[serde(skip)]
    pub(crate) good: Good,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Good {
    Less,
    More,
    Exactly,
}

/// What the backend's median is held against.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) case: String,
    pub(crate) metric: Metric,
    pub(crate) bound: Bound,
}

/// A bound, which the metric's [`Good`] gives its direction.
#[derive(Clone, Debug)]
pub(crate) enum Bound {
    /// A figure of its own.
    Fixed(f64),
    /// This much of the best of a group.
    OfBest(f64, Group),
    /// This many more than that of another.
    Above(f64, Subject),
}

/// Subjects that a target speaks of together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) subjects: &'static [Subject],
}

impl Figure {
    /// What `subject` is called in a case of this figure.
    pub(crate) fn name_of(&self, subject: Subject, case: &str, backend: &str) -> String {
        let asks_a_server = self
            .measurements
            .iter()
            .any(|cell| cell.subject == subject && cell.case == case && cell.work.asks_a_server());
        subject.name(backend, asks_a_server)
    }
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
