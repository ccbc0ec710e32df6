//! Deliberately broken pools: each spoils one thing of a healthy pool, and proves that the check of
//! a rule can fail. Every check has at least one.

mod cmd;
mod forward;
mod get;
mod life;
mod on_cancel;
mod ret;
mod see;
mod shared_connection;
mod shr;

use std::fmt;

use crate::Subject;

/// A broken pool, made from a healthy one.
#[derive(Clone, Copy)]
pub struct Mutant {
    /// The rule that it breaks, and whose check must notice.
    pub rule: &'static str,
    /// Its name, such as `lends_twice`.
    pub name: &'static str,
    /// What is wrong with it.
    pub defect: &'static str,
    /// Makes it from a healthy subject.
    pub wrap: fn(healthy: &Subject) -> Subject,
}

impl fmt::Debug for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}: {})", self.name, self.rule, self.defect)
    }
}

/// Every mutant, in the order of the rules.
pub fn all() -> Vec<Mutant> {
    [
        get::MUTANTS,
        ret::MUTANTS,
        see::MUTANTS,
        cmd::MUTANTS,
        life::MUTANTS,
        shr::MUTANTS,
    ]
    .concat()
}
