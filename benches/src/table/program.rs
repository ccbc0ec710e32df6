//! A program that prints such a table.

use std::process::ExitCode;

use super::{Figure, Measured, Options, Problem, Sample, Setting, json, locked, markdown, rounds};

/// The program whose numbers they are.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// What cargo is told to run it.
    pub run: &'static str,
    /// The crates that are compared.
    pub peers: &'static [&'static str],
}

impl Program {
    /// Has `measure` do the cells of `figures` beside `server`, and prints what came out. A missed target
    /// is no failure, a cell that could not run is one.
    ///
    /// # Errors
    ///
    /// That the document for programs can't be written.
    pub fn table<M: Measured>(
        self,
        options: &Options,
        figures: &[Figure<M>],
        server: String,
        measure: impl Fn(&M) -> Result<Sample, Problem>,
    ) -> Result<ExitCode, String> {
        // Before the rounds: the commit may be another one after them.
        let setting = Setting::look(self, options.backend, server);
        let results = rounds(&options.rounds, figures, measure);
        if options.json {
            json::print(&options.rounds, &setting, figures, &results)?;
        } else {
            markdown::print(&options.rounds, &setting, figures, &results);
        }
        Ok(match results.all_ran() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }

    /// Ends `program` with the outcome of its [table](Self::table), or with why there is none.
    pub fn end(program: &str, outcome: Result<ExitCode, String>) -> ExitCode {
        outcome.unwrap_or_else(|message| {
            eprintln!("{program}: {message}");
            ExitCode::FAILURE
        })
    }

    /// The peers whose version nobody knows, since they are not in Cargo.lock: none, if all is well.
    pub fn unlocked(self) -> Vec<&'static str> {
        let peers = self.peers.iter().copied();
        peers.filter(|name| locked(name).is_none()).collect()
    }
}
