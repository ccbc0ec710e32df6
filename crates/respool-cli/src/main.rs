//! The `respool` command. Every subcommand is the same story in four steps: arguments, validated
//! options, work, report.

mod arguments;
mod backends;
mod check;
mod compare;
mod failure;
mod interrupt;
mod output;
mod progress;
mod runtime;
mod soak;

use std::process::ExitCode;

use arguments::{Arguments, Command};
use failure::Failure;

fn main() -> ExitCode {
    match tell() {
        Ok(exit_code) => exit_code,
        Err(failure) => failure.report(),
    }
}

fn tell() -> Result<ExitCode, Failure> {
    match Arguments::read()?.command {
        Command::Compare(arguments) => {
            let options = compare::Options::validate(arguments)?;
            let comparison = compare::run(&options)?;
            compare::report(&options, &comparison)
        }
        Command::Check(arguments) => {
            let options = check::Options::validate(arguments)?;
            let matrix = check::run(&options)?;
            check::report(&options, &matrix)
        }
        Command::Soak(arguments) => {
            let options = soak::Options::validate(arguments)?;
            let outcome = soak::run(&options)?;
            soak::report(&options, &outcome)
        }
        Command::Backends => {
            let descriptions = backends::describe()?;
            backends::report(&descriptions)
        }
    }
}
