//! The crates that a program is built of: cargo's tree of one that depends on one thing.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use respool_benches::table::Problem;

use crate::subjects::Subject;

/// Crates below a program that has respool with `backend` alone, or the redis crate for tokio.
pub(crate) fn count(subject: Subject, backend: &str) -> Result<usize, Problem> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("benches is a folder in the workspace's root");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).map_err(failed("Cargo.toml"))?;
    let dependency = match subject {
        Subject::RedisCrate => format!(
            "redis = {{ version = {:?}, default-features = false, features = [\"aio\", \"tokio-comp\"] }}",
            version_of_redis(&manifest).ok_or_else(|| {
                Problem::Failed("Cargo.toml has no version of the redis crate".to_owned())
            })?
        ),
        _ => format!(
            "respool = {{ path = {:?}, default-features = false, features = [{backend:?}] }}",
            root.join("crates/respool")
        ),
    };
    let tree = tree(root, &dependency)?;
    match names(&tree).len() {
        0 => Err(Problem::Failed("cargo's tree is empty".to_owned())),
        // The program itself is one of them.
        count => Ok(count - 1),
    }
}

/// What `cargo tree` says of a program with that dependency and the versions that we have locked.
fn tree(root: &Path, dependency: &str) -> Result<String, Problem> {
    let folder = tempfile::tempdir().map_err(failed("a folder"))?;
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text);
    write(
        "Cargo.toml",
        &format!(
            "[package]\nname = \"program\"\nedition = \"2024\"\n[workspace]\n\
             [dependencies]\n{dependency}\n"
        ),
    )
    .and_then(|()| fs::create_dir(folder.path().join("src")))
    .and_then(|()| write("src/main.rs", "fn main() {}\n"))
    .and_then(|()| fs::copy(root.join("Cargo.lock"), folder.path().join("Cargo.lock")))
    .map_err(failed("a program to look at"))?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--quiet", "--edges", "normal"])
        .args(["--prefix", "none"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => Err(Problem::Failed(format!(
            "cargo tree: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Problem::Skipped("cargo is not installed".to_owned()))
        }
        Err(error) => Err(failed("cargo")(error)),
    }
}

/// Name and version of each crate, once.
fn names(tree: &str) -> BTreeSet<(&str, &str)> {
    tree.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()?))
        })
        .collect()
}

/// From `redis = { version = "1.8", ... }`.
fn version_of_redis(manifest: &str) -> Option<&str> {
    manifest
        .lines()
        .find_map(|line| line.strip_prefix("redis = { version = \""))?
        .split('"')
        .next()
}

fn failed(what: &str) -> impl Fn(io::Error) -> Problem {
    move |error| Problem::Failed(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_that_comes_twice_counts_once() {
        let tree = "program v0.1.0 (/tmp/x)\nredis v1.8.1\nbytes v1.1.0\nbytes v1.1.0 (*)\n";
        assert_eq!(names(tree).len(), 3);
    }

    #[test]
    fn the_version_of_redis_is_the_workspace_s() {
        let manifest = "mobc-redis = \"0.9\"\nredis = { version = \"1.8\", features = [] }\n";
        assert_eq!(version_of_redis(manifest), Some("1.8"));
    }
}
