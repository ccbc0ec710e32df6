use super::table::{thousands, time};
use crate::compare::subjects::{Kind, Mode, Subject};
use crate::compare::summary::Summary;
use crate::compare::{Comparison, Options};
use crate::runtime;

/// A shared client has to do this much better before it is worth a change of code.
const WORTH_SHARING: f64 = 1.3;
/// Rounds that differ by more than this much say little.
const NOISY: f64 = 0.5;
/// What GET-4 grants the least served task of a backend.
const EVEN: f64 = 0.9;
/// Of fewer turns than this, one more or less is a great part.
const ENOUGH_TURNS: f64 = 20.0;
/// Prose is as wide as the table at most.
const WIDTH: usize = 100;

/// What the figures mean, and the command that repeats them.
pub(super) fn lines(
    options: &Options,
    comparison: &Comparison,
    summaries: &[Summary],
) -> Vec<String> {
    let mut sentences = Vec::new();
    sentences.extend(best_backend(summaries));
    sentences.extend(need_for_a_pool(summaries));
    sentences.extend(warnings(options, summaries));
    let mut lines = vec![String::new()];
    lines.extend(sentences.iter().map(|sentence| wrapped(sentence)));
    lines.push(String::new());
    lines.push(wrapped(&conditions(options, summaries)));
    // Unbroken, to be copied.
    lines.push(format!("Repeat it: {}", command(options, comparison)));
    lines
}

fn best_backend(summaries: &[Summary]) -> Option<String> {
    let best = best_of(summaries, Mode::Checkout, Kind::Backend)?;
    let stock = best_of(summaries, Mode::Checkout, Kind::Stock);
    let versus = stock.map_or(String::new(), |stock| {
        format!(
            ", {:.1} times {}, the best stock pool",
            best.ops_per_s.median / stock.ops_per_s.median,
            label(stock, summaries)
        )
    });
    Some(format!(
        "To take connections, {} is the fastest backend here: {} operations a second{versus}.",
        label(best, summaries),
        thousands(best.ops_per_s.median),
    ))
}

fn need_for_a_pool(summaries: &[Summary]) -> Option<String> {
    // A client that takes a connection for each command needs its pool.
    let shared = best(summaries, Mode::Shared, |subject| !subject.per_command)?;
    let checkout = best(summaries, Mode::Checkout, |_| true)?;
    let times = shared.ops_per_s.median / checkout.ops_per_s.median;
    Some(if times >= WORTH_SHARING {
        format!(
            "You may not need a pool: one shared client, {}, did {times:.1} times as many \
             operations as the best pool, {}. Blocking commands, WATCH and SUBSCRIBE still need a \
             connection of their own.",
            label(shared, summaries),
            label(checkout, summaries),
        )
    } else {
        format!(
            "A pool is worth it here: the best shared client, {}, did {times:.1} times as many \
             operations as the best pool, {}.",
            label(shared, summaries),
            label(checkout, summaries),
        )
    })
}

