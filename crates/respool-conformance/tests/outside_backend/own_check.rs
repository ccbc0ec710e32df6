//! A promise of swim's own, beyond the contract: its check, and a mutant that it must catch.

use redis::cmd;
use respool_conformance::{Broken, Check, Finding, Outcome, Severity, Subject, Trial, run};

use crate::backend::{BACKEND, build_lending};

const USED_LAST_LENT_FIRST: Check = Check {
    rule: "SWIM-1",
    name: "swim_1_used_last_lent_first",
    severity: Severity::Must,
    promise: "the connection that came back last is lent first",
    run: used_last_lent_first,
};

fn used_last_lent_first(trial: &Trial) -> Finding {
    trial.block_on(async {
        let server = trial.server().await?;
        let pool = trial.pool(trial.config(&server.url()))?;
        let (mut first, mut last) = (pool.get().await?, pool.get().await?);
        let id = cmd("CLIENT").arg("ID").to_owned();
        let _: u64 = id.query_async(&mut first).await?;
        let expected: u64 = id.query_async(&mut last).await?;
        drop(first);
        drop(last);
        let seen: u64 = id.query_async(&mut pool.get().await?).await?;
        match seen == expected {
            true => Ok(format!("connection {seen}")),
            false => Err(Broken::new(
                format!("connection {expected}, which came back last"),
                format!("connection {seen}"),
            )),
        }
    })
}

/// Healthy but for one thing.
fn lends_the_longest_idle() -> Subject {
    let name = "swim that lends the longest idle";
    Subject::new(name, BACKEND.info, |config| {
        build_lending(|idle| (!idle.is_empty()).then(|| idle.remove(0)), config)
    })
}

#[test]
fn swim_keeps_its_own_rule() {
    let report = run(&BACKEND.into(), &USED_LAST_LENT_FIRST);
    assert_eq!(report.outcome, Outcome::Kept, "{report}");
}

#[test]
fn its_own_check_catches_its_mutant() {
    let report = run(&lends_the_longest_idle(), &USED_LAST_LENT_FIRST);
    assert_eq!(report.outcome, Outcome::Broken, "{report}");
    assert!(report.evidence.contains("which came back last"), "{report}");
}
