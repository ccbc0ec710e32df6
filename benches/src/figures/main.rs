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
use respool_benches::table::{Asked, Hidden, Options, Program, answer};

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
    let options = arguments.asked.options(&catalogue::NAMES);
    Program::end("figures", options.and_then(table))
}

fn table(options: Options) -> Result<ExitCode, String> {
    let figures = catalogue::figures(&options);
    let stage = stage::Stage::set()?;
    PROGRAM.table(&options, &figures, stage.server_version(), |cell| {
        stage.measure(&options, cell)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_has_its_version() {
        assert_eq!(PROGRAM.unlocked(), [""; 0]);
    }
}
