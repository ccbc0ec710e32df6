//! What has to stand beside a number: the machine, the versions, the commit, the command.

use std::process::Command;

use serde::Serialize;

use super::Program;

/// Where and with what it was measured.
#[derive(Debug, Serialize)]
pub struct Setting {
    /// Its model.
    pub processor: String,
    /// How many this process may use.
    pub cores: usize,
    /// Kind and version.
    pub server: String,
    /// The backend's name.
    #[serde(skip)]
    pub ours: &'static str,
    /// What the backend says it is built with.
    pub backend: String,
    /// Names and versions.
    pub peers: Vec<String>,
    /// Of this repository.
    pub commit: Option<String>,
    /// What repeats it.
    pub command: String,
}

impl Setting {
    /// Looks at this machine, on which `program` measures `backend`.
    pub fn look(program: Program, backend: &respool::BackendInfo, server: String) -> Setting {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        Setting {
            processor: processor().unwrap_or_else(|| "unknown processor".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            server,
            ours: backend.name,
            backend: format!(
                "{} ({}, {})",
                backend.name, backend.library, backend.redis_crate
            ),
            peers: program
                .peers
                .iter()
                .filter_map(|name| Some(format!("{name} {}", locked(name)?)))
                .collect(),
            commit: commit(),
            command: format!(
                "cargo run --release -p respool-benches {} -- {}",
                program.run,
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

/// The version of a crate in Cargo.lock; the newest, where backends need several.
pub(super) fn locked(name: &str) -> Option<&'static str> {
    let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"));
    lock.rsplit_once(&format!("name = \"{name}\"\nversion = \""))?
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
