//! Pools that break the RET rules.

mod chatty;
mod forgetful;
mod runtime_bound;
mod stale_session;

use super::Mutant;
use super::forward::{spoil, spoil_connections};
use chatty::{PingsAtEachGet, ReconnectsEachTime, UnwatchesFirst};
use forgetful::{Forgetful, Occasion};
use runtime_bound::{ReturnsInATask, ReturnsInsideARuntime, ReturnsLater};
use stale_session::{KeepsSession, Overlooks, ReplacesAfterTransactions};

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        rule: "RET-1",
        name: "forgets_panicking_holders",
        defect: "loses the slot of a holder that panics",
        wrap: |healthy| {
            spoil_connections(healthy, "forgets panicking holders", || {
                Forgetful::of(Occasion::Panic)
            })
        },
    },
    Mutant {
        rule: "RET-1",
        name: "forgets_owing_holders",
        defect: "loses the slot of a holder aborted in a command",
        wrap: |healthy| {
            spoil_connections(healthy, "forgets owing holders", || {
                Forgetful::of(Occasion::OwedReply)
            })
        },
    },
    Mutant {
        rule: "RET-1",
        name: "forgets_condemned",
        defect: "loses the slot of a connection that was closed under its holder",
        wrap: |healthy| {
            spoil_connections(healthy, "forgets condemned connections", || {
                Forgetful::of(Occasion::Condemned)
            })
        },
    },
    Mutant {
        rule: "RET-1",
        name: "returns_later",
        defect: "takes a connection back a moment after its drop",
        wrap: |healthy| spoil_connections(healthy, "returns later", || ReturnsLater),
    },
    Mutant {
        rule: "RET-2",
        name: "returns_in_a_task",
        defect: "spawns a task to take a connection back, and panics outside a runtime",
        wrap: |healthy| spoil_connections(healthy, "returns in a task", || ReturnsInATask),
    },
    Mutant {
        rule: "RET-2",
        name: "returns_inside_a_runtime",
        defect: "loses the slot of a connection dropped outside a runtime",
        wrap: |healthy| {
            spoil_connections(healthy, "returns inside a runtime", || {
                ReturnsInsideARuntime
            })
        },
    },
    Mutant {
        rule: "RET-3",
        name: "keeps_sessions",
        defect: "lends a connection again whatever was done to its session",
        wrap: |healthy| spoil_connections(healthy, "keeps sessions", || KeepsSession::after(&[])),
    },
    Mutant {
        rule: "RET-3",
        name: "keeps_lower_case_select",
        defect: "takes note of SELECT in capitals only",
        wrap: |healthy| {
            spoil_connections(healthy, "keeps a lower-case select", || {
                KeepsSession::after(&["select"])
            })
        },
    },
    Mutant {
        rule: "RET-3",
        name: "keeps_watch",
        defect: "lends a connection again on which a key is watched",
        wrap: |healthy| {
            spoil_connections(healthy, "keeps WATCH", || KeepsSession::after(&["WATCH"]))
        },
    },
    Mutant {
        rule: "RET-3",
        name: "keeps_subscriptions",
        defect: "lends a connection again that subscribes to a channel",
        wrap: |healthy| {
            spoil_connections(healthy, "keeps subscriptions", || {
                KeepsSession::after(&["SUBSCRIBE"])
            })
        },
    },
    Mutant {
        rule: "RET-3",
        name: "keeps_monitor",
        defect: "lends a connection again that monitors the server",
        wrap: |healthy| {
            spoil_connections(healthy, "keeps MONITOR", || {
                KeepsSession::after(&["MONITOR"])
            })
        },
    },
    Mutant {
        rule: "RET-3",
        name: "keeps_user",
        defect: "lends a connection again that is logged in as somebody else",
        wrap: |healthy| spoil_connections(healthy, "keeps AUTH", || KeepsSession::after(&["AUTH"])),
    },
    Mutant {
        rule: "RET-3",
        name: "keeps_no_evict",
        defect: "lends a connection again that is exempt from eviction, as RESET leaves it",
        wrap: |healthy| {
            spoil_connections(healthy, "keeps CLIENT NO-EVICT", || {
                KeepsSession::after(&["CLIENT", "NO-EVICT"])
            })
        },
    },
    Mutant {
        rule: "RET-3",
        name: "overlooks_pipelines",
        defect: "takes no note of what a pipeline does to its session",
        wrap: |healthy| spoil_connections(healthy, "overlooks pipelines", Overlooks::pipelines),
    },
    Mutant {
        rule: "RET-3",
        name: "overlooks_cancelled",
        defect: "takes no note of a session command that was cancelled",
        wrap: |healthy| {
            spoil_connections(
                healthy,
                "overlooks cancelled commands",
                Overlooks::cancelled,
            )
        },
    },
    Mutant {
        rule: "RET-3",
        name: "replaces_after_transactions",
        defect: "replaces a connection after each transaction, even a finished one",
        wrap: |healthy| {
            spoil_connections(healthy, "replaces after transactions", || {
                ReplacesAfterTransactions::default()
            })
        },
    },
    Mutant {
        rule: "RET-4",
        name: "pings_at_each_get",
        defect: "sends a PING before it lends a connection",
        wrap: |healthy| spoil(healthy, "pings at each get", || PingsAtEachGet),
    },
    Mutant {
        rule: "RET-4",
        name: "unwatches_first",
        defect: "sends UNWATCH before a holder's first command",
        wrap: |healthy| spoil_connections(healthy, "unwatches first", UnwatchesFirst::default),
    },
    Mutant {
        rule: "RET-4",
        name: "reconnects_each_time",
        defect: "keeps no idle connection",
        wrap: |healthy| spoil_connections(healthy, "reconnects each time", || ReconnectsEachTime),
    },
];
