//! A process for each cell, and the core that it may be kept on.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What was measured in a cell, by name.
pub type Sample = BTreeMap<String, f64>;

/// A sample of those figures.
pub fn sample<const N: usize>(figures: [(&str, f64); N]) -> Sample {
    figures
        .into_iter()
        .map(|(name, figure)| (name.to_owned(), figure))
        .collect()
}

/// Why there is no figure.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// This machine, or this program as it was built, lacks what it takes.
    Skipped(String),
    /// The cell could not do its work.
    Failed(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Skipped(why) => write!(formatter, "skipped: {why}"),
            Problem::Failed(why) => write!(formatter, "failed: {why}"),
        }
    }
}

/// This program once more, for one cell.
#[derive(Debug)]
pub struct Process {
    /// What it is run under, and that one's arguments.
    under: Vec<String>,
    cell: String,
}

impl Process {
    /// It is told the cell with the arguments `cell` and its JSON.
    pub fn of(cell: &impl Serialize) -> Process {
        Process {
            under: Vec::new(),
            cell: serde_json::to_string(cell).expect("a cell is plain data"),
        }
    }

    /// Run by this program, with those arguments before its own.
    #[must_use]
    pub fn under(mut self, program: &[&str]) -> Process {
        self.under = program.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Kept on one core.
    #[must_use]
    pub fn on_core(self, core: usize) -> Process {
        self.under(&["taskset", "-c", &core.to_string()])
    }

    /// Its sample.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn sample(self) -> Result<Sample, Problem> {
        let output = self.run()?;
        serde_json::from_slice(&output.stdout)
            .map_err(|error| Problem::Failed(format!("no sample: {error}")))
    }

    /// What it and the program above it wrote.
    ///
    /// # Errors
    ///
    /// Why it didn't come to a good end.
    pub fn run(self) -> Result<Output, Problem> {
        let this = std::env::current_exe().map_err(|error| Problem::Failed(error.to_string()))?;
        let mut command = match self.under.split_first() {
            None => Command::new(this),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(this);
                command
            }
        };
        command.arg("cell").arg(&self.cell);
        finish(&mut command)
    }
}

/// What such a process does: `run`, and prints its sample.
pub fn answer<C: DeserializeOwned>(cell: &str, run: impl FnOnce(&C) -> Sample) -> ExitCode {
    std::thread::spawn(|| {
        std::thread::sleep(PATIENCE);
        eprintln!("no end after {PATIENCE:?}");
        std::process::exit(3);
    });
    let sample = serde_json::from_str(cell)
        .map(|cell| run(&cell))
        .and_then(|sample| serde_json::to_string(&sample));
    match sample {
        Ok(sample) => {
            println!("{sample}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cell: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A cell that hangs must not hang the table.
const PATIENCE: Duration = Duration::from_secs(120);

/// The core for cells that share one with their server: the last, which has the least else to do.
///
/// # Errors
///
/// Why it isn't known.
pub fn last_core() -> Result<usize, Problem> {
    let this = std::process::id().to_string();
    let output = finish(Command::new("taskset").args(["-c", "-p", &this]))?;
    let list = String::from_utf8_lossy(&output.stdout);
    last_of(&list).ok_or_else(|| Problem::Failed(format!("taskset: {list:?}")))
}

/// From `pid 1234's current affinity list: 0-3,6`.
fn last_of(affinity: &str) -> Option<usize> {
    affinity.trim().rsplit([' ', ',', '-']).next()?.parse().ok()
}

/// Keeps every thread of a process on one core.
///
/// # Errors
///
/// Why it could not.
pub fn pin(process: u32, core: usize) -> Result<(), Problem> {
    let (process, core) = (process.to_string(), core.to_string());
    finish(Command::new("taskset").args(["-a", "-c", "-p", &core, &process])).map(drop)
}

/// Runs `command` to its end. A program that isn't installed is a reason to skip.
///
/// # Errors
///
/// Why it didn't come to a good end.
pub fn finish(command: &mut Command) -> Result<Output, Problem> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Problem::Skipped(format!("{name} is not installed")));
        }
        Err(error) => return Err(Problem::Failed(format!("{name}: {error}"))),
    };
    if output.status.success() {
        return Ok(output);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("ptrace") && errors.contains("Operation not permitted") {
        return Err(Problem::Skipped(format!("{name} may not trace here")));
    }
    let last = errors.lines().rev().find(|line| !line.trim().is_empty());
    Err(Problem::Failed(format!(
        "{}: {}",
        output.status,
        last.unwrap_or("it said nothing")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_core_of_a_list_is_found() {
        assert_eq!(last_of("pid 9's current affinity list: 0-3\n"), Some(3));
        assert_eq!(last_of("pid 9's current affinity list: 1\n"), Some(1));
        assert_eq!(last_of("pid 9's current affinity list: 0,5\n"), Some(5));
    }
}
