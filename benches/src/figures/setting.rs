//! What has to stand beside a number: the machine, the versions, the commit, the command.

use std::process::Command;

use serde::Serialize;

use crate::arguments::Options;

/// The libraries that are compared.
const PEERS: [&str; 7] = [
    "bb8",
    "bb8-redis",
    "deadpool",
    "deadpool-redis",
    "mobc",
    "mobc-redis",
    "tokio",
];

/// Where and with what it was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Setting {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) server: String,
    /// What the backend says it is built with.
    pub(crate) backend: String,
    pub(crate) peers: Vec<String>,
    pub(crate) commit: Option<String>,
    pub(crate) command: String,
}

impl Setting {
    pub(crate) fn look(options: &Options, server: String) -> Setting {
        let backend = options.backend;
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        Setting {
            processor: processor().unwrap_or_else(|| "unknown processor".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            server,
            backend: format!(
                "{} ({}, {})",
                backend.name, backend.library, backend.redis_crate
            ),
            peers: PEERS
                .iter()
                .filter_map(|name| Some(format!("{name} {}", locked(name)?)))
                .collect(),
            commit: commit(),
            command: format!(
                "cargo run --release -p respool-benches --bin figures -- {}",
                arguments.join(" ")
            )
            .trim_end_matches([' ', '-'])
            .to_owned(),
        }
    }
}

fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let (_, name) = text
        .lines()
        .find(|line| line.starts_with("model name"))?
        .split_once(':')?;
    Some(name.trim().to_owned())
}

/// The version that was compiled in.
fn locked(name: &str) -> Option<&'static str> {
    let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"));
    lock.split_once(&format!("name = \"{name}\"\nversion = \""))?
        .1
        .split('"')
        .next()
}

fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--exclude=*"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .ok()?;
    let commit = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !commit.trim().is_empty()).then(|| commit.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_has_its_version() {
        for name in PEERS {
            assert!(locked(name).is_some(), "{name} is not in Cargo.lock");
        }
    }
}
