use respool_conformance::Report;
use serde::Serialize;

use super::Matrix;

/// The version of the document's form. Fields may be added under the same number.
const SCHEMA: u32 = 1;

/// A matrix for programs.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    schema: u32,
    subjects: Vec<SubjectDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct SubjectDocument<'a> {
    name: &'a str,
    kind: &'static str,
    library: &'static str,
    redis_crate: &'static str,
    results: Vec<ResultDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct ResultDocument<'a> {
    rule: &'a str,
    check: &'a str,
    severity: String,
    outcome: &'a str,
    evidence: &'a str,
}

impl<'a> Document<'a> {
    pub(super) fn new(matrix: &'a Matrix) -> Self {
        Document {
            schema: SCHEMA,
            subjects: matrix
                .rows
                .iter()
                .map(|(candidate, reports)| SubjectDocument {
                    name: &candidate.subject.name,
                    kind: candidate.kind.option(),
                    library: candidate.subject.info.library,
                    redis_crate: candidate.subject.info.redis_crate,
                    results: reports.iter().map(ResultDocument::new).collect(),
                })
                .collect(),
        }
    }
}

impl<'a> ResultDocument<'a> {
    fn new(report: &'a Report) -> Self {
        ResultDocument {
            rule: report.rule,
            check: report.name,
            severity: report.severity.as_str().to_uppercase(),
            outcome: report.outcome.as_str(),
            evidence: &report.evidence,
        }
    }
}
