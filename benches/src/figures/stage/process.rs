use std::io::ErrorKind;
use std::process::{Command, Output, Stdio};

use super::Problem;
use crate::cell::{Cell, Sample};

/// This program once more, for one cell.
pub(super) struct Process {
    /// What it is run under, and that one's arguments.
    under: Vec<String>,
    cell: String,
}

impl Process {
    pub(super) fn of(cell: &Cell) -> Process {
        Process {
            under: Vec::new(),
            cell: serde_json::to_string(cell).expect("a cell is plain data"),
        }
    }

    pub(super) fn under(mut self, program: &[&str]) -> Process {
        self.under = program.iter().map(|&word| word.to_owned()).collect();
        self
    }

    pub(super) fn on_core(self, core: usize) -> Process {
        self.under(&["taskset", "-c", &core.to_string()])
    }

    /// Its sample.
    pub(super) fn sample(self) -> Result<Sample, Problem> {
        let output = self.run()?;
        serde_json::from_slice(&output.stdout)
            .map_err(|error| Problem::Failed(format!("no sample: {error}")))
    }

    /// What it and the program above it wrote.
    pub(super) fn run(self) -> Result<Output, Problem> {
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

/// Runs `command` to its end. A program that isn't installed is a reason to skip.
pub(super) fn finish(command: &mut Command) -> Result<Output, Problem> {
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
