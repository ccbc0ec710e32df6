//! The conformance kit: for each rule of the contract a check that any backend can be put to, and
//! for each check mutants, deliberately broken pools that prove that it can fail.
//!
//! A backend is put to all checks by one line in its `tests/conformance.rs`:
//!
//! ```text
//! respool_conformance::conformance_tests!(mobc, respool_mobc::BACKEND);
//! ```
//!
//! That makes one test a check, named after backend and rule, such as
//! `mobc::get_1_one_holder_at_a_time`. What a test of the kit says when it fails is meant to be
//! enough for a bug report: the rule, its promise, what was expected, what was seen, and the
//! commands that repeat it alone.
//!
//! - [`catalogue`] lists the checks, [`mutants`] the broken pools.
//! - [`run`] puts one [`Subject`] to one [`Check`] and gives a [`Report`].
//! - With the feature `stock`, `stock` has the pools and clients of others as subjects.
//! - No check ever skips itself. Where a backend doesn't claim a capability, its check asserts that
//!   it refuses in the declared way; where no Redis server is installed, every check is broken.

pub mod catalogue;
mod check;
mod checks;
pub mod mutants;
mod nature;
mod report;
pub mod runner;
#[cfg(feature = "stock")]
pub mod stock;
mod subject;
mod trial;

pub use check::{Broken, Check, Finding, Severity};
pub use nature::{Nature, Shows};
pub use report::{Outcome, Report};
pub use runner::{assert_kept, run};
pub use subject::Subject;
pub use trial::Trial;

/// The tests of a backend: a module with one `#[test]` for each check of the kit.
///
/// ```text
/// respool_conformance::conformance_tests!(mobc, respool_mobc::BACKEND);
/// ```
#[macro_export]
macro_rules! conformance_tests {
    ($backend:ident, $entry:expr) => {
        mod $backend {
            $crate::for_each_check! { [$crate::conformance_tests_of_checks] $entry }
        }
    };
}

/// What [`conformance_tests!`] is made of.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests_of_checks {
    ({ $entry:expr } $($name:ident = $check:path, $rule:literal, $severity:ident, $promise:literal;)*) => {
        $(
            #[test]
            fn $name() {
                $crate::assert_kept($entry, stringify!($name), env!("CARGO_PKG_NAME"));
            }
        )*
    };
}
