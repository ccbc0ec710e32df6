use std::time::Duration;

use clap::{Parser, Subcommand};
use respool_benches::table::Rounds;

/// Measures the shared `Client` of a backend beside the multiplexed clients of others.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
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
    #[command(subcommand)]
    pub(crate) hidden: Option<Hidden>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Hidden {
    /// What this program starts for each cell.
    #[command(hide = true)]
    Cell { cell: String },
}

/// The arguments, in the form that they are used in.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) rounds: Rounds,
    pub(crate) backend: &'static respool::BackendInfo,
    only: Vec<String>,
    pub(crate) json: bool,
}

impl Arguments {
    pub(crate) fn options(&self) -> Result<Options, String> {
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
            if !crate::catalogue::NAMES.contains(&&**name) {
                let names = crate::catalogue::NAMES.join(", ");
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
    pub(crate) fn wants(&self, figure: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == figure)
    }
}
