use respool_conformance::{Check, Subject, catalogue};

use crate::arguments::CheckArguments;
use crate::failure::Failure;

/// What `respool check` was asked to do, checked once.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) subjects: Vec<Subject>,
    pub(crate) checks: Vec<&'static Check>,
    pub(crate) json: bool,
}

impl Options {
    pub(crate) fn validate(arguments: CheckArguments) -> Result<Self, Failure> {
        Ok(Options {
            subjects: choose_subjects(&arguments.backends)?,
            checks: choose_checks(&arguments.rules)?,
            json: arguments.json,
        })
    }
}

fn choose_subjects(names: &[String]) -> Result<Vec<Subject>, Failure> {
    let entries = respool::backends();
    for name in names {
        if !entries.iter().any(|entry| entry.info.name == name) {
            let known: Vec<_> = entries.iter().map(|entry| entry.info.name).collect();
            return Err(Failure::usage(format!(
                "--backend {name}: not compiled in; there are {}",
                known.join(", ")
            )));
        }
    }
    Ok(entries
        .iter()
        .filter(|entry| names.is_empty() || names.iter().any(|name| name == entry.info.name))
        .map(|entry| Subject::from(*entry))
        .collect())
}

fn choose_checks(rules: &[String]) -> Result<Vec<&'static Check>, Failure> {
    let is = |check: &Check, rule: &str| check.rule.eq_ignore_ascii_case(rule);
    for rule in rules {
        if !catalogue::all().iter().any(|check| is(check, rule)) {
            let mut known: Vec<_> = catalogue::all().iter().map(|check| check.rule).collect();
            known.dedup();
            return Err(Failure::usage(format!(
                "--rule {rule}: no check for it; there are {}",
                known.join(", ")
            )));
        }
    }
    Ok(catalogue::all()
        .iter()
        .filter(|check| rules.is_empty() || rules.iter().any(|rule| is(check, rule)))
        .collect())
}
