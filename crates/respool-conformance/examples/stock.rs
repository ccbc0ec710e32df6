//! Puts stock subjects to checks: `stock [SUBJECT,...|all] [RULE,...|all]`.

use std::time::Instant;

use respool_conformance::{catalogue, run, stock};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut wanted = || arguments.next().unwrap_or("all".to_owned());
    let (subjects, rules) = (wanted(), wanted());
    let is_in = |list: &str, name: &str| list == "all" || list.split(',').any(|one| one == name);
    for subject in stock::all() {
        for check in catalogue::all() {
            if is_in(&subjects, &subject.name) && is_in(&rules, check.rule) {
                let started = Instant::now();
                let report = run(&subject, check);
                println!(
                    "{}\t{}\t{}\t{:.1}\t{}",
                    subject.name,
                    check.rule,
                    report.outcome.as_str(),
                    started.elapsed().as_secs_f64(),
                    report.evidence.replace('\n', " ")
                );
            }
        }
    }
}
