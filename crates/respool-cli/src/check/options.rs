use std::num::NonZero;
use std::thread;

use respool_conformance::{Check, Subject, catalogue};

use super::{Candidate, Kind};
use crate::arguments::{CheckArguments, EVERY_STOCK_POOL};
use crate::failure::Failure;

/// What `respool check` was asked to do, checked once.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) checks: Vec<&'static Check>,
    pub(crate) jobs: usize,
    pub(crate) form: Form,
}

/// For whom the matrix is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Table,
    Json,
    Markdown,
}

impl Options {
    pub(crate) fn validate(arguments: CheckArguments) -> Result<Self, Failure> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Ok(Options {
            candidates: choose_candidates(&arguments)?,
            checks: choose_checks(&arguments.rules)?,
            jobs: arguments.jobs.unwrap_or(cores),
            form: match (arguments.json, arguments.markdown) {
                (true, _) => Form::Json,
                (false, true) => Form::Markdown,
                (false, false) => Form::Table,
            },
        })
    }
}

fn choose_candidates(arguments: &CheckArguments) -> Result<Vec<Candidate>, Failure> {
    let every_stock_pool = arguments.stock.iter().any(|name| name == EVERY_STOCK_POOL);
    // Names alone mean these and no others.
    let named_only = !every_stock_pool && !arguments.stock.is_empty();
    let mut chosen = Vec::new();
    if !named_only || !arguments.backends.is_empty() {
        let backends = respool::backends();
        let backends = backends.iter().map(|entry| Subject::from(*entry)).collect();
        let hint = "not compiled in";
        let backends = named("--backend", hint, backends, &arguments.backends)?;
        chosen.extend(backends.into_iter().map(|subject| Candidate {
            subject,
            kind: Kind::Backend,
        }));
    }
    if !arguments.stock.is_empty() {
        let names: &[String] = match every_stock_pool {
            true => &[],
            false => &arguments.stock,
        };
        let stock = named(
            "--stock",
            "not among the stock pools",
            stock_pools()?,
            names,
        )?;
        chosen.extend(stock.into_iter().map(|subject| Candidate {
            subject,
            kind: Kind::Stock,
        }));
    }
    Ok(chosen)
}

/// Those of `subjects` that have one of `names`; all when there is no name.
fn named(
    option: &str,
    absence: &str,
    subjects: Vec<Subject>,
    names: &[String],
) -> Result<Vec<Subject>, Failure> {
    for name in names {
        if !subjects.iter().any(|subject| subject.name == *name) {
            let known: Vec<_> = subjects.iter().map(|subject| &*subject.name).collect();
            return Err(Failure::usage(format!(
                "{option} {name}: {absence}; there are {}",
                known.join(", ")
            )));
        }
    }
    Ok(subjects
        .into_iter()
        .filter(|subject| names.is_empty() || names.contains(&subject.name))
        .collect())
}

#[cfg(feature = "stock")]
fn stock_pools() -> Result<Vec<Subject>, Failure> {
    Ok(respool_conformance::stock::all())
}

#[cfg(not(feature = "stock"))]
fn stock_pools() -> Result<Vec<Subject>, Failure> {
    Err(Failure::usage(
        "--stock: this build has no stock pools; build it with --features stock, such as cargo run \
         -p respool-cli --features stock -- check --stock",
    ))
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