fn warnings(options: &Options, summaries: &[Summary]) -> Vec<String> {
    let mut warnings = Vec::new();
    let named = |wanted: &dyn Fn(&Summary) -> bool| {
        let names: Vec<_> = summaries
            .iter()
            .filter(|summary| wanted(summary))
            .map(|summary| label(summary, summaries))
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let chatty = |summary: &Summary| {
        summary
            .server_commands_per_op
            .is_some_and(|commands| commands > 1.5)
    };
    if let Some(names) = named(&chatty) {
        warnings.push(format!(
            "Two commands or more at the server for each operation, a PING before each use: {names}."
        ));
    }
    let reconnects = |summary: &Summary| {
        summary
            .connections_opened
            .is_some_and(|opened| opened > options.workload.pool_size as u64)
    };
    if let Some(names) = named(&reconnects) {
        warnings.push(format!(
            "Opened more connections than the pool's size, so it closes some and opens others \
             again: {names}."
        ));
    }
    let uneven = |summary: &Summary| {
        let turns = summary.ops_per_s.median * options.plan.duration.as_secs_f64()
            / options.workload.tasks as f64;
        turns >= ENOUGH_TURNS && summary.least_to_most_served < EVEN
    };
    if let Some(names) = named(&uneven) {
        warnings.push(format!("Some tasks had fewer turns than others: {names}."));
    }
    if let Some(names) = named(&|summary| summary.ops_per_s.width() > NOISY) {
        warnings.push(format!(
            "Rounds differed by more than half, so repeat before you conclude: {names}."
        ));
    }
    for summary in summaries.iter().filter(|summary| summary.errors > 0) {
        warnings.push(format!(
            "{}: {} failed, the first because: {}",
            label(summary, summaries),
            summary.errors,
            summary.first_error.as_deref().unwrap_or("without a text")
        ));
    }
    if let Some(slow) = summaries.iter().max_by_key(|summary| summary.p999_us)
        && slow.p999_us > 10 * slow.p50_us.max(1)
    {
        warnings.push(format!(
            "The longest waits: of {}'s operations half took {} at most, one in a thousand {} or \
             more.",
            label(slow, summaries),
            time(slow.p50_us),
            time(slow.p999_us),
        ));
    }
    warnings
}

/// What stands beside every figure: the machine and the versions.
fn conditions(options: &Options, summaries: &[Summary]) -> String {
    let mut versions: Vec<&str> = summaries
        .iter()
        .flat_map(|summary| summary.subject.versions.split(", "))
        .collect();
    versions.sort_unstable();
    versions.dedup();
    let build = if cfg!(debug_assertions) {
        ", a debug build, whose figures mean little: add --release to cargo run"
    } else {
        ""
    };
    format!(
        "On {} {}, {} cores, {} tokio workers; respool {}{build}; {}.",
        std::env::consts::OS,
        std::env::consts::ARCH,
        runtime::default_workers(),
        options.workers,
        env!("CARGO_PKG_VERSION"),
        versions.join(", ")
    )
}

/// The URL is left out where it may hold a password: REDIS_URL is the better place.
fn command(options: &Options, comparison: &Comparison) -> String {
    use crate::compare::server::{Origin, ServerKind};
    let workload = &options.workload;
    // Without --server a REDIS_URL would be taken, if there is one by then.
    let mut command = match (comparison.server.origin, comparison.server.kind) {
        (Origin::Argument | Origin::Environment, _) => "REDIS_URL=... respool compare",
        (Origin::StartedHere, ServerKind::Scripted) => "respool compare --server scripted",
        (Origin::StartedHere, _) => "respool compare --server local",
    }
    .to_owned();
    command.push_str(&format!(
        " --tasks {} --pool-size {} --value-size {} --read-share {} --keys {} --rounds {} \
         --duration {} --workers {}",
        workload.tasks,
        workload.pool_size,
        workload.value_size,
        workload.read_share,
        workload.keys,
        options.plan.rounds,
        humantime::format_duration(options.plan.duration)
            .to_string()
            .replace(' ', ""),
        options.workers,
    ));
    for name in &options.chosen {
        command.push_str(&format!(" --subject {name}"));
    }
    command
}

/// Enough words to know a subject by among the others.
fn label(summary: &Summary, among: &[Summary]) -> String {
    let Subject {
        name, kind, mode, ..
    } = &summary.subject;
    let namesakes = || {
        let others = among.iter().map(|other| &other.subject);
        others.filter(|other| other.name == *name)
    };
    let stock = match kind {
        Kind::Stock if namesakes().any(|other| other.kind != *kind) => "stock ",
        _ => "",
    };
    let shared = match mode {
        Mode::Shared if namesakes().any(|other| other.mode != *mode) => " (shared)",
        _ => "",
    };
    format!("{stock}{name}{shared}")
}

/// The words of `text` in lines that a terminal shows whole; all but the first are indented.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is a first line");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= WIDTH {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(format!("  {word}"));
        }
    }
    lines.join("\n")
}

fn best_of(summaries: &[Summary], mode: Mode, kind: Kind) -> Option<&Summary> {
    best(summaries, mode, |subject| subject.kind == kind)
}

/// The first that is wanted and did anything: in each mode, summaries come best first.
fn best(
    summaries: &[Summary],
    mode: Mode,
    is_wanted: impl Fn(&Subject) -> bool,
) -> Option<&Summary> {
    summaries.iter().find(|summary| {
        summary.ops_per_s.median > 0.0
            && summary.subject.mode == mode
            && is_wanted(&summary.subject)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_broken_between_words_and_loses_none() {
        let text = "one word after the other ".repeat(20);
        let wrapped = wrapped(&text);
        assert!(wrapped.lines().all(|line| line.chars().count() <= WIDTH));
        assert!(wrapped.lines().count() > 1);
        let words =
            |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        assert_eq!(words(&wrapped), words(&text));
    }
}
