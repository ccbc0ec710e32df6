use std::fmt::Write;
use std::time::SystemTime;

use respool_conformance::{Outcome, Report};

use super::{Candidate, Kind, Matrix};

/// The matrix as docs/backends.md has it: what was put to the kit and when, a table for ours and
/// one for the others, and the evidence for whatever is not simply kept.
pub(super) fn render(matrix: &Matrix) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", when_and_where());
    for (kind, title) in [(Kind::Backend, "Our backends"), (Kind::Stock, "Stock")] {
        let rows: Vec<_> = matrix.of(kind).collect();
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n### {title}\n\n{}", table(&rows));
        for (candidate, reports) in rows {
            text.push_str(&evidence(candidate, reports));
        }
    }
    text.trim_end().to_owned()
}

fn when_and_where() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let server = respool_testserver::server_version()
        .unwrap_or_else(|_| "a server that does not tell its version".to_owned());
    format!(
        "Run on {} against {server}, {} {}.",
        &now[..10],
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}

fn table(rows: &[&(Candidate, Vec<Report>)]) -> String {
    let mut lines = Vec::new();
    let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let names = rows
        .iter()
        .map(|(candidate, _)| candidate.subject.name.clone());
    lines.push(line(["rule".to_owned()].into_iter().chain(names).collect()));
    lines.push(format!("|---|{}", ":---:|".repeat(rows.len())));
    for (index, first) in rows[0].1.iter().enumerate() {
        let cells = rows.iter().map(|(_, reports)| word(reports[index].outcome));
        lines.push(line(
            [first.rule.to_owned()].into_iter().chain(cells).collect(),
        ));
    }
    lines.join("\n")
}

/// The test that compares a run with the page reads these words.
fn word(outcome: Outcome) -> String {
    let word = outcome.as_str().replace('_', " ");
    match outcome.is_good() {
        true => word,
        false => format!("**{word}**"),
    }
}

fn evidence(candidate: &Candidate, reports: &[Report]) -> String {
    let info = &candidate.subject.info;
    let mut text = format!(
        "\n#### {} ({}, {})\n\n",
        candidate.title(),
        info.library,
        info.redis_crate
    );
    let noteworthy = |report: &&Report| report.outcome != Outcome::Kept;
    if !reports.iter().any(|report| noteworthy(&report)) {
        text.push_str("Every rule is kept.\n");
    }
    for report in reports.iter().filter(noteworthy) {
        let word = word(report.outcome);
        let _ = writeln!(
            text,
            "- {} {word}: {}",
            report.rule,
            one_line(&report.evidence)
        );
        if report.outcome != Outcome::NotApplicable {
            let _ = writeln!(text, "  `{}`", candidate.repeat(report.rule));
        }
    }
    text
}

/// In a few words, and without what Markdown takes for its own.
fn one_line(evidence: &str) -> String {
    const MOST: usize = 240;
    let line = evidence.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut short: String = line.chars().take(MOST).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short.replace('<', "&lt;").replace('*', "\\*")
}
