//! The stock subjects put to the test: adapters must neither hide what a library does nor add to it.

use respool_conformance::{Outcome, Report, Subject, catalogue, run, stock};

/// They serve commands, pipelines and transactions, each of which an adapter has to translate.
#[test]
fn every_subject_gives_each_caller_its_own_reply() {
    for subject in stock::all() {
        let report = check(&subject, "SHR-1");
        // Connections that are closed one after another may overlap at the server.
        let is_about_connections = report.evidence.contains("connections at the server");
        assert!(
            report.outcome == Outcome::Kept || is_about_connections,
            "{}: {report}",
            subject.name
        );
        let report = check(&subject, "CMD-1");
        assert_eq!(report.outcome, Outcome::Kept, "{}: {report}", subject.name);
    }
}

/// No library resets a session by itself; if one seems to, a guard of ours stands before it.
#[test]
fn no_guard_of_ours_hides_a_session_that_is_left_behind() {
    for subject in stock::all() {
        let report = check(&subject, "RET-3");
        assert_eq!(report.outcome, Outcome::Broken, "{report}");
        assert!(
            report.evidence.contains("seen db=1"),
            "{}: {report}",
            subject.name
        );
    }
}

#[test]
fn only_what_lends_is_put_to_the_rules_of_holding() {
    for subject in stock::all() {
        let report = check(&subject, "GET-1");
        let expected = match subject.nature().lends {
            true => Outcome::Kept,
            false => Outcome::NotApplicable,
        };
        assert_eq!(report.outcome, expected, "{}: {report}", subject.name);
    }
}

fn check(subject: &Subject, rule: &str) -> Report {
    let check = catalogue::all().iter().find(|check| check.rule == rule);
    run(subject, check.expect("a rule with a check"))
}
