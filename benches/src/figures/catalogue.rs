//! The figures: what is measured, and what the backend is meant to reach.

use crate::arguments::Options;
use crate::cell::Work;
use crate::figure::*;
use crate::subjects::Subject::{self, *};

/// The figures' names, in the order of the table.
pub(crate) const NAMES: [&str; 13] = [
    "get-drop",
    "instructions",
    "heap",
    "contended",
    "crowd",
    "same-core",
    "two-workers",
    "bare-socket",
    "heap-of-get",
    "system-calls",
    "idle-memory",
    "cold-start",
    "crates",
];

const LENDERS: &[Subject] = &[Bb8, Deadpool, DeadpoolTimed, Mobc];
const NO_PING: &[Subject] = &[Bb8, Deadpool, Mobc];
const AS_THEY_COME: &[Subject] = &[Bb8Redis, DeadpoolRedis, MobcRedis];
const TASKS: usize = 64;
const CROWD: usize = 10_000;

/// The figures that were asked for.
pub(crate) fn figures(options: &Options) -> Vec<Figure> {
    let all = [
        get_drop(),
        instructions(options),
        heap(),
        contended(),
        crowd(),
        same_core(),
        two_workers(),
        bare_socket(),
        heap_of_get(),
        system_calls(),
        idle_memory(),
        cold_start(),
        crates(),
    ];
    all.into_iter()
        .filter(|figure| options.wants(figure.name))
        .collect()
}

fn get_drop() -> Figure {
    Figure {
        name: "get-drop",
        title: "get + drop, nobody else there",
        measurements: each(&[&[Ours], LENDERS, &[BareHandOff]], |subject| {
            cell(subject, Work::GetAndDrop, &[NANOSECONDS])
        }),
        targets: vec![
            target("", NANOSECONDS, Bound::Fixed(60.0)),
            target("", NANOSECONDS, Bound::OfBest(0.25, LENDERS)),
        ],
    }
}

fn instructions(options: &Options) -> Figure {
    let peers: &[Subject] = match options.quick {
        true => &[Bb8, Deadpool],
        false => &[Bb8, Deadpool, DeadpoolTimed, Mobc, BareHandOff],
    };
    Figure {
        name: "instructions",
        title: "Instructions of get + drop",
        measurements: each(&[&[Ours], peers], |subject| Measurement {
            how: How::Instructions,
            ..cell(subject, Work::CountedGetAndDrop, &[INSTRUCTIONS])
        }),
        targets: vec![target("", INSTRUCTIONS, Bound::Fixed(200.0))],
    }
}

fn heap() -> Figure {
    let subjects: &[&[Subject]] = &[&[Ours], NO_PING, &[BareHandOff]];
    let mut measurements = each(subjects, |subject| Measurement {
        case: "one is idle".into(),
        ..cell(subject, Work::HeapIdle, &[ALLOCATIONS])
    });
    measurements.extend(each(subjects, |subject| Measurement {
        case: "it has to wait".into(),
        connections: 1,
        ..cell(subject, Work::HeapWaiting, &[ALLOCATIONS])
    }));
    Figure {
        name: "heap",
        title: "Allocations of get + drop",
        measurements,
        targets: vec![
            target("one is idle", ALLOCATIONS, Bound::Fixed(0.0)),
            target("it has to wait", ALLOCATIONS, Bound::Fixed(1.0)),
        ],
    }
}

fn contended() -> Figure {
    let mut measurements = Vec::new();
    for (case, workers) in [("two workers", Some(2)), ("current_thread", None)] {
        measurements.extend(each(&[&[Ours], NO_PING, &[BareHandOff]], |subject| {
            Measurement {
                case: case.into(),
                tasks: TASKS,
                workers,
                ..cell(subject, Work::Turns, &[RATE, EVENNESS])
            }
        }));
    }
    Figure {
        name: "contended",
        title: "64 tasks on 10: get, yield, drop",
        measurements,
        targets: vec![
            target("two workers", RATE, Bound::OfBest(1.5, &[Deadpool])),
            target("two workers", EVENNESS, Bound::Fixed(0.9)),
            target("current_thread", EVENNESS, Bound::Fixed(0.9)),
        ],
    }
}

fn crowd() -> Figure {
    let subjects: &[&[Subject]] = &[&[Ours], NO_PING, &[BareHandOff]];
    let of_many = |subject, case: &str, work, shows| Measurement {
        case: case.into(),
        tasks: CROWD,
        workers: Some(2),
        ..cell(subject, work, shows)
    };
    let mut measurements = each(subjects, |subject| {
        of_many(subject, "turns", Work::Turns, &[RATE, MEBIBYTES])
    });
    measurements.extend(each(subjects, |subject| {
        of_many(subject, "longest wait", Work::LongestWait, &[MILLISECONDS])
    }));
    Figure {
        name: "crowd",
        title: "10,000 tasks on 10, two workers",
        measurements,
        targets: vec![
            target("turns", RATE, Bound::OfBest(1.4, &[Deadpool])),
            target(
                "longest wait",
                MILLISECONDS,
                Bound::OfBest(1.0, &[Deadpool]),
            ),
            target("turns", MEBIBYTES, Bound::OfBest(2.0 / 3.0, &[Deadpool])),
        ],
    }
}

