//! Who is compared: each compiled-in backend, and the pools that people use today.

mod backend;
mod commands;
mod stock;

use std::fmt;

use respool::{BackendEntry, Endpoint, PoolConfig};
use serde::Serialize;

use super::measure::Driver;
use crate::failure::Failure;
use stock::StockPool;

/// One of those who are compared. Two may share a name: a wrapped pool is compared with the pool as
/// it comes, and a backend takes part in both modes.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) mode: Mode,
    /// A shared client that takes a connection for each command: its backend has no lanes.
    pub(crate) per_command: bool,
    /// The libraries that do the work, with their versions.
    pub(crate) versions: String,
    recipe: Recipe,
}

/// Whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A backend of respool.
    Backend,
    /// A pool or connection as it comes, with its defaults.
    Stock,
}

/// How its users share connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// Each operation takes a connection and gives it back.
    Checkout,
    /// All tasks share one client; each has a clone of the handle.
    Shared,
}

#[derive(Clone, Copy, Debug)]
enum Recipe {
    Backend(BackendEntry),
    Stock(StockPool),
}

/// What is said of those who don't [go](Subject::goes_to) to a Unix socket.
pub(crate) const TCP_ALONE: &str = "compared over TCP alone, not through a Unix socket";

impl Subject {
    /// Everybody who can be compared.
    pub(crate) fn all() -> Result<Vec<Subject>, Failure> {
        let mut subjects = Vec::new();
        for entry in respool::backends() {
            let has_lanes = (entry.build)(PoolConfig::default())?.capabilities().lanes;
            subjects.push(Subject::of_backend(entry, Mode::Checkout, false));
            subjects.push(Subject::of_backend(entry, Mode::Shared, !has_lanes));
        }
        subjects.extend(StockPool::ALL.iter().map(|&pool| Subject {
            name: pool.name(),
            kind: Kind::Stock,
            mode: pool.mode(),
            per_command: false,
            versions: pool.versions().to_owned(),
            recipe: Recipe::Stock(pool),
        }));
        Ok(subjects)
    }

    fn of_backend(entry: &BackendEntry, mode: Mode, per_command: bool) -> Self {
        Subject {
            name: entry.info.name,
            kind: Kind::Backend,
            mode,
            per_command,
            versions: format!("{}, {}", entry.info.library, entry.info.redis_crate),
            recipe: Recipe::Backend(*entry),
        }
    }

    /// Whether it can be compared on the server at `endpoint`.
    pub(crate) fn goes_to(&self, endpoint: &Endpoint) -> bool {
        match self.recipe {
            Recipe::Backend(_) => true,
            Recipe::Stock(pool) => pool.goes_to(endpoint),
        }
    }

    /// Builds its pool, for a server and a size.
    pub(crate) async fn open(&self, config: &PoolConfig) -> Result<Box<dyn Driver>, Failure> {
        match (self.recipe, self.mode) {
            (Recipe::Backend(entry), mode) => backend::open(&entry, mode, config),
            (Recipe::Stock(pool), _) => pool
                .open(config)
                .await
                .map_err(|error| Failure::failed(format!("{}: {error}", self.name))),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.name, self.kind, self.mode)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Backend => "backend",
            Kind::Stock => "stock",
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Checkout => "checkout",
            Mode::Shared => "shared",
        })
    }
}
