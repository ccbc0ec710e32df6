//! `respool check`: runs the conformance kit, and shows which promise each backend keeps, and each
//! stock pool.

mod json;
mod markdown;
mod matrix;
mod options;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use respool_conformance::{Report, Subject};

use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;
use options::Form;
pub(crate) use options::Options;

/// Whom the kit is put to.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    subject: Subject,
    kind: Kind,
}

/// Whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A backend of respool: what it breaks is a failure.
    Backend,
    /// Somebody else's, as it comes: what it breaks is a finding.
    Stock,
}

/// What the kit found: for each candidate its reports, in the order of the checks.
#[derive(Debug)]
pub(crate) struct Matrix {
    rows: Vec<(Candidate, Vec<Report>)>,
}

/// Puts each candidate to each check, a few at a time.
pub(crate) fn run(options: &Options) -> Result<Matrix, Failure> {
    // Without one each check would say so, one after the other.
    respool_testserver::server_version()
        .map_err(|error| Failure::from(error).within("the kit needs a real server"))?;
    let checks = &options.checks;
    let steps = options.candidates.len() * checks.len();
    let progress = Progress::start(steps);
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(vec![None; steps]);
    let work = || {
        loop {
            let step = next.fetch_add(1, Ordering::Relaxed);
            if step >= steps {
                return;
            }
            let candidate = &options.candidates[step / checks.len()];
            let report = candidate.check(checks[step % checks.len()], &progress);
            let mut reports = reports
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            reports[step] = Some(report);
        }
    };
    thread::scope(|scope| {
        for _ in 0..options.jobs.min(steps) {
            scope.spawn(work);
        }
    });
    let reports = reports
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut reports = reports.into_iter().flatten();
    let rows = options.candidates.iter().map(|candidate| {
        let own = reports.by_ref().take(checks.len()).collect();
        (candidate.clone(), own)
    });
    Ok(Matrix {
        rows: rows.collect(),
    })
}

/// Prints the matrix. Exit code 1 when a backend of respool breaks a promise.
pub(crate) fn report(options: &Options, matrix: &Matrix) -> Result<ExitCode, Failure> {
    match options.form {
        Form::Json => output::print_json(&json::Document::new(matrix))?,
        Form::Markdown => output::print(&markdown::render(matrix))?,
        Form::Table => output::print(&matrix::render(matrix))?,
    }
    Ok(if matrix.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Candidate {
    fn check(&self, check: &respool_conformance::Check, progress: &Progress) -> Report {
        progress.working_on(format!("{} {}", self.subject.name, check.rule));
        let report = respool_conformance::run(&self.subject, check);
        // The evidence stands below the matrix.
        let brief = format!(
            "{} {} {}",
            self.title(),
            report.rule,
            report.outcome.as_str()
        );
        match self.kind == Kind::Stock || report.outcome.is_good() {
            true => progress.milestone(&brief),
            false => progress.remark(&brief),
        }
        progress.advance();
        report
    }

    /// Its name, so that a backend and the stock pool that it wraps are told apart.
    fn title(&self) -> String {
        match self.kind {
            Kind::Backend => self.subject.name.clone(),
            Kind::Stock => format!("stock {}", self.subject.name),
        }
    }

    /// The command that repeats one rule alone.
    fn repeat(&self, rule: &str) -> String {
        format!(
            "respool check --{} {} --rule {rule}",
            self.kind.option(),
            self.subject.name
        )
    }
}

impl Kind {
    fn option(self) -> &'static str {
        match self {
            Kind::Backend => "backend",
            Kind::Stock => "stock",
        }
    }
}

impl Matrix {
    fn is_good(&self) -> bool {
        self.of(Kind::Backend)
            .flat_map(|(_, reports)| reports)
            .all(|report| report.outcome.is_good())
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &(Candidate, Vec<Report>)> {
        self.rows
            .iter()
            .filter(move |(candidate, _)| candidate.kind == kind)
    }
}
