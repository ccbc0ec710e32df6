//! What a comparison looks like: a table for people, a document for programs. They share figures
//! and nothing else.

mod advice;
mod json;
mod table;

use super::server::{Description, ServerKind};
use super::subjects::TCP_ALONE;
use super::summary::summarize;
use super::{Comparison, Options};
use crate::failure::Failure;
use crate::output;

/// Says what it runs on, before the work begins: the first line of the output.
pub(crate) fn announce(options: &Options, server: &Description) -> Result<(), Failure> {
    let line = match server.kind {
        ServerKind::Scripted => format!(
            "Server: {server}. These figures compare backends with each other and are no measure \
             of Redis: no redis-server or valkey-server was used"
        ),
        _ => format!("Server: {server}"),
    };
    match options.json {
        true => anstream::eprintln!("{line}"),
        false => output::print(&line)?,
    }
    for subject in &options.left_out {
        anstream::eprintln!("left out: {subject} is {TCP_ALONE}");
    }
    Ok(())
}

pub(crate) fn print(options: &Options, comparison: &Comparison) -> Result<(), Failure> {
    let summaries = summarize(&comparison.outcome.results);
    if options.json {
        return output::print_json(&json::Document::new(options, comparison, &summaries));
    }
    let outcome = &comparison.outcome;
    if summaries.is_empty() {
        return output::print(match outcome.interrupted {
            Some(_) => "\ninterrupted; nothing was measured",
            None => "\nnothing was measured",
        });
    }
    if outcome.interrupted.is_some() {
        output::print(&format!(
            "\ninterrupted after {} of {} rounds; this is what was measured",
            outcome.rounds, options.plan.rounds
        ))?;
    }
    output::print(&table::render(options, &summaries))?;
    for line in advice::lines(options, comparison, &summaries) {
        output::print(&line)?;
    }
    Ok(())
}
