//! The table of shared clients: what a `Client` of respool is meant to reach, beside what the
//! multiplexed clients of others and a bare lane do reach, measured in one run.
//!
//! `cargo run --release -p respool-benches --features peers --bin shared`; `docs/benchmarks.md` says
//! how to read it. Every cell has a process and a server of its own, the subjects take turns, and a
//! target that is missed is printed as missed.

mod catalogue;
mod cell;
mod figure;
mod stage;
mod subjects;
mod work;

use std::process::ExitCode;

use clap::Parser;
use respool_benches::table::{
    Asked, Hidden, Options, Program, Setting, answer, json, markdown, rounds,
};

const PROGRAM: Program = Program {
    run: if cfg!(feature = "peers") {
        "--features peers --bin shared"
    } else {
        "--bin shared"
    },
    peers: if cfg!(feature = "peers") {
        &["redis", "fred", "rustis", "tokio"]
    } else {
        &["redis", "tokio"]
    },
};

/// Measures the shared `Client` of a backend beside the multiplexed clients of others.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    asked: Asked,
    #[command(subcommand)]
    hidden: Option<Hidden>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Hidden::Cell { cell }) = &arguments.hidden {
        return answer(cell, cell::run);
    }
    match arguments.asked.options(&catalogue::NAMES).and_then(table) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("shared: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Measures and prints. A missed target is no failure, a cell that could not run is one.
fn table(options: Options) -> Result<ExitCode, String> {
    let figures = catalogue::figures(&options);
    let stage = stage::Stage::set(&options)?;
    // Before the rounds: the commit may be another one after them.
    let setting = Setting::look(PROGRAM, options.backend, stage.server_version());
    let results = rounds(&options.rounds, &figures, |cell| stage.measure(cell));
    if options.json {
        json::print(&options.rounds, &setting, &figures, &results)?;
    } else {
        markdown::print(&options.rounds, &setting, &figures, &results);
    }
    Ok(if results.all_ran() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use respool_benches::table::locked;

    use super::*;

    #[test]
    fn every_peer_has_its_version() {
        for name in PROGRAM.peers {
            assert!(locked(name).is_some(), "{name} is not in Cargo.lock");
        }
    }
}
