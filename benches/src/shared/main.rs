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
use respool_benches::table::{Asked, Hidden, Options, Program, answer};

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
    let options = arguments.asked.options(&catalogue::NAMES);
    Program::end("shared", options.and_then(table))
}

fn table(options: Options) -> Result<ExitCode, String> {
    let figures = catalogue::figures(&options);
    let stage = stage::Stage::set(&options)?;
    PROGRAM.table(&options, &figures, stage.server_version(), |cell| {
        stage.measure(cell)
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
