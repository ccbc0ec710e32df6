//! What a pool of connections to a server costs, and what it takes to have one.

use super::{AS_THEY_COME, BARE_SOCKET, BareSocket, NO_PING, Ours, RedisCrate};
use super::{TASKS, cell, each};
use crate::cell::Work;
use crate::figure::*;
use crate::subjects::Subject;

/// Ours and all that people take instead.
const CLIENTS: &[&[Subject]] = &[&[Ours], NO_PING.subjects, AS_THEY_COME.subjects];
const TASK_COUNTS: [(usize, &str); 3] = [(1, "1 task"), (10, "10 tasks"), (64, "64 tasks")];

pub(super) fn same_core() -> Figure {
    let mut measurements = Vec::new();
    let mut targets = Vec::new();
    let factors = [(1.1, 2.0), (1.3, 2.5), (1.3, 2.5)];
    for ((tasks, case), (of_no_ping, of_defaults)) in TASK_COUNTS.into_iter().zip(factors) {
        measurements.extend(each(CLIENTS, |subject| on_one_core(subject, case, tasks)));
        targets.push(Target::of(case, RATE, Bound::OfBest(of_no_ping, NO_PING)));
        targets.push(Target::of(
            case,
            RATE,
            Bound::OfBest(of_defaults, AS_THEY_COME),
        ));
    }
    Figure {
        name: "same-core",
        title: "get + GET of 100 bytes + drop, the server on the same core",
        measurements,
        targets,
    }
}

pub(super) fn two_workers() -> Figure {
    let case = "64 tasks";
    Figure {
        name: "two-workers",
        title: "get + GET of 100 bytes + drop, two workers",
        measurements: each(CLIENTS, |subject| Measurement {
            how: How::Free,
            workers: Some(2),
            ..on_one_core(subject, case, TASKS)
        }),
        targets: vec![Target::of(case, RATE, Bound::OfBest(1.5, NO_PING))],
    }
}

pub(super) fn bare_socket() -> Figure {
    let mut measurements = Vec::new();
    let mut targets = Vec::new();
    for (tasks, case) in TASK_COUNTS {
        measurements.extend(each(&[&[Ours, BareSocket]], |subject| {
            on_one_core(subject, case, tasks)
        }));
        targets.push(Target::of(case, RATE, Bound::OfBest(0.9, BARE_SOCKET)));
    }
    Figure {
        name: "bare-socket",
        title: "The same beside a bare socket in a bare pool, on the same core",
        measurements,
        targets,
    }
}

pub(super) fn heap_of_get() -> Figure {
    Figure {
        name: "heap-of-get",
        title: "Allocations of a GET on a held connection, beyond the Cmd and the reply",
        measurements: each(&[&[Ours], NO_PING.subjects], |subject| {
            cell(subject, Work::HeapOfGet, &[ALLOCATIONS])
        }),
        targets: vec![Target::of("", ALLOCATIONS, Bound::Fixed(2.0))],
    }
}

pub(super) fn system_calls() -> Figure {
    Figure {
        name: "system-calls",
        title: "System calls of a GET on a held connection, beside the wait for its reply",
        measurements: each(&[&[Ours], NO_PING.subjects, &[BareSocket]], |subject| {
            Measurement {
                how: How::SystemCalls,
                ..cell(subject, Work::CountedGets, &[CALLS, WAITS])
            }
        }),
        targets: vec![Target::of("", CALLS, Bound::Fixed(2.0))],
    }
}

pub(super) fn idle_memory() -> Figure {
    Figure {
        name: "idle-memory",
        title: "Resident memory of an idle connection",
        measurements: each(&[&[Ours], NO_PING.subjects], |subject| Measurement {
            how: How::PerConnection,
            ..cell(subject, Work::IdleMemory, &[KIBIBYTES])
        }),
        targets: vec![Target::of("", KIBIBYTES, Bound::Fixed(8.0))],
    }
}

pub(super) fn cold_start() -> Figure {
    Figure {
        name: "cold-start",
        title: "1,000 tasks at an empty pool of 10, one GET each, two workers",
        measurements: each(CLIENTS, |subject| Measurement {
            tasks: 1_000,
            workers: Some(2),
            ..cell(subject, Work::ColdStart, &[MILLISECONDS, CONNECTIONS])
        }),
        targets: vec![
            Target::of("", CONNECTIONS, Bound::Fixed(10.0)),
            Target::of("", MILLISECONDS, Bound::OfBest(0.6, NO_PING)),
        ],
    }
}

pub(super) fn crates() -> Figure {
    Figure {
        name: "crates",
        title: "Crates of a program with the backend alone",
        measurements: each(&[&[Ours, RedisCrate]], |subject| Measurement {
            how: How::Crates,
            ..cell(subject, Work::ColdStart, &[CRATES])
        }),
        targets: vec![Target::of("", CRATES, Bound::Above(10.0, RedisCrate))],
    }
}

fn on_one_core(subject: Subject, case: &str, tasks: usize) -> Measurement {
    Measurement {
        case: case.to_owned(),
        how: How::SameCore,
        tasks,
        ..cell(subject, Work::RoundTrips, &[RATE, PROCESSOR])
    }
}
