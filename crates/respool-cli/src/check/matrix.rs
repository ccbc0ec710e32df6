use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table, presets};
use respool_conformance::{Outcome, Report};

use super::{Candidate, Kind, Matrix};

/// The matrix for people: a row for each check, a column for each candidate, and below it whatever
/// was not simply kept.
pub(super) fn render(matrix: &Matrix) -> String {
    let mut text = String::new();
    for kind in [Kind::Backend, Kind::Stock] {
        let rows: Vec<_> = matrix.of(kind).collect();
        if !rows.is_empty() {
            if kind == Kind::Stock {
                text.push_str("\nStock, as each one's own documentation shows it:\n\n");
            }
            text.push_str(&table(&rows));
        }
    }
    for (candidate, reports) in &matrix.rows {
        for report in reports
            .iter()
            .filter(|report| report.outcome != Outcome::Kept)
        {
            text.push_str(&format!(
                "\n{} {}: {}\n",
                candidate.title(),
                report.rule,
                words(report)
            ));
            if report.outcome != Outcome::NotApplicable {
                text.push_str(&format!("  repeat: {}\n", candidate.repeat(report.rule)));
            }
        }
    }
    text.push_str(&format!("\n{}", tally(matrix)));
    text
}

fn table(rows: &[&(Candidate, Vec<Report>)]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        // Taken out again where the output is no terminal.
        .enforce_styling()
        .set_content_arrangement(ContentArrangement::Disabled);
    let names = rows
        .iter()
        .map(|(candidate, _)| candidate.subject.name.clone());
    table.set_header(
        ["rule".to_owned(), "promise".to_owned()]
            .into_iter()
            .chain(names),
    );
    let checks = rows.first().map_or(0, |(_, reports)| reports.len());
    for index in 0..checks {
        let reports: Vec<&Report> = rows.iter().map(|(_, row)| &row[index]).collect();
        let mut cells = vec![
            Cell::new(reports[0].rule),
            Cell::new(short(reports[0].promise)),
        ];
        cells.extend(reports.iter().map(|report| {
            let (colour, mark) = mark(report.outcome);
            Cell::new(mark)
                .fg(colour)
                .set_alignment(CellAlignment::Center)
        }));
        table.add_row(cells);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.style_text_only();
    let mut text = String::new();
    for row in table.lines() {
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

fn words(report: &Report) -> String {
    format!(
        "{}. {}",
        report.outcome.as_str().replace('_', " "),
        report.evidence
    )
}

fn tally(matrix: &Matrix) -> String {
    let mut lines = Vec::new();
    for (kind, whose) in [(Kind::Backend, ""), (Kind::Stock, "stock: ")] {
        let count = |wanted: &dyn Fn(Outcome) -> bool| {
            let reports = matrix.of(kind).flat_map(|(_, reports)| reports);
            reports.filter(|report| wanted(report.outcome)).count()
        };
        if count(&|_| true) > 0 {
            lines.push(format!(
                "{whose}kept {}, broken {}, known failures {}, declared unsupported {}, not \
                 applicable {}",
                count(&|outcome| outcome == Outcome::Kept),
                count(&|outcome| !outcome.is_good()),
                count(&|outcome| outcome == Outcome::KnownFailure),
                count(&|outcome| outcome == Outcome::DeclaredUnsupported),
                count(&|outcome| outcome == Outcome::NotApplicable),
            ));
        }
    }
    lines.join("\n")
}

/// A word beside the sign: a sign alone says nothing to a colour-blind reader or a log.
fn mark(outcome: Outcome) -> (Color, &'static str) {
    match outcome {
        Outcome::Kept => (Color::Green, "✓ kept"),
        Outcome::Broken | Outcome::UnexpectedPass => (Color::Red, "✗ broken"),
        Outcome::KnownFailure => (Color::Yellow, "~ known"),
        Outcome::DeclaredUnsupported => (Color::Cyan, "· declared"),
        Outcome::NotApplicable => (Color::Reset, "- n/a"),
    }
}

/// Enough of a promise to know it by.
fn short(promise: &str) -> String {
    const MOST: usize = 56;
    if promise.chars().count() <= MOST {
        return promise.to_owned();
    }
    let cut: String = promise.chars().take(MOST - 1).collect();
    format!("{}…", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_promise_is_cut_where_it_must_be() {
        assert_eq!(short("kept"), "kept");
        let cut = short(&"promise ".repeat(20));
        assert!(cut.ends_with('…') && cut.chars().count() <= 56, "{cut}");
    }
}
