//! How a cell of this table is measured, and the numbers that are taken.

use respool_benches::table::{self, Measured};

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

pub(crate) const RATE: Metric = Metric::more("kops", "k ops/s");
pub(crate) const PROCESSOR: Metric = Metric::less("cpu_us", "µs of the client's CPU");
pub(crate) const EVENNESS: Metric = Metric::more("evenness", "least/most served");
pub(crate) const P99: Metric = Metric::less("p99_us", "p99 in µs");
pub(crate) const LARGE_RATE: Metric = Metric::more("large_kops", "k large ops/s");
pub(crate) const ALLOCATIONS: Metric = Metric::less("allocations", "allocations");
pub(crate) const KIBIBYTES: Metric = Metric::less("kib", "KiB each");
