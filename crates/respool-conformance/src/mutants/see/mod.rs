//! Pools that break the SEE rules.

mod false_figures;
mod false_waiting;
mod indiscreet;

use respool_core::CloseReason;

use super::Mutant;
use super::forward::{spoil, spoil_connections, spoil_pool};
use false_figures::{FalseStatus, ReadsOneByOne};
use false_waiting::{ForgetsTheLast, NeverStopsWaiting};
use indiscreet::{
    ExplainsWithThePassword, LogsThePassword, PrintsItsPassword, QuotesThePassword,
    QuotesWhatWasSent, TracesThePassword,
};

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        rule: "SEE-1",
        name: "counts_waiters_as_connecting",
        defect: "shows a connection being opened for each that waits",
        wrap: |healthy| {
            spoil(healthy, "counts waiters as connecting", || {
                FalseStatus(|status| status.connecting += status.waiting)
            })
        },
    },
    Mutant {
        rule: "SEE-1",
        name: "shows_one_too_few_in_use",
        defect: "shows one fewer in use than there are",
        wrap: |healthy| {
            spoil(healthy, "shows one too few in use", || {
                FalseStatus(|status| status.in_use = status.in_use.saturating_sub(1))
            })
        },
    },
    Mutant {
        rule: "SEE-1",
        name: "reads_one_by_one",
        defect: "puts a snapshot together from figures of different moments",
        wrap: |healthy| spoil(healthy, "reads one by one", || ReadsOneByOne),
    },
    Mutant {
        rule: "SEE-2",
        name: "never_stops_waiting",
        defect: "counts a cancelled get as waiting for ever",
        wrap: |healthy| spoil(healthy, "never stops waiting", NeverStopsWaiting::default),
    },
    Mutant {
        rule: "SEE-2",
        name: "hides_held",
        defect: "shows what is held as idle",
        wrap: |healthy| {
            spoil(healthy, "hides what is held", || {
                FalseStatus(|status| {
                    status.idle += status.in_use;
                    status.in_use = 0;
                })
            })
        },
    },
    Mutant {
        rule: "SEE-2",
        name: "forgets_the_last_waiter",
        defect: "does not count the caller who came last as waiting",
        wrap: |healthy| spoil(healthy, "forgets the last waiter", || ForgetsTheLast),
    },
    Mutant {
        rule: "SEE-2",
        name: "counts_connecting_as_waiting",
        defect: "shows one for whom a connection is being opened as waiting too",
        wrap: |healthy| {
            spoil(healthy, "counts connecting as waiting", || {
                FalseStatus(|status| status.waiting += status.connecting)
            })
        },
    },
    Mutant {
        rule: "SEE-3",
        name: "prints_its_password",
        defect: "shows the password in Debug",
        wrap: |healthy| spoil_pool(healthy, "prints its password", PrintsItsPassword::new),
    },
    Mutant {
        rule: "SEE-3",
        name: "quotes_the_password",
        defect: "quotes the password in the error of a failed login",
        wrap: |healthy| spoil_pool(healthy, "quotes the password", QuotesThePassword::new),
    },
    Mutant {
        rule: "SEE-3",
        name: "logs_the_password",
        defect: "logs the password as it connects",
        wrap: |healthy| spoil_pool(healthy, "logs the password", LogsThePassword::new),
    },
    Mutant {
        rule: "SEE-3",
        name: "traces_the_password",
        defect: "opens a span with the password when it connects again",
        wrap: |healthy| spoil_pool(healthy, "traces the password", TracesThePassword::new),
    },
    Mutant {
        rule: "SEE-3",
        name: "explains_with_the_password",
        defect: "has the password in the cause of its time-outs",
        wrap: |healthy| {
            spoil_pool(
                healthy,
                "explains with the password",
                ExplainsWithThePassword::new,
            )
        },
    },
    Mutant {
        rule: "SEE-3",
        name: "quotes_what_was_sent",
        defect: "quotes a command with its arguments when the connection is lost",
        wrap: |healthy| spoil_connections(healthy, "quotes what was sent", || QuotesWhatWasSent),
    },
    Mutant {
        rule: "SEE-4",
        name: "counts_one_too_many",
        defect: "counts one opened that never was",
        wrap: |healthy| {
            spoil(healthy, "counts one too many", || {
                FalseStatus(|status| status.opened += 1)
            })
        },
    },
    Mutant {
        rule: "SEE-4",
        name: "forgets_cancelled_pops",
        defect: "does not count a connection closed for a cancelled pop",
        wrap: |healthy| {
            spoil(healthy, "forgets cancelled pops", || {
                FalseStatus(|status| {
                    status.closed = false_figures::without(&status.closed, CloseReason::Cancelled);
                })
            })
        },
    },
];
