//! The stock subjects put to the test: an adapter must not hide what its library does. What the kit
//! says of each is compared with docs/backends.md by the command line's tests.

use respool_conformance::{Outcome, catalogue, run, stock};

/// No library resets a session by itself; if one seems to, a guard of ours stands before it.
#[test]
fn no_guard_of_ours_hides_a_session_that_is_left_behind() {
    let check = catalogue::all().iter().find(|check| check.rule == "RET-3");
    let check = check.expect("a rule with a check");
    for subject in stock::all() {
        let report = run(&subject, check);
        assert_eq!(report.outcome, Outcome::Broken, "{report}");
        assert!(
            report.evidence.contains("seen db=1"),
            "{}: {report}",
            subject.name
        );
    }
}
