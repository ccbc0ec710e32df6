use serde::Serialize;

use crate::compare::server::ServerKind;
use crate::compare::subjects::{Kind, Mode};
use crate::compare::summary::{Spread, Summary};
use crate::compare::workload::Workload;
use crate::compare::{Comparison, Options};

/// The version of the document's form. Fields may be added under the same number.
const SCHEMA: u32 = 1;

/// A comparison for programs.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    schema: u32,
    server: ServerDocument<'a>,
    workload: &'a Workload,
    /// Rounds in which every subject had its turn.
    rounds: usize,
    interrupted: bool,
    subjects: Vec<SubjectDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct ServerDocument<'a> {
    kind: ServerKind,
    version: &'a str,
}

#[derive(Debug, Serialize)]
struct SubjectDocument<'a> {
    name: &'a str,
    kind: Kind,
    mode: Mode,
    per_command: bool,
    versions: &'a str,
    tasks: usize,
    ops_per_s: SpreadDocument,
    p50_us: u64,
    p99_us: u64,
    p999_us: u64,
    server_commands_per_op: Option<f64>,
    connections_opened: Option<u64>,
    least_to_most_served: f64,
    errors: u64,
    first_error: Option<&'a str>,
    ratio_to_best: f64,
}

#[derive(Debug, Serialize)]
struct SpreadDocument {
    min: f64,
    median: f64,
    max: f64,
}

impl<'a> Document<'a> {
    pub(super) fn new(
        options: &'a Options,
        comparison: &'a Comparison,
        summaries: &'a [Summary],
    ) -> Self {
        Document {
            schema: SCHEMA,
            server: ServerDocument {
                kind: comparison.server.kind,
                version: &comparison.server.version,
            },
            workload: &options.workload,
            rounds: comparison.outcome.rounds,
            interrupted: comparison.outcome.interrupted.is_some(),
            subjects: summaries
                .iter()
                .map(|summary| SubjectDocument::new(options, summary))
                .collect(),
        }
    }
}

impl<'a> SubjectDocument<'a> {
    fn new(options: &Options, summary: &'a Summary) -> Self {
        SubjectDocument {
            name: summary.subject.name,
            kind: summary.subject.kind,
            mode: summary.subject.mode,
            per_command: summary.subject.per_command,
            versions: &summary.subject.versions,
            tasks: options.workload.tasks,
            ops_per_s: summary.ops_per_s.into(),
            p50_us: summary.p50_us,
            p99_us: summary.p99_us,
            p999_us: summary.p999_us,
            server_commands_per_op: summary.server_commands_per_op.map(rounded),
            connections_opened: summary.connections_opened,
            least_to_most_served: rounded(summary.least_to_most_served),
            errors: summary.errors,
            first_error: summary.first_error.as_deref(),
            ratio_to_best: rounded(summary.ratio_to_best),
        }
    }
}

impl From<Spread> for SpreadDocument {
    fn from(spread: Spread) -> Self {
        SpreadDocument {
            min: rounded(spread.min),
            median: rounded(spread.median),
            max: rounded(spread.max),
        }
    }
}

/// Three decimals: more would be noise.
fn rounded(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}
