//! Puts subjects to checks.

use std::any::Any;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use respool_testserver::find_server;

use crate::{Broken, Check, Finding, Outcome, Report, Subject, Trial, catalogue};

/// Puts `subject` to `check`, on a thread of its own.
///
/// A check that panics or doesn't end within the subject's limit is broken. A rule that the subject
/// is known not to keep must be broken; when it is kept, the list is wrong. A rule that has nothing
/// to bind in a subject of that [nature](crate::Nature) is not put to it.
pub fn run(subject: &Subject, check: &Check) -> Report {
    let mut known = subject
        .info
        .known_failures
        .iter()
        .find(|known| known.rule == check.rule);
    let (finding, verdict) = match find_server() {
        Ok(_) => find(subject, check),
        // Nothing is proven without a server, no failure either.
        Err(error) => {
            known = None;
            (Err(error.into()), Outcome::Broken)
        }
    };
    let (outcome, evidence) = match (&finding, known) {
        (Ok(evidence), None) => (verdict, evidence.clone()),
        (Err(broken), None) => (Outcome::Broken, broken.to_string()),
        (Err(broken), Some(known)) => (
            Outcome::KnownFailure,
            format!("{} ({}): {broken}", known.reason, known.link),
        ),
        (Ok(evidence), Some(_)) => (
            Outcome::UnexpectedPass,
            format!(
                "listed as a known failure, but it passed: remove it from the list ({evidence})"
            ),
        ),
    };
    Report {
        rule: check.rule,
        name: check.name,
        promise: check.promise,
        severity: check.severity,
        outcome,
        evidence,
        broken: finding.err(),
    }
}

/// The body of a test: puts the backend `entry` to the check `name`. `repeat` is the command that
/// runs this test alone.
///
/// # Panics
///
/// With a report that names rule, promise, what was expected, what was seen, and that command,
/// unless the promise is kept, declared away, or a known failure.
pub fn assert_kept(entry: impl Into<Subject>, name: &str, repeat: &str) {
    let subject = entry.into();
    let report = run(&subject, catalogue::find(name));
    println!("{report}");
    if !report.outcome.is_good() {
        panic!("{}", failure(&subject, &report, repeat));
    }
}

fn failure(subject: &Subject, report: &Report, repeat: &str) -> String {
    let (expected, seen) = match &report.broken {
        Some(broken) => (broken.expected.as_str(), broken.seen.as_str()),
        None => ("a failure, as listed", report.evidence.as_str()),
    };
    format!(
        "{name} is broken by {subject}\n  \
         rule      {rule} ({severity})\n  \
         promise   {promise}\n  \
         expected  {expected}\n  \
         seen      {seen}\n  \
         repeat    {repeat}\n",
        name = report.name,
        subject = subject.name,
        rule = report.rule,
        severity = report.severity.as_str(),
        promise = report.promise,
    )
}

