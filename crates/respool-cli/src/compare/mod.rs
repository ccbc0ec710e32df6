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

/// Runs the whole comparison. Whatever happens, the keys that it made are gone afterwards.
pub(crate) fn run(options: &Options) -> Result<Comparison, Failure> {
    runtime::with_workers(options.workers)?.block_on(async {
        let interrupt = Interrupt::listen();
        let mut server = Server::choose(&options.server, options.workload.pool_size).await?;
        report::announce(options, server.description())?;
        let outcome = Contest::new(options, &mut server, interrupt).hold().await?;
        Ok(Comparison {
            server: server.description().clone(),
            outcome,
        })
    })
}

/// Prints what was measured, for a person or for a program.
pub(crate) fn report(options: &Options, comparison: &Comparison) -> Result<ExitCode, Failure> {
    report::print(options, comparison)?;
    Ok(comparison
        .outcome
        .interrupted
        .map_or(ExitCode::SUCCESS, |signal| signal.exit_code()))
}
