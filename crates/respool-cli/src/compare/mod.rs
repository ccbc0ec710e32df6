//! `respool compare`: one closed-loop workload on every backend and on stock pools, in turns.

mod contest;
mod keyspace;
mod measure;
mod options;
mod plan;
mod report;
mod server;
mod subjects;
mod summary;
mod workload;

use std::process::ExitCode;

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::runtime;
use contest::{Contest, Outcome};
use server::Server;

pub(crate) use options::Options;

/// What was measured, where, and how far it came.
#[derive(Debug)]
pub(crate) struct Comparison {
    server: server::Description,
    outcome: Outcome,
}

/// Runs the whole comparison. Whatever happens, the keys that it made are gone afterwards, or what
/// is left of them is named.
pub(crate) fn run(options: &Options) -> Result<Comparison, Failure> {
    runtime::with_workers(options.workers)?.block_on(async {
        let interrupt = Interrupt::listen();
        let chosen = tokio::select! {
            chosen = Server::choose(&options.server, options.workload.pool_size) => chosen,
            signal = interrupt.raised() => Err(Failure::interrupted(
                signal,
                "interrupted before the server had answered; nothing was measured",
            )),
        };
        let mut server = chosen?;
        report::announce(options, server.description())?;
        let outcome = Contest::new(options, &mut server, interrupt).hold().await?;
        Ok(Comparison {
            server: server.description().clone(),
            outcome,
        })
    })
}

/// Prints what was measured, for a person or for a program. Figures alone don't say that all is
/// well: exit code 1 when keys were left, or when nothing that somebody did succeeded.
pub(crate) fn report(options: &Options, comparison: &Comparison) -> Result<ExitCode, Failure> {
    report::print(options, comparison)?;
    let outcome = &comparison.outcome;
    let mut exit_code = ExitCode::SUCCESS;
    if let Some(failure) = &outcome.left_behind {
        exit_code = failure.report();
    }
    if let Some(signal) = outcome.interrupted {
        return Ok(signal.exit_code());
    }
    let fruitless: Vec<_> = outcome.fruitless().map(ToString::to_string).collect();
    if !fruitless.is_empty() {
        let names = fruitless.join(", ");
        exit_code = Failure::failed(format!("not one operation succeeded of {names}")).report();
    }
    Ok(exit_code)
}
