use std::ffi::OsStr;
use std::process::Command;
use std::time::Instant;

use crate::step::{self, seconds};
use crate::{redis, test, workspace};

/// What CI does, in this order.
const STEPS: [Step; 7] = [
    Step {
        name: "test",
        work: || test::run(&[]),
    },
    Step {
        name: "fmt",
        work: format,
    },
    Step {
        name: "clippy",
        work: clippy,
    },
    Step {
        name: "docs",
        work: docs,
    },
    Step {
        name: "features",
        work: features,
    },
    Step {
        name: "benches",
        work: benches,
    },
    Step {
        name: "compare",
        work: compare,
    },
];

/// What makes cargo use what the tests have built.
const LIKE_THE_TESTS: [&str; 2] = ["--workspace", "--all-features"];

struct Step {
    name: &'static str,
    work: fn() -> Result<(), String>,
}

/// Does every step, and stops at the first that fails.
pub(crate) fn run() -> Result<(), String> {
    run_from(0)
}

/// Does every step that comes after the one called `name`.
pub(crate) fn run_after(name: &OsStr) -> Result<(), String> {
    match STEPS.iter().position(|step| name == step.name) {
        Some(place) => run_from(place + 1),
        None => Err(format!(
            "{} is no step; the steps are {}",
            name.display(),
            step_names()
        )),
    }
}

pub(crate) fn step_names() -> String {
    STEPS.map(|step| step.name).join(", ")
}

fn run_from(first: usize) -> Result<(), String> {
    let started = Instant::now();
    for (place, step) in STEPS.iter().enumerate().skip(first) {
        (step.work)().map_err(|message| format!("{message}\n{}", way_back_to(place)))?;
    }
    eprintln!("xtask: ci done in {}", seconds(started.elapsed()));
    Ok(())
}

fn way_back_to(place: usize) -> String {
    let after = match place.checked_sub(1) {
        Some(previous) => format!(" --after {}", STEPS[previous].name),
        None => String::new(),
    };
    format!(
        "ci stopped at step {}; once that is mended, go on with: cargo xtask ci{after}",
        STEPS[place].name
    )
}

fn format() -> Result<(), String> {
    step::run(
        "fmt",
        workspace::cargo("fmt").args(["--all", "--", "--check"]),
    )
}

fn clippy() -> Result<(), String> {
    let targets = ["--workspace", "--all-targets", "--all-features"];
    step::run(
        "clippy",
        deny_warnings(workspace::cargo("clippy").args(targets)),
    )
}

fn docs() -> Result<(), String> {
    step::run(
        "docs",
        workspace::cargo("doc")
            .args(["--workspace", "--no-deps", "--all-features"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

/// Builds the facade with each of its features alone, and with none: a backend must not live on what
/// another one switches on. The library only, since development dependencies switch on much more.
fn features() -> Result<(), String> {
    let facade = ["-p", "respool", "--lib", "--no-default-features"];
    step::run(
        "features (none)",
        deny_warnings(workspace::cargo("clippy").args(facade)),
    )?;
    for feature in workspace::facade_features()? {
        step::run(
            &format!("features ({feature})"),
            deny_warnings(
                workspace::cargo("clippy")
                    .args(facade)
                    .args(["--features", &feature]),
            ),
        )?;
    }
    Ok(())
}

/// Runs each benchmark and each cell of the two tables once, to see that it works; it judges nothing.
/// Built as the tests are, with their features, so that little is left to compile.
fn benches() -> Result<(), String> {
    let server = redis::find_or_install()?;
    step::run(
        "benches",
        workspace::cargo("bench")
            .args(LIKE_THE_TESTS)
            .args(["--profile", "dev", "--bench", "*", "--", "--test"])
            .env(redis::VARIABLE, &server),
    )?;
    build_programs()?;
    for table in ["figures", "shared"] {
        step::run(
            &format!("benches ({table})"),
            workspace::built(table)?
                .arg("--quick")
                .env(redis::VARIABLE, &server),
        )?;
    }
    Ok(())
}

fn build_programs() -> Result<(), String> {
    step::run(
        "programs",
        workspace::cargo("build").args(LIKE_THE_TESTS).arg("--bins"),
    )
}

fn compare() -> Result<(), String> {
    build_programs()?;
    step::run(
        "compare",
        workspace::built("respool")?
            .args(["compare", "--quick"])
            .env(redis::VARIABLE, redis::find_or_install()?),
    )
}

fn deny_warnings(command: &mut Command) -> &mut Command {
    command.args(["--", "-D", "warnings"])
}
