//! Pools that break the GET rules.

mod barging;
mod extra_pools;
mod lost_causes;
mod lost_gets;
mod twin;

use std::time::Duration;

use super::Mutant;
use super::forward::{spoil, spoil_pool};
pub(super) use extra_pools::InTurn;

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        rule: "GET-1",
        name: "lends_twice",
        defect: "lends a connection that somebody holds to the next who asks",
        wrap: |healthy| spoil(healthy, "lends twice", twin::LendsTwice::default),
    },
    Mutant {
        rule: "GET-2",
        name: "doubles_the_limit",
        defect: "lends from two pools of max_size each in turn",
        wrap: |healthy| spoil_pool(healthy, "doubles the limit", InTurn::new),
    },
    Mutant {
        rule: "GET-2",
        name: "forgets_cancelled_dials",
        defect: "no longer counts a connection once the get that opened it was cancelled",
        wrap: |healthy| {
            spoil_pool(
                healthy,
                "forgets cancelled dials",
                extra_pools::ForgetsCancelled::new,
            )
        },
    },
    Mutant {
        rule: "GET-3",
        name: "swallows_the_cause",
        defect: "reports every failure as a time-out of the wait",
        wrap: |healthy| {
            spoil(healthy, "swallows the cause", || {
                lost_causes::SwallowsTheCause
            })
        },
    },
    Mutant {
        rule: "GET-3",
        name: "never_times_out",
        defect: "waits without a limit",
        wrap: |healthy| spoil(healthy, "never times out", || lost_causes::NeverTimesOut),
    },
    Mutant {
        rule: "GET-3",
        name: "gives_up_at_once",
        defect: "fails without waiting when there is no idle connection and no free slot",
        wrap: |healthy| spoil(healthy, "gives up at once", || lost_causes::GivesUpAtOnce),
    },
    Mutant {
        rule: "GET-3",
        name: "retries_a_refused_login",
        defect: "tries until get_timeout although the login is refused",
        wrap: |healthy| {
            spoil(healthy, "retries a refused login", || {
                lost_causes::RetriesForever
            })
        },
    },
    Mutant {
        rule: "GET-3",
        name: "limits_the_unlimited",
        defect: "gives up after a moment when it was told to wait for as long as it takes",
        wrap: |healthy| {
            spoil(healthy, "limits the unlimited", || {
                lost_causes::LimitsTheUnlimited
            })
        },
    },
    Mutant {
        rule: "GET-4",
        name: "serves_last_first",
        defect: "serves the latest waiter first",
        wrap: |healthy| {
            spoil(healthy, "serves last first", || {
                barging::Queue::new(barging::Order::LastFirst)
            })
        },
    },
    Mutant {
        rule: "GET-4",
        name: "lets_newcomers_overtake",
        defect: "its try_get takes what a waiter was about to get",
        wrap: |healthy| {
            spoil(healthy, "lets newcomers overtake", || {
                barging::Queue::new(barging::Order::NewcomersFirst)
            })
        },
    },
    Mutant {
        rule: "GET-4",
        name: "plays_favourites",
        defect: "lets every other task queue a little later",
        wrap: |healthy| spoil(healthy, "plays favourites", || barging::PlaysFavourites),
    },
    Mutant {
        rule: "GET-5",
        name: "loses_cancelled_slots",
        defect: "a get that is cancelled between being served and returning keeps its connection",
        wrap: |healthy| {
            spoil(healthy, "loses cancelled slots", || {
                lost_gets::LosesCancelledSlots
            })
        },
    },
    Mutant {
        rule: "GET-5",
        name: "serves_the_departed",
        defect: "a cancelled get stays in line and keeps what it is given for good",
        wrap: |healthy| {
            spoil_pool(
                healthy,
                "serves the departed",
                lost_gets::ServesTheDeparted::new,
            )
        },
    },
    Mutant {
        rule: "GET-6",
        name: "opens_one_a_get",
        defect: "opens a connection for each get that finds no idle one",
        wrap: |healthy| spoil_pool(healthy, "opens one a get", extra_pools::OneAGet::new),
    },
    Mutant {
        rule: "GET-6",
        name: "fills_up_at_once",
        defect: "opens all that it may for the first who asks",
        wrap: |healthy| spoil_pool(healthy, "fills up at once", lost_gets::FillsUpAtOnce::new),
    },
    Mutant {
        rule: "GET-6",
        name: "throws_dials_away",
        defect: "closes the connection that was being opened for a cancelled get",
        wrap: |healthy| {
            spoil(
                healthy,
                "throws dials away",
                lost_gets::ThrowsDialsAway::default,
            )
        },
    },
];

/// Between two looks, in mutants that poll.
const PAUSE: Duration = Duration::from_millis(1);
