//! `respool check`: runs the conformance kit, and shows which promise each backend keeps.

mod json;
mod matrix;
mod options;

use std::process::ExitCode;

use respool_conformance::{Report, Subject};

use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;
pub(crate) use options::Options;

/// What the kit found: for each backend its reports, in the order of the checks.
#[derive(Debug)]
pub(crate) struct Matrix {
    rows: Vec<(Subject, Vec<Report>)>,
}

/// Puts each backend to each check, one after the other.
pub(crate) fn run(options: &Options) -> Result<Matrix, Failure> {
    // Without one each check would say so, one after the other.
    respool_testserver::find_server()
        .map_err(|error| Failure::failed(format!("the kit needs a real server: {error}")))?;
    let progress = Progress::start(options.subjects.len() * options.checks.len());
    let mut rows = Vec::new();
    for subject in &options.subjects {
        let mut reports = Vec::new();
        for check in &options.checks {
            progress.working_on(format!("{} {}", subject.name, check.rule));
            let report = respool_conformance::run(subject, check);
            if report.outcome.is_good() {
                progress.milestone(&format!("{} {}", subject.name, brief(&report)));
            } else {
                progress.remark(&format!("{} {}", subject.name, brief(&report)));
            }
            reports.push(report);
            progress.advance();
        }
        rows.push((subject.clone(), reports));
    }
    Ok(Matrix { rows })
}

/// The evidence stands below the matrix.
fn brief(report: &Report) -> String {
    format!("{} {}", report.rule, report.outcome.as_str())
}

/// Prints the matrix. Exit code 1 when a promise is broken.
pub(crate) fn report(options: &Options, matrix: &Matrix) -> Result<ExitCode, Failure> {
    if options.json {
        output::print_json(&json::Document::new(matrix))?;
    } else {
        output::print(&matrix::render(matrix))?;
    }
    Ok(if matrix.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Matrix {
    fn is_good(&self) -> bool {
        self.rows
            .iter()
            .flat_map(|(_, reports)| reports)
            .all(|report| report.outcome.is_good())
    }
}
