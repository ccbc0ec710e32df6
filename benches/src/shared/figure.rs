//! How a cell of this table is measured, and the numbers that are taken.

use respool_benches::table::{self, Good, Measured};

use crate::subjects::Subject;
use crate::work::Work;

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
    pub(crate) place: Place,
    pub(crate) tasks: usize,
    /// What of its sample is shown.
    pub(crate) shows: &'static [Metric],
}

/// Where client and server run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Both on one core, the client on one thread.
    SameCore,
    /// On any core, the client with two workers.
    Free,
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
        self.subject.name(backend)
    }

    fn shows(&self) -> &'static [Metric] {
        self.shows
    }
}

macro_rules! metrics {
    ($($name:ident: $key:literal in $unit:literal, $good:ident;)*) => {
        $(pub(crate) const $name: Metric = Metric { key: $key, unit: $unit, good: Good::$good };)*
    };
}

metrics! {
    RATE: "kops" in "k ops/s", More;
    PROCESSOR: "cpu_us" in "µs of the client's CPU", Less;
    EVENNESS: "evenness" in "least/most served", More;
    P99: "p99_us" in "p99 in µs", Less;
    LARGE_RATE: "large_kops" in "k large ops/s", More;
    ALLOCATIONS: "allocations" in "allocations", Less;
    KIBIBYTES: "kib" in "KiB each", Less;
}
