//! What such a program is asked.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::Rounds;

/// The arguments that every table has.
#[derive(Debug, Args)]
pub struct Asked {
    /// One short round: shows that every cell runs, and little else.
    #[arg(long)]
    quick: bool,
    /// Rounds in which every cell has its turn; 5, or 1 with --quick.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// The backend to measure; the facade's first one when not said.
    #[arg(long)]
    backend: Option<String>,
    /// Only the figure of this name; may be said several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// A document for programs instead of the tables.
    #[arg(long)]
    json: bool,
}

/// What such a program is also run for.
#[derive(Debug, Subcommand)]
pub enum Hidden {
    /// What this program starts for each cell.
    #[command(hide = true)]
    Cell {
        /// As JSON.
        cell: String,
    },
}

/// The arguments, in the form that they are used in.
#[derive(Debug)]
pub struct Options {
    /// How often and for how long.
    pub rounds: Rounds,
    /// The one that the targets are for.
    pub backend: &'static respool::BackendInfo,
    only: Vec<String>,
    /// For programs.
    pub json: bool,
}

impl Asked {
    /// Checks them; `figures` are the names of all there are.
    ///
    /// # Errors
    ///
    /// A name that isn't known, with those that are.
    pub fn options(&self, figures: &[&str]) -> Result<Options, String> {
        let backends = respool::backends();
        let backend = match &self.backend {
            None => backends.first(),
            Some(name) => backends.iter().find(|entry| entry.info.name == name),
        };
        let names = backends.iter().map(|entry| entry.info.name);
        let backend = backend.ok_or_else(|| {
            let names: Vec<_> = names.collect();
            format!("no such backend; there are {}", names.join(", "))
        })?;
        for name in &self.only {
            if !figures.contains(&&**name) {
                let names = figures.join(", ");
                return Err(format!("no figure is called {name:?}; there are {names}"));
            }
        }
        Ok(Options {
            rounds: Rounds {
                count: self.rounds.unwrap_or(if self.quick { 1 } else { 5 }),
                time: Duration::from_millis(if self.quick { 120 } else { 1_000 }),
                quick: self.quick,
            },
            backend: &backend.info,
            only: self.only.clone(),
            json: self.json,
        })
    }
}

impl Options {
    /// Whether this figure is to be measured.
    pub fn wants(&self, figure: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == figure)
    }
}
