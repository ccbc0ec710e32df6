use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};

use crate::compare::Options;
use crate::compare::subjects::{Kind, Mode};
use crate::compare::summary::Summary;

/// The widest bar, in characters: the best subject's.
const BAR: usize = 8;
/// Fits a terminal of 100 columns.
const HEADER: [&str; 10] = [
    "subject",
    "ops/s",
    "min–max",
    "p50",
    "p99",
    "p999",
    "cmds",
    "conns",
    "even",
    "of best",
];
/// Columns that belong with the one on their right: the median with its spread, the latencies.
const CLOSE_TO_THE_NEXT: [usize; 3] = [1, 3, 4];

/// The table of a comparison, a section for each mode, in each the best subject first.
pub(super) fn render(options: &Options, summaries: &[Summary]) -> String {
    let workload = &options.workload;
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        // Taken out again where the output is no terminal.
        .enforce_styling()
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(HEADER.map(|title| Cell::new(title).add_attribute(Attribute::Underlined)));
    for summary in summaries {
        table.add_row(row(summary));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        if (1..9).contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        if CLOSE_TO_THE_NEXT.contains(&index) {
            column.set_padding((0, 1));
        }
    }
    table.style_text_only();
    // One table, so that the columns of the sections stand below each other.
    let mut lines = table.lines().map(|row| row.trim_end().to_owned());
    let mut rows: Vec<String> = lines.next().into_iter().collect();
    let mut section = None;
    for (row, summary) in lines.zip(summaries) {
        let mode = summary.subject.mode;
        if section.replace(mode) != Some(mode) {
            rows.extend([String::new(), title(mode).to_owned()]);
        }
        rows.push(row);
    }
    format!(
        "\n{} tasks on {} connections, values of {} bytes, {:.0} % reads; {} of {:?}\n\n\
         {rows}\n\n\
         ops/s: operations a second, the median of the rounds, then their least and most. \
         p50, p99, p999:\nhow long an operation takes, the wait for a connection included. \
         cmds: commands at the server for\neach operation. conns: connections opened in all. \
         even: turns of the least served task, as a\npart of the most served one's. \
         *: stock, with its defaults\n\
         (mobc-redis keeps two idle connections). †: has no lanes, so that its client takes a\n\
         connection for each command.",
        workload.tasks,
        workload.pool_size,
        workload.value_size,
        workload.read_share * 100.0,
        match options.plan.rounds {
            1 => "1 round".to_owned(),
            rounds => format!("{rounds} rounds"),
        },
        options.plan.duration,
        rows = rows.join("\n"),
    )
}

fn title(mode: Mode) -> &'static str {
    match mode {
        Mode::Checkout => "A connection taken for each operation",
        Mode::Shared => "One client shared by all tasks",
    }
}

fn row(summary: &Summary) -> Vec<Cell> {
    let subject = &summary.subject;
    let name = match subject.kind {
        Kind::Backend => {
            let mark = if subject.per_command { "†" } else { "" };
            Cell::new(format!("{}{mark}", subject.name)).add_attribute(Attribute::Bold)
        }
        Kind::Stock => Cell::new(format!("{}*", subject.name)),
    };
    let even = format!("{:.2}", summary.least_to_most_served);
    vec![
        name,
        Cell::new(thousands(summary.ops_per_s.median)),
        Cell::new(format!(
            "{}–{}",
            short(summary.ops_per_s.min),
            short(summary.ops_per_s.max)
        )),
        Cell::new(time(summary.p50_us)),
        Cell::new(time(summary.p99_us)),
        Cell::new(time(summary.p999_us)),
        Cell::new(optional(summary.server_commands_per_op, |commands| {
            format!("{commands:.2}")
        })),
        Cell::new(optional(summary.connections_opened, |opened| {
            opened.to_string()
        })),
        Cell::new(even),
        Cell::new(format!(
            "{:.2} {}",
            summary.ratio_to_best,
            bar(summary.ratio_to_best)
        ))
        .fg(Color::Green),
    ]
}

/// A bar in eighths of a character; never nothing for something.
fn bar(part: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (part.clamp(0.0, 1.0) * (BAR * 8) as f64).round() as usize;
    let eighths = if part > 0.0 { eighths.max(1) } else { 0 };
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// `1234567.8` as `1,234,568`.
pub(super) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `234567` as `235k`.
fn short(number: f64) -> String {
    if number >= 10_000.0 {
        format!("{:.0}k", number / 1000.0)
    } else {
        format!("{number:.0}")
    }
}

/// Microseconds as a person reads them.
pub(super) fn time(microseconds: u64) -> String {
    match microseconds {
        0..1_000 => format!("{microseconds}µs"),
        1_000..10_000 => format!("{:.1}ms", microseconds as f64 / 1e3),
        10_000..1_000_000 => format!("{:.0}ms", microseconds as f64 / 1e3),
        _ => format!("{:.1}s", microseconds as f64 / 1e6),
    }
}

fn optional<T>(figure: Option<T>, show: impl FnOnce(T) -> String) -> String {
    figure.map_or_else(|| "?".to_owned(), show)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_people_read_them() {
        assert_eq!(thousands(1_234_567.8), "1,234,568");
        assert_eq!(thousands(999.0), "999");
        assert_eq!(short(234_567.0), "235k");
        assert_eq!(time(999), "999µs");
        assert_eq!(time(1_234), "1.2ms");
        assert_eq!(time(45_678), "46ms");
        assert_eq!(time(2_500_000), "2.5s");
    }

    #[test]
    fn a_bar_is_as_long_as_its_part() {
        assert_eq!(bar(1.0).chars().count(), BAR);
        assert_eq!(bar(0.5), "████");
        assert_eq!(bar(0.001), "▏");
        assert_eq!(bar(0.0), "");
    }
}
