use std::fmt;

use crate::{Broken, Severity};

/// How one subject did in one check.
#[derive(Clone, Debug)]
pub struct Report {
    /// The rule's number.
    pub rule: &'static str,
    /// The check's name.
    pub name: &'static str,
    /// What the rule promises.
    pub promise: &'static str,
    /// How the rule binds.
    pub severity: Severity,
    /// Kept or not.
    pub outcome: Outcome,
    /// What speaks for the outcome, in one line.
    pub evidence: String,
    /// What broke the promise, also where that was known before.
    pub broken: Option<Broken>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}",
            self.rule,
            self.outcome.as_str(),
            self.evidence
        )
    }
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The promise was kept.
    Kept,
    /// It was not.
    Broken,
    /// It was not, as listed.
    KnownFailure,
    /// It was kept although it is listed as a known failure: the list is wrong.
    UnexpectedPass,
    /// The subject doesn't claim the capability, and refuses as it declares.
    DeclaredUnsupported,
    /// The rule has nothing to bind in this subject.
    NotApplicable,
}

impl Outcome {
    /// The word for output that programs read. A wrong list of known failures is `broken`.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Kept => "kept",
            Outcome::Broken | Outcome::UnexpectedPass => "broken",
            Outcome::KnownFailure => "known_failure",
            Outcome::DeclaredUnsupported => "declared_unsupported",
            Outcome::NotApplicable => "not_applicable",
        }
    }

    /// Whether all is as promised or as listed.
    pub fn is_good(self) -> bool {
        !matches!(self, Outcome::Broken | Outcome::UnexpectedPass)
    }
}