const TASK_COUNTS: [(usize, &str); 3] = [(1, "1 task"), (10, "10 tasks"), (64, "64 tasks")];

fn same_core() -> Figure {
    let mut measurements = Vec::new();
    let mut targets = Vec::new();
    let factors = [(1.1, 2.0), (1.3, 2.5), (1.3, 2.5)];
    for ((tasks, case), (of_no_ping, of_defaults)) in TASK_COUNTS.into_iter().zip(factors) {
        measurements.extend(each(&[&[Ours], NO_PING, AS_THEY_COME], |subject| {
            on_one_core(subject, case, tasks)
        }));
        targets.push(target(case, RATE, Bound::OfBest(of_no_ping, NO_PING)));
        targets.push(target(case, RATE, Bound::OfBest(of_defaults, AS_THEY_COME)));
    }
    Figure {
        name: "same-core",
        title: "get + GET of 100 bytes + drop, the server on the same core",
        measurements,
        targets,
    }
}

fn two_workers() -> Figure {
    let case = "64 tasks";
    Figure {
        name: "two-workers",
        title: "get + GET of 100 bytes + drop, two workers",
        measurements: each(&[&[Ours], NO_PING, AS_THEY_COME], |subject| Measurement {
            how: How::Free,
            workers: Some(2),
            ..on_one_core(subject, case, TASKS)
        }),
        targets: vec![target(case, RATE, Bound::OfBest(1.5, NO_PING))],
    }
}

fn bare_socket() -> Figure {
    let mut measurements = Vec::new();
    let mut targets = Vec::new();
    for (tasks, case) in TASK_COUNTS {
        measurements.extend(each(&[&[Ours, BareSocket]], |subject| {
            on_one_core(subject, case, tasks)
        }));
        targets.push(target(case, RATE, Bound::OfBest(0.9, &[BareSocket])));
    }
    Figure {
        name: "bare-socket",
        title: "The same beside a bare socket in a bare pool, on the same core",
        measurements,
        targets,
    }
}

fn heap_of_get() -> Figure {
    Figure {
        name: "heap-of-get",
        title: "Allocations of a GET on a held connection, beyond the Cmd and the reply",
        measurements: each(&[&[Ours], NO_PING], |subject| {
            cell(subject, Work::HeapOfGet, &[ALLOCATIONS])
        }),
        targets: vec![target("", ALLOCATIONS, Bound::Fixed(2.0))],
    }
}

fn system_calls() -> Figure {
    Figure {
        name: "system-calls",
        title: "System calls of a GET on a held connection, beside the wait for its reply",
        measurements: each(&[&[Ours], NO_PING, &[BareSocket]], |subject| Measurement {
            how: How::SystemCalls,
            ..cell(subject, Work::CountedGets, &[CALLS, WAITS])
        }),
        targets: vec![target("", CALLS, Bound::Fixed(2.0))],
    }
}

fn idle_memory() -> Figure {
    Figure {
        name: "idle-memory",
        title: "Resident memory of an idle connection",
        measurements: each(&[&[Ours], NO_PING], |subject| Measurement {
            how: How::PerConnection,
            ..cell(subject, Work::IdleMemory, &[KIBIBYTES])
        }),
        targets: vec![target("", KIBIBYTES, Bound::Fixed(8.0))],
    }
}

fn cold_start() -> Figure {
    Figure {
        name: "cold-start",
        title: "1,000 tasks at an empty pool of 10, one GET each, two workers",
        measurements: each(&[&[Ours], NO_PING, AS_THEY_COME], |subject| Measurement {
            tasks: 1_000,
            workers: Some(2),
            ..cell(subject, Work::ColdStart, &[MILLISECONDS, CONNECTIONS])
        }),
        targets: vec![
            target("", CONNECTIONS, Bound::Fixed(10.0)),
            target("", MILLISECONDS, Bound::OfBest(0.6, NO_PING)),
        ],
    }
}

fn crates() -> Figure {
    Figure {
        name: "crates",
        title: "Crates of a program with the backend alone",
        measurements: each(&[&[Ours, RedisCrate]], |subject| Measurement {
            how: How::Crates,
            ..cell(subject, Work::ColdStart, &[CRATES])
        }),
        targets: vec![target("", CRATES, Bound::Above(10.0, RedisCrate))],
    }
}

fn each(subjects: &[&[Subject]], measurement: impl Fn(Subject) -> Measurement) -> Vec<Measurement> {
    subjects.concat().into_iter().map(measurement).collect()
}

/// One task, ten connections, the caller's thread.
fn cell(subject: Subject, work: Work, shows: &'static [Metric]) -> Measurement {
    Measurement {
        case: String::new(),
        subject,
        work,
        how: How::Free,
        connections: 10,
        tasks: 1,
        workers: None,
        shows,
    }
}

fn on_one_core(subject: Subject, case: &str, tasks: usize) -> Measurement {
    Measurement {
        case: case.to_owned(),
        how: How::SameCore,
        tasks,
        ..cell(subject, Work::RoundTrips, &[RATE])
    }
}

fn target(case: &str, metric: Metric, bound: Bound) -> Target {
    Target {
        case: case.to_owned(),
        metric,
        bound,
    }
}