fn find(subject: &Subject, check: &Check) -> (Finding, Outcome) {
    if let Some(reason) = subject.nature().exempt_from(check.rule) {
        return (Ok(reason.to_owned()), Outcome::NotApplicable);
    }
    let (running, ended) = mpsc::channel::<()>();
    let limit = subject.limit();
    let subject = subject.clone();
    let run = check.run;
    let spawned = thread::Builder::new()
        .name(check.name.to_owned())
        .spawn(move || {
            // Dropped however the check ends, its runtime included: that is the event to wait for.
            let _running = running;
            let trial = Trial::new(&subject)?;
            let evidence = run(&trial)?;
            Ok((evidence, trial.verdict()))
        });
    let thread = match spawned {
        Ok(thread) => thread,
        Err(error) => return (Err(error.into()), Outcome::Broken),
    };
    if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
        // The thread is left behind: nothing can end it.
        let broken = Broken::new("the check to end", format!("did not end within {limit:?}"));
        return (Err(broken), Outcome::Broken);
    }
    match thread.join() {
        Ok(Ok((evidence, verdict))) => (Ok(evidence), verdict),
        Ok(Err(broken)) => (Err(broken), Outcome::Broken),
        Err(panic) => {
            let broken = Broken::new("no panic", format!("a panic: {}", text_of(&*panic)));
            (Err(broken), Outcome::Broken)
        }
    }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("one without words")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use respool_core::{BackendInfo, KnownFailure, Pool, PoolConfig, PoolError};

    use super::*;
    use crate::Severity;

    const NOTHING_KNOWN: BackendInfo = BackendInfo {
        name: "nobody",
        library: "nothing",
        redis_crate: "none",
        known_failures: &[],
    };

    const ONE_KNOWN: BackendInfo = BackendInfo {
        known_failures: &[KnownFailure {
            rule: "GET-0",
            reason: "it can't",
            link: "https://example.org/issues/1",
        }],
        ..NOTHING_KNOWN
    };

    fn report(info: BackendInfo, run: fn(&Trial) -> Finding) -> Report {
        let build = |_: PoolConfig| -> Result<Pool, PoolError> { Err(PoolError::Closed) };
        let check = Check {
            rule: "GET-0",
            name: "get_0_for_this_test",
            severity: Severity::Must,
            promise: "nothing",
            run,
        };
        let subject = Subject::new(info.name, info, build).within(Duration::from_millis(500));
        super::run(&subject, &check)
    }

    #[test]
    fn a_check_that_panics_is_broken_with_the_panics_text() {
        let report = report(NOTHING_KNOWN, |_| panic!("no {}", "luck"));
        assert_eq!(report.outcome, Outcome::Broken);
        assert!(report.evidence.contains("no luck"), "{report}");
    }

    #[test]
    fn a_check_that_does_not_end_is_broken() {
        let report = report(NOTHING_KNOWN, |trial| {
            trial.block_on(std::future::pending())
        });
        assert_eq!(report.outcome, Outcome::Broken);
        assert!(report.evidence.contains("did not end within"), "{report}");
    }

    #[test]
    fn an_error_of_the_pool_breaks_a_check() {
        let report = report(NOTHING_KNOWN, |trial| {
            trial.pool(trial.config("redis://127.0.0.1:1"))?;
            Ok("unreached".to_owned())
        });
        assert_eq!(report.outcome, Outcome::Broken);
        assert!(report.evidence.contains("the pool is closed"), "{report}");
    }

    #[test]
    fn a_known_failure_that_fails_is_good_and_says_why() {
        let report = report(ONE_KNOWN, |_| Err(Broken::new("this", "that")));
        assert_eq!(report.outcome.as_str(), "known_failure");
        assert!(report.outcome.is_good());
        for word in ["it can't", "https://example.org/issues/1", "this", "that"] {
            assert!(report.evidence.contains(word), "{report}");
        }
    }

    #[test]
    fn a_known_failure_that_passes_is_broken() {
        let report = report(ONE_KNOWN, |_| Ok("fine".to_owned()));
        assert_eq!(report.outcome.as_str(), "broken");
        assert!(!report.outcome.is_good());
        assert!(
            report.evidence.contains("remove it from the list"),
            "{report}"
        );
    }

    #[test]
    fn what_is_declared_unsupported_is_not_called_kept() {
        let report = report(NOTHING_KNOWN, |trial| trial.declared_unsupported("refused"));
        assert_eq!(report.outcome.as_str(), "declared_unsupported");
    }

    #[test]
    fn what_a_failing_test_prints_is_enough_to_understand_and_repeat_it() {
        let report = report(NOTHING_KNOWN, |_| Err(Broken::new("this", "that")));
        let subject = Subject::new("nobody", NOTHING_KNOWN, |_| Err(PoolError::Closed));
        assert_eq!(
            failure(&subject, &report, "cargo test -p swim swim::get_0"),
            "get_0_for_this_test is broken by nobody\n  \
             rule      GET-0 (must)\n  \
             promise   nothing\n  \
             expected  this\n  \
             seen      that\n  \
             repeat    cargo test -p swim swim::get_0\n"
        );
    }

    #[test]
    fn a_known_failure_that_passes_is_printed_as_a_wrong_list() {
        let report = report(ONE_KNOWN, |_| Ok("fine".to_owned()));
        let subject = Subject::new("nobody", ONE_KNOWN, |_| Err(PoolError::Closed));
        let text = failure(&subject, &report, "repeat");
        assert!(
            text.contains("expected  a failure, as listed\n")
                && text.contains("remove it from the list"),
            "{text}"
        );
    }
}
