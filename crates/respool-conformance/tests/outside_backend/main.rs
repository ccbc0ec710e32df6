//! The kit as the author of a backend elsewhere uses it: a backend that is written from nothing,
//! put to every check, and a check of its author's own with its mutant.

mod backend;
mod own_check;
mod slots;

use std::process::Command;

use respool_conformance::{Check, Outcome, Subject, catalogue, run};
use respool_core::{KnownFailure, PoolError};

use crate::backend::BACKEND;

respool_conformance::conformance_tests!(swim, crate::backend::BACKEND);

/// What this program prints when it is run again with `arguments`, where no Redis is installed.
fn run_without_a_server(arguments: &[&str]) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(arguments)
        .env("PATH", "")
        .env_remove("REDIS_SERVER")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_failing_test_prints_what_a_bug_report_needs() {
    let printed = run_without_a_server(&["--exact", "swim::ret_1_slot_comes_back"]);
    for line in [
        "ret_1_slot_comes_back is broken by swim",
        "  rule      RET-1 (must)",
        "  promise   the slot comes back after drop, panic and task abort",
        "  expected  a server to put the pool to the check with",
        "  repeat    cargo test -p respool-conformance swim::ret_1_slot_comes_back",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{printed}");
    }
    assert!(printed.contains("REDIS_SERVER"), "what to do: {printed}");
}

#[test]
fn the_command_that_it_prints_runs_that_test_alone() {
    for check in catalogue::all() {
        let filter = format!("swim::{}", check.name);
        let listed = run_without_a_server(&["--list", "--format", "terse", &filter]);
        assert_eq!(listed, format!("{filter}: test\n"));
    }
}

/// A pool that refuses every setting keeps nothing: that it is listed makes it good, and said.
#[test]
fn a_known_failure_of_a_subject_that_is_no_entry_is_reported_with_its_reason() {
    let mut info = BACKEND.info;
    info.known_failures = &[KnownFailure {
        rule: "RET-1",
        reason: "it is not written yet",
        link: "https://example.org/swim/issues/1",
    }];
    let unwritten = Subject::new("swim 0.0", info, |_| Err(PoolError::Closed));
    let report = run(&unwritten, check_of("RET-1"));
    assert_eq!(report.outcome, Outcome::KnownFailure);
    assert!(
        report.evidence.contains("it is not written yet"),
        "{report}"
    );
}

#[test]
fn what_swim_does_not_claim_is_refused() {
    let report = run(&BACKEND.into(), check_of("SEE-4"));
    assert_eq!(report.outcome, Outcome::Kept, "{report}");
    assert!(!report.evidence.contains("detached"), "{report}");
}

fn check_of(rule: &str) -> &'static Check {
    let of_rule = |check: &&Check| check.rule == rule;
    catalogue::all().iter().find(of_rule).unwrap()
}
