//! The table of figures: what a backend of respool is meant to reach, beside what it and the newest
//! stock pools do reach, measured in one run.
//!
//! `cargo run --release -p respool-benches --bin figures`; `docs/benchmarks.md` says how to read it.
//! Every cell has a process of its own, the subjects take turns, and a target that is missed is
//! printed as missed.

mod catalogue;
mod cell;
mod crates;
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
    run: "--bin figures",
    peers: &[
        "bb8",
        "bb8-redis",
        "deadpool",
        "deadpool-redis",
        "mobc",
        "mobc-redis",
        "tokio",
    ],
};

/// Measures a backend of respool beside the newest bb8, deadpool and mobc.
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
            eprintln!("figures: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Measures and prints. A missed target is no failure, a cell that could not run is one.
fn table(options: Options) -> Result<ExitCode, String> {
    let figures = catalogue::figures(&options);
    let stage = stage::Stage::set()?;
    // Before the rounds: the commit may be another one after them.
    let setting = Setting::look(PROGRAM, options.backend, stage.server_version());
    let results = rounds(&options.rounds, &figures, |cell| {
        stage.measure(&options, cell)
    });
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
