//! The conformance kit: for each rule of the contract a check that any backend can be put to, and
//! for each check mutants, deliberately broken pools that prove that it can fail.
//!
//! - [`catalogue`] lists the checks, [`mutants`] the broken pools. The rules in words are in
//!   `docs/contract.md`.
//! - [`run`] puts one [`Subject`] to one [`Check`] and gives a [`Report`].
//! - With the feature `stock`, `stock` has the pools and clients of others as subjects.
//! - No check ever skips itself. Where a backend doesn't claim a capability, its check asserts that
//!   it refuses in the declared way; where no Redis server is installed, every check is broken.
//!
//! It is for backends of other crates as much as for those here. `tests/outside_backend` is a whole
//! one, written from nothing in some hundred lines and put to every check: the worked example of
//! what follows.
//!
//! # Putting a backend to every check
//!
//! **1. Dependencies.** Until these crates are on a registry, name them by `git` or `path`.
//!
//! ```toml
//! [dependencies]
//! respool-core = { path = "../respool/crates/respool-core" }       # the contract: Backend, Pool
//! respool-connect = { path = "../respool/crates/respool-connect" } # Slots, Wrapped, Dialler: what most backends share
//!
//! [dev-dependencies]
//! respool-conformance = { path = "../respool/crates/respool-conformance" }
//! ```
//!
//! **2. One line** in `tests/conformance.rs`: a name for the module of tests, and the backend's
//! [`BackendEntry`](respool_core::BackendEntry), by a path that starts with a crate.
//!
//! ```
//! respool_conformance::conformance_tests!(mobc, respool_mobc::BACKEND);
//! # fn main() {}
//! ```
//!
//! That makes one `#[test]` of each check, such as `mobc::get_1_one_holder_at_a_time`.
//!
//! **3. A server.** The checks start real servers on free ports of the loopback interface, and end
//! them. `redis-server` or `valkey-server` must be on the PATH, or its path in `REDIS_SERVER`.
//! Where there is none, every test fails, says so, and says how to install one; no rule counts as
//! kept, and no known failure as shown.
//!
//! **4. Run it**: `cargo test --test conformance` runs all, `cargo test --test conformance get_5`
//! the check of one rule, and `-- --nocapture` after it also prints the evidence of what was kept.
//! On two cores all of them take about half a minute. A check takes one or a few of these; one that
//! has not ended within a minute is broken.
//!
//! # Reading what it says
//!
//! A check that finds a promise broken fails its test with what a bug report needs:
//!
//! ```text
//! get_1_one_holder_at_a_time is broken by swim
//!   rule      GET-1 (must)
//!   promise   a connection has one holder at a time
//!   expected  one holder of client 7 at a time
//!   seen      two
//!   repeat    cargo test -p swim swim::get_1_one_holder_at_a_time
//! ```
//!
//! *rule* is the number to look up in `docs/contract.md`, which says what counts and what doesn't;
//! *must* binds every backend, *should* may be declared away. *expected* and *seen* are what one
//! step of the check found, with the case that it was in. *repeat* runs this test alone.
//!
//! Otherwise the test passes and prints one line, the rule with its [`Outcome`] and evidence:
//!
//! - *kept*: with figures, such as how many commands were sent.
//! - *known failure*: the promise is broken, as the backend's
//!   [`known_failures`](respool_core::BackendInfo::known_failures) say. Each names a rule, a reason
//!   and a link upstream; it is for what can't be mended because of a wrapped library. When the
//!   check of such a rule passes, its test *fails*: the list is wrong.
//! - *declared unsupported*, *not applicable*: the backend doesn't claim what the rule needs, and
//!   was seen to refuse it; the rule has nothing to bind in it.
//!
//! [`Capabilities`](respool_core::Capabilities) are what a backend can do beyond the rules that
//! bind all. Begin with `Capabilities::NONE` and claim what is so. Either way is checked: claimed, it
//! must work, and not claimed, it must be refused with `PoolError::Unsupported` or
//! `PoolError::Config`.
//!
//! # A subject that is no `BackendEntry`
//!
//! A backend that is built in another way, or a variant of one, is a [`Subject`] of its own. The
//! macro takes it as well.
//!
//! ```
//! use respool_conformance::Subject;
//!
//! fn small_pools() -> Subject {
//!     let info = respool_mobc::BACKEND.info;
//!     Subject::new("mobc with two connections", info, |mut config| {
//!         config.max_size = config.max_size.min(2);
//!         respool_mobc::build(config)
//!     })
//! }
//!
//! respool_conformance::conformance_tests!(small, crate::small_pools());
//! # fn main() {}
//! ```
//!
//! # Reports instead of tests
//!
//! [`run`] prints nothing and doesn't panic. It needs no runtime: each check makes its own.
//!
//! ```no_run
//! use respool_conformance::{Subject, catalogue, run};
//!
//! let subject = Subject::from(respool_mobc::BACKEND);
//! for check in catalogue::all() {
//!     let report = run(&subject, check);
//!     println!("{report}");
//!     if let Some(broken) = report.broken {
//!         println!("  expected {}, seen {}", broken.expected, broken.seen);
//!     }
//! }
//! ```
//!
//! # A check of one's own, and its mutant
//!
//! A [`Check`] is a function of a [`Trial`], which has a runtime, makes pools of the subject, and
//! starts servers and fault proxies. It gives evidence, or a [`Broken`]. What proves that it can
//! fail is a mutant: a subject that is broken in exactly this way.
//!
//! ```no_run
//! use respool_conformance::{Broken, Check, Finding, Outcome, Severity, Subject, Trial, run};
//!
//! const CHECK: Check = Check {
//!     rule: "SWIM-1",
//!     name: "swim_1_three_can_be_held",
//!     severity: Severity::Must,
//!     promise: "a pool of three lends three connections at once",
//!     run: three_can_be_held,
//! };
//!
//! fn three_can_be_held(trial: &Trial) -> Finding {
//!     trial.block_on(async {
//!         let server = trial.server().await?;
//!         let mut config = trial.config(&server.url());
//!         config.max_size = 3;
//!         let pool = trial.pool(config)?;
//!         let held = (pool.get().await?, pool.get().await?, pool.get().await?);
//!         match pool.status().in_use {
//!             3 => Ok(format!("held {held:?}")),
//!             other => Err(Broken::new("3 in use", other.to_string())),
//!         }
//!     })
//! }
//!
//! let healthy = Subject::from(respool_mobc::BACKEND);
//! assert_eq!(run(&healthy, &CHECK).outcome, Outcome::Kept);
//!
//! let mutant = Subject::new("lends one too few", healthy.info, move |mut config| {
//!     config.max_size -= 1;
//!     healthy.pool(config)
//! });
//! assert_eq!(run(&mutant, &CHECK).outcome, Outcome::Broken);
//! ```
//!
//! A check that would bind every backend belongs here: `CONTRIBUTING.md` says how to add it, with
//! its rule and its mutants.

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

/// The tests of a backend: a module with one `#[test]` for each check of the kit. The second
/// argument is anything that becomes a [`Subject`].
///
/// ```
/// respool_conformance::conformance_tests!(mobc, respool_mobc::BACKEND);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! conformance_tests {
    ($backend:ident, $entry:expr) => {
        mod $backend {
            $crate::for_each_check! { [$crate::conformance_tests_of_checks] $backend, $entry }
        }
    };
}

/// What [`conformance_tests!`] is made of.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests_of_checks {
    ({ $backend:ident, $entry:expr } $($name:ident = $check:path, $rule:literal, $severity:ident, $promise:literal;)*) => {
        $(
            #[test]
            fn $name() {
                // Not only in the file that it stands in, whose name nothing tells us.
                let repeat = concat!(
                    "cargo test -p ",
                    env!("CARGO_PKG_NAME"),
                    " ",
                    stringify!($backend),
                    "::",
                    stringify!($name),
                );
                $crate::assert_kept($entry, stringify!($name), repeat);
            }
        )*
    };
}
