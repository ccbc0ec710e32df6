use std::env;
use std::ffi::OsString;
use std::thread;

use crate::{redis, step, workspace};

/// How many tests run at once where nobody says otherwise. libtest reads it.
const THREADS: &str = "RUST_TEST_THREADS";

/// For each core. Most of what the tests do is wait for time-outs and pauses.
const THREADS_PER_CORE: usize = 3;

/// Runs every test of the workspace: units, integration, conformance, house rules and doctests, with
/// every feature on, against a real Redis. `arguments` are handed on to `cargo test`.
pub(crate) fn run(arguments: &[OsString]) -> Result<(), String> {
    let server = redis::find_or_install()?;
    let mut command = workspace::cargo("test");
    // Beside --workspace, cargo would pay no attention to -p.
    if !names_a_package(arguments) {
        command.arg("--workspace");
    }
    command
        .arg("--all-features")
        .args(arguments)
        .env(redis::VARIABLE, server);
    if env::var_os(THREADS).is_none() {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        command.env(THREADS, (THREADS_PER_CORE * cores).to_string());
    }
    step::run("test", &mut command)
}

fn names_a_package(arguments: &[OsString]) -> bool {
    arguments
        .iter()
        .map(|argument| argument.to_string_lossy())
        .take_while(|argument| argument != "--")
        .any(|argument| {
            argument.starts_with("--package")
                || (argument.starts_with("-p") && !argument.starts_with("--"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_recognised_in_each_of_its_spellings() {
        for (line, expected) in [
            ("-p respool-core", true),
            ("-prespool-core", true),
            ("--package respool-core", true),
            ("--package=respool-core --lib", true),
            ("", false),
            ("get_1 --profile release", false),
            ("-- -p", false),
        ] {
            let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            assert_eq!(names_a_package(&arguments), expected, "{line}");
        }
    }
}
