//! Pools that don't notice, don't recover, don't move and don't end.

mod churn;
mod end;
mod reckless;
mod recovery;
mod renewal;
mod runtimes;
mod unfit;

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use respool_core::{CloseReason, PoolError};

use super::Mutant;
use super::cmd::IgnoresCondemn;
use super::forward::{spoil, spoil_connections, spoil_pool};
use churn::{KeepsWithoutClaiming, ReplacesOnCancel};
use end::{DoesNotClose, LeavesATask, LeavesSockets, LetsWaitersWait, SurvivesItsLastHandle};
use reckless::{DialsForEach, Pauses, StormsAtTheReturn};
use recovery::{AfterAFailure, Aftermath, DoesNotLook, WaitsForWhoGaveUp};
use renewal::{EndsWhatIsHeld, ExpiresWhenTaken, ReadyBesides, TakesMinIdleUnclaimed, misread};
use runtimes::{KnowsOneRuntime, LosesSlots, TrustsNumbers, WorksAtHome};
use unfit::{BlamesTheNode, OverlooksTransactions, SwallowsTheReply};

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        rule: "LIFE-1",
        name: "does_not_look",
        defect: "idle connections are handed out as they are",
        wrap: |healthy| spoil(healthy, "does not look", DoesNotLook::default),
    },
    Mutant {
        rule: "LIFE-2",
        name: "fails_forever",
        defect: "after one lost connection every get fails",
        wrap: |healthy| {
            spoil(healthy, "fails forever", || {
                AfterAFailure::new(Aftermath::Fails)
            })
        },
    },
    Mutant {
        rule: "LIFE-2",
        name: "waits_for_who_gave_up",
        defect: "after many gave up at once nobody is served any more",
        wrap: |healthy| spoil(healthy, "waits for who gave up", WaitsForWhoGaveUp::default),
    },
    Mutant {
        rule: "LIFE-2",
        name: "recovers_late",
        defect: "after a lost connection nothing is tried for a long time",
        wrap: |healthy| {
            spoil(healthy, "recovers late", || {
                AfterAFailure::new(Aftermath::Pauses)
            })
        },
    },
    Mutant {
        rule: "LIFE-3",
        name: "dials_for_each_asker",
        defect: "each caller has an attempt of its own under way",
        wrap: |healthy| spoil_pool(healthy, "dials for each asker", DialsForEach::new),
    },
    Mutant {
        rule: "LIFE-3",
        name: "never_pauses",
        defect: "dials again at once when it has failed",
        wrap: |healthy| spoil_pool(healthy, "never pauses", Pauses::never),
    },
    Mutant {
        rule: "LIFE-3",
        name: "pauses_without_chance",
        defect: "its pauses grow, and are the same each time",
        wrap: |healthy| spoil_pool(healthy, "pauses without chance", Pauses::without_chance),
    },
    Mutant {
        rule: "LIFE-3",
        name: "storms_at_the_return",
        defect: "opens a connection for each who waited when the server is back",
        wrap: |healthy| spoil_pool(healthy, "storms at the return", StormsAtTheReturn::new),
    },
    Mutant {
        rule: "LIFE-4",
        name: "forgets_idle_timeout",
        defect: "idle connections stay",
        wrap: |healthy| {
            misread(healthy, "forgets idle_timeout", |config| {
                config.idle_timeout = None
            })
        },
    },
    Mutant {
        rule: "LIFE-4",
        name: "forgets_max_lifetime",
        defect: "connections grow old",
        wrap: |healthy| {
            misread(healthy, "forgets max_lifetime", |config| {
                config.max_lifetime = None
            })
        },
    },
    Mutant {
        rule: "LIFE-4",
        name: "expires_when_taken",
        defect: "looks at the time only when a connection is taken",
        wrap: |healthy| spoil_pool(healthy, "expires when taken", ExpiresWhenTaken::new),
    },
    Mutant {
        rule: "LIFE-4",
        name: "ends_what_is_held",
        defect: "closes a connection under its holder when it is too old",
        wrap: |healthy| spoil_pool(healthy, "ends what is held", EndsWhatIsHeld::new),
    },
    Mutant {
        rule: "LIFE-4",
        name: "ends_all_together",
        defect: "connections opened together end together",
        wrap: |healthy| {
            misread(healthy, "ends all together", |config| {
                config.max_lifetime_jitter = 0.0
            })
        },
    },
    Mutant {
        rule: "LIFE-4",
        name: "opens_none_ahead",
        defect: "takes min_idle and opens nothing ahead",
        wrap: |healthy| misread(healthy, "opens none ahead", |config| config.min_idle = 0),
    },
    Mutant {
        rule: "LIFE-4",
        name: "opens_ahead_beyond_max_size",
        defect: "keeps connections ready besides max_size",
        wrap: |healthy| spoil_pool(healthy, "opens ahead beyond max_size", ReadyBesides::new),
    },
    Mutant {
        rule: "LIFE-4",
        name: "takes_min_idle_unclaimed",
        defect: "takes min_idle without claiming to keep it up",
        wrap: |healthy| {
            spoil(healthy, "takes min_idle unclaimed", || {
                TakesMinIdleUnclaimed
            })
        },
    },
    Mutant {
        rule: "LIFE-5",
        name: "knows_one_runtime",
        defect: "get fails on any runtime but the first",
        wrap: |healthy| spoil(healthy, "knows one runtime", KnowsOneRuntime::default),
    },
    Mutant {
        rule: "LIFE-5",
        name: "works_on_its_first_runtime",
        defect: "all requests are carried out by tasks of the first runtime",
        wrap: |healthy| spoil(healthy, "works on its first runtime", WorksAtHome::default),
    },
    Mutant {
        rule: "LIFE-5",
        name: "trusts_a_tasks_number",
        defect: "what a task blocks on is carried out on the runtime that the task was first seen on",
        wrap: |healthy| spoil(healthy, "trusts a task's number", TrustsNumbers::default),
    },
    Mutant {
        rule: "LIFE-5",
        name: "loses_slots_with_a_runtime",
        defect: "who connects is counted until the connecting task is done, which may never be",
        wrap: |healthy| spoil_pool(healthy, "loses slots with a runtime", LosesSlots::new),
    },
    Mutant {
        rule: "LIFE-6",
        name: "does_not_close",
        defect: "close does nothing",
        wrap: |healthy| spoil(healthy, "does not close", || DoesNotClose),
    },
    Mutant {
        rule: "LIFE-6",
        name: "leaves_sockets",
        defect: "close refuses newcomers and waits for holders, and closes no socket",
        wrap: |healthy| spoil(healthy, "leaves sockets", LeavesSockets::default),
    },
    Mutant {
        rule: "LIFE-6",
        name: "leaves_a_task",
        defect: "a task of the pool goes on after its end",
        wrap: |healthy| spoil(healthy, "leaves a task", LeavesATask::default),
    },
    Mutant {
        rule: "LIFE-6",
        name: "lets_waiters_wait",
        defect: "whoever waits hears of the end only after the holders' grace",
        wrap: |healthy| spoil(healthy, "lets waiters wait", || LetsWaitersWait),
    },
    Mutant {
        rule: "LIFE-6",
        name: "survives_its_last_handle",
        defect: "dropping the last handle closes nothing",
        wrap: |healthy| {
            spoil_pool(
                healthy,
                "survives its last handle",
                SurvivesItsLastHandle::new,
            )
        },
    },
    Mutant {
        rule: "LIFE-7",
        name: "keeps_unfit",
        defect: "condemn is ignored when the node is unfit",
        wrap: |healthy| {
            spoil_connections(healthy, "keeps unfit", || {
                IgnoresCondemn(CloseReason::NodeUnfit)
            })
        },
    },
    Mutant {
        rule: "LIFE-7",
        name: "keeps_unfit_after_transactions",
        defect: "a node that refuses a transaction is kept",
        wrap: |healthy| {
            spoil_connections(
                healthy,
                "keeps unfit after transactions",
                OverlooksTransactions::default,
            )
        },
    },
    Mutant {
        rule: "LIFE-7",
        name: "swallows_unfit_replies",
        defect: "what the unfit node said becomes a lost connection",
        wrap: |healthy| spoil_connections(healthy, "swallows unfit replies", || SwallowsTheReply),
    },
    Mutant {
        rule: "LIFE-7",
        name: "retires_on_every_error",
        defect: "every error reply counts as one of an unfit node",
        wrap: |healthy| spoil_connections(healthy, "retires on every error", || BlamesTheNode),
    },
    Mutant {
        rule: "LIFE-8",
        name: "replaces_on_cancel",
        defect: "each command that is given up costs its connection",
        wrap: |healthy| spoil(healthy, "replaces on cancel", || ReplacesOnCancel::every(1)),
    },
    Mutant {
        rule: "LIFE-8",
        name: "replaces_now_and_then",
        defect: "one of thirty commands that are given up costs its connection",
        wrap: |healthy| {
            spoil(healthy, "replaces now and then", || {
                ReplacesOnCancel::every(30)
            })
        },
    },
    Mutant {
        rule: "LIFE-8",
        name: "keeps_without_claiming",
        defect: "says that a cancelled command costs a connection, which it doesn't",
        wrap: |healthy| spoil(healthy, "keeps without claiming", || KeepsWithoutClaiming),
    },
];

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn backend_error(text: &'static str) -> PoolError {
    PoolError::backend("mutant", io::Error::other(text))
}
