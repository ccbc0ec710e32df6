//! The kit put to the test: every check must catch the mutants of its rule, and find nothing wrong
//! with the healthy pool that they are made from.

use respool_conformance::{Outcome, Subject, catalogue, mutants, run};

fn healthy() -> Subject {
    respool_mobc::BACKEND.into()
}

/// One test a check: what it says of the healthy pool, and of each mutant of its rule.
macro_rules! checks_catch_their_mutants {
    ({} $($name:ident = $check:path, $rule:literal, $severity:ident, $promise:literal;)*) => {
        mod finds_nothing_wrong_with_a_healthy_pool {
            $(
                #[test]
                fn $name() {
                    super::assert_healthy_pool_keeps(stringify!($name));
                }
            )*
        }

        mod catches_every_mutant {
            $(
                #[test]
                fn $name() {
                    super::assert_mutants_are_caught(stringify!($name));
                }
            )*
        }
    };
}

respool_conformance::for_each_check! { [checks_catch_their_mutants] }

#[test]
fn every_check_has_a_mutant_and_every_mutant_a_check() {
    let mutants = mutants::all();
    let rules: Vec<_> = catalogue::all().iter().map(|check| check.rule).collect();
    for check in catalogue::all() {
        assert!(
            mutants.iter().any(|mutant| mutant.rule == check.rule),
            "nothing proves that {} can fail: give {} a mutant",
            check.name,
            check.rule
        );
    }
    for mutant in &mutants {
        assert!(rules.contains(&mutant.rule), "{mutant:?}: no such rule");
    }
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = catalogue::all().iter().map(|check| check.name).collect();
    names.extend(mutants::all().iter().map(|mutant| mutant.name));
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

fn assert_healthy_pool_keeps(check: &str) {
    let report = run(&healthy(), check_called(check));
    println!("{report}");
    assert!(
        matches!(report.outcome, Outcome::Kept | Outcome::DeclaredUnsupported),
        "{check} finds fault with a healthy pool, so that its mutants prove nothing: {report}"
    );
}

fn assert_mutants_are_caught(check: &str) {
    let check = check_called(check);
    let mut escaped = Vec::new();
    for mutant in mutants::all() {
        if mutant.rule != check.rule {
            continue;
        }
        let report = run(&(mutant.wrap)(&healthy()), check);
        match &report.broken {
            Some(broken) => println!(
                "mutant {} ({}) caught by {}: {broken}",
                mutant.name, mutant.defect, check.rule
            ),
            None => escaped.push(format!("{mutant:?}: {report}")),
        }
    }
    assert!(
        escaped.is_empty(),
        "{} lets mutants pass:\n{}",
        check.name,
        escaped.join("\n")
    );
}

fn check_called(name: &str) -> &'static respool_conformance::Check {
    let named = |check: &&respool_conformance::Check| check.name == name;
    catalogue::all()
        .iter()
        .find(named)
        .expect("a check of that name")
}
