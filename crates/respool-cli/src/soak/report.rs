use std::collections::BTreeMap;

use serde::Serialize;

use super::resources::Sample;
use super::{Options, Outcome};

/// The version of the document's form. Fields may be added under the same number.
const SCHEMA: u32 = 1;

/// An outcome for programs.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    schema: u32,
    backend: &'static str,
    seed: u64,
    repeat: String,
    seconds: f64,
    operations: u64,
    cancelled: u64,
    quiet_moments: usize,
    errors: &'a BTreeMap<String, u64>,
    faults: &'a BTreeMap<&'static str, u64>,
    closed: BTreeMap<&'static str, u64>,
    first: Option<Sample>,
    last: Option<Sample>,
    broken: Option<&'a str>,
    clients: Option<&'a str>,
    interrupted: bool,
}

impl<'a> Document<'a> {
    pub(super) fn new(options: &Options, outcome: &'a Outcome) -> Self {
        Document {
            schema: SCHEMA,
            backend: options.backend.info.name,
            seed: options.seed,
            repeat: options.repeat(),
            seconds: outcome.elapsed.as_secs_f64(),
            operations: outcome.operations,
            cancelled: outcome.cancelled,
            quiet_moments: outcome.quiet_moments,
            errors: &outcome.tallies.errors,
            faults: &outcome.tallies.faults,
            closed: outcome.closed.iter().copied().collect(),
            first: outcome.growth.samples.first().copied(),
            last: outcome.growth.samples.last().copied(),
            broken: outcome.breach.as_deref(),
            clients: outcome.clients.as_deref(),
            interrupted: outcome.interrupted.is_some(),
        }
    }
}

/// An outcome for people.
pub(super) fn render(options: &Options, outcome: &Outcome) -> String {
    let mut lines = Vec::new();
    let mut row = |name: &str, what: String| lines.push(format!("{name:<32} {what}"));
    row("backend", options.backend.info.name.to_owned());
    row("seed", options.seed.to_string());
    row("time", format!("{:.1} s", outcome.elapsed.as_secs_f64()));
    row("operations", outcome.operations.to_string());
    row("cancelled", outcome.cancelled.to_string());
    row("quiet moments", outcome.quiet_moments.to_string());
    for (name, count) in &outcome.tallies.faults {
        row(&format!("fault: {name}"), count.to_string());
    }
    for (kind, count) in &outcome.tallies.errors {
        row(&format!("error: {kind}"), count.to_string());
    }
    for (reason, count) in outcome.closed.iter().filter(|(_, count)| *count > 0) {
        row(&format!("closed: {reason}"), count.to_string());
    }
    let samples = &outcome.growth.samples;
    row(
        "memory, first to last",
        span(samples, |sample| {
            Some(format!("{} MiB", sample.memory? >> 20))
        }),
    );
    row(
        "descriptors, first to last",
        span(samples, |sample| Some(sample.descriptors?.to_string())),
    );
    match (&outcome.breach, outcome.interrupted) {
        (Some(account), _) => {
            let clients = outcome.clients.as_deref().unwrap_or("unknown");
            lines.push(format!(
                "\nclients of the server then:\n{}",
                clients.trim_end()
            ));
            lines.push(format!("\nbroken: {account}\nrepeat: {}", options.repeat()));
        }
        (None, Some(_)) => {
            let what = match outcome.quiet_moments {
                0 => "nothing broke, but nothing at rest was checked yet",
                _ => "everything held",
            };
            lines.push(format!("\ninterrupted; until then {what}"));
        }
        (None, None) => lines.push("\neverything held".to_owned()),
    }
    lines.join("\n")
}

fn span(samples: &[Sample], text: impl Fn(&Sample) -> Option<String>) -> String {
    match (
        samples.first().and_then(&text),
        samples.last().and_then(&text),
    ) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => "unknown".to_owned(),
    }
}
