//! The table of figures: what a backend of respool is meant to reach, beside what it and the newest
//! stock pools do reach, measured in one run.
//!
//! `cargo run --release -p respool-benches --bin figures`; `docs/benchmarks.md` says how to read it.
//! Every cell has a process of its own, the subjects take turns, and a target that is missed is
//! printed as missed.

mod arguments;
mod catalogue;
mod cell;
mod crates;
mod figure;
mod report;
mod run;
mod setting;
mod stage;
mod subjects;
mod verdict;
mod work;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Hidden};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Hidden::Cell { cell }) = &arguments.hidden {
        return in_a_process_of_its_own(cell);
    }
    match table(&arguments) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("figures: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Measures and prints. A missed target is no failure, a cell that could not run is one.
fn table(arguments: &Arguments) -> Result<ExitCode, String> {
    let options = arguments.options()?;
    let figures = catalogue::figures(&options);
    let stage = stage::Stage::set()?;
    // Before the rounds: the commit may be another one after them.
    let setting = setting::Setting::look(&options, stage.server_version());
    let results = run::rounds(&options, &figures, &stage);
    if options.json {
        report::json::print(&options, &setting, &figures, &results)?;
    } else {
        report::markdown::print(&options, &setting, &figures, &results);
    }
    Ok(if results.all_ran() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn in_a_process_of_its_own(cell: &str) -> ExitCode {
    let sample = serde_json::from_str(cell)
        .map(|cell| cell::run(&cell))
        .and_then(|sample| serde_json::to_string(&sample));
    match sample {
        Ok(sample) => {
            println!("{sample}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("figures cell: {error}");
            ExitCode::FAILURE
        }
    }
}
