//! get and drop alone: what the pool itself costs.

use respool_benches::table::Options;

use super::{BareHandOff, Bb8, DEADPOOL, Deadpool, DeadpoolTimed, LENDERS, Mobc, NO_PING, Ours};
use super::{CROWD, TASKS, cell, each};
use crate::cell::Work;
use crate::figure::*;
use crate::subjects::Subject;

pub(super) fn get_drop() -> Figure {
    Figure {
        name: "get-drop",
        title: "get + drop, nobody else there",
        measurements: each(&[&[Ours], LENDERS.subjects, &[BareHandOff]], |subject| {
            cell(subject, Work::GetAndDrop, &[NANOSECONDS])
        }),
        targets: vec![
            Target::of("", NANOSECONDS, Bound::Fixed(60.0)),
            Target::of("", NANOSECONDS, Bound::OfBest(0.25, LENDERS)),
        ],
    }
}

pub(super) fn instructions(options: &Options) -> Figure {
    let peers: &[Subject] = match options.rounds.quick {
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
        targets: vec![Target::of("", INSTRUCTIONS, Bound::Fixed(200.0))],
    }
}

pub(super) fn heap() -> Figure {
    let subjects: &[&[Subject]] = &[&[Ours], NO_PING.subjects, &[BareHandOff]];
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
            Target::of("one is idle", ALLOCATIONS, Bound::Fixed(0.0)),
            Target::of("it has to wait", ALLOCATIONS, Bound::Fixed(1.0)),
        ],
    }
}

pub(super) fn contended() -> Figure {
    let mut measurements = Vec::new();
    for (case, workers) in [("two workers", Some(2)), ("current_thread", None)] {
        measurements.extend(each(
            &[&[Ours], NO_PING.subjects, &[BareHandOff]],
            |subject| Measurement {
                case: case.into(),
                tasks: TASKS,
                workers,
                ..cell(subject, Work::Turns, &[RATE, EVENNESS])
            },
        ));
    }
    Figure {
        name: "contended",
        title: "64 tasks on 10: get, yield, drop",
        measurements,
        targets: vec![
            Target::of("two workers", RATE, Bound::OfBest(1.5, DEADPOOL)),
            Target::of("two workers", EVENNESS, Bound::Fixed(0.9)),
            Target::of("current_thread", EVENNESS, Bound::Fixed(0.9)),
        ],
    }
}

pub(super) fn crowd() -> Figure {
    let subjects: &[&[Subject]] = &[&[Ours], NO_PING.subjects, &[BareHandOff]];
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
            Target::of("turns", RATE, Bound::OfBest(1.4, DEADPOOL)),
            Target::of("longest wait", MILLISECONDS, Bound::OfBest(1.0, DEADPOOL)),
            Target::of("turns", MEBIBYTES, Bound::OfBest(2.0 / 3.0, DEADPOOL)),
        ],
    }
}
