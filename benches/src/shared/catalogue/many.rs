//! How much a shared client carries for how many callers, and how long each of them waits.

use super::{BARE_LANE, PEERS, REDIS, REDIS_BENCHMARK, RUSTIS};
use super::{OF_RESPOOL, RedisBenchmark, each, tasks_in_words};
use crate::figure::*;
use crate::subjects::Subject;
use crate::work::Work;

/// Of the bare lane in the same run.
const OF_BARE: f64 = 0.85;
const LARGE: usize = 100 * 1024;
const SHOWN: &[Metric] = &[RATE, PROCESSOR, EVENNESS];

pub(super) fn same_core() -> Figure {
    let factors = [(1, 1.1), (10, 1.3), (64, 1.6), (1_000, 1.75)];
    let mut figure = rates(Place::SameCore, &factors);
    figure.name = "same-core";
    figure.title = "GET of 100 bytes, the server on the same core";
    let cpu = Bound::OfBest(0.5, RUSTIS);
    figure.targets.push(Target::of("64 tasks", PROCESSOR, cpu));
    figure
}

pub(super) fn two_workers() -> Figure {
    let factors = [(64, 1.8), (1_000, 2.5), (10_000, 1.9)];
    let mut figure = rates(Place::Free, &factors);
    figure.name = "two-workers";
    figure.title = "GET of 100 bytes, two workers";
    let even = Bound::Fixed(0.8);
    figure
        .targets
        .push(Target::of("1,000 tasks", EVENNESS, even));
    figure
}

/// Each number of tasks with what its rate has to be of the best peer's.
fn rates(place: Place, factors: &[(usize, f64)]) -> Figure {
    let mut figure = Figure {
        name: "",
        title: "",
        measurements: Vec::new(),
        targets: Vec::new(),
    };
    for &(tasks, factor) in factors {
        let case = tasks_in_words(tasks);
        figure.measurements.extend(each(|subject| Measurement {
            tasks,
            ..cell(subject, &case, Work::Get, place)
        }));
        figure.targets.extend([
            Target::of(&case, RATE, Bound::OfBest(factor, PEERS)),
            Target::of(&case, RATE, Bound::OfBest(OF_BARE, BARE_LANE)),
        ]);
    }
    figure
}

/// Shown, and held to nothing: what writes cost is mostly the server's.
pub(super) fn set() -> Figure {
    Figure {
        name: "set",
        title: "SET of 100 bytes, 64 tasks",
        measurements: [("same core", Place::SameCore), ("two workers", Place::Free)]
            .into_iter()
            .flat_map(|(case, place)| each(move |subject| cell(subject, case, Work::Set, place)))
            .collect(),
        targets: Vec::new(),
    }
}

pub(super) fn p99() -> Figure {
    let cases = [64, 1_000].map(|tasks| (tasks, tasks_in_words(tasks)));
    Figure {
        name: "p99",
        title: "How long a GET of 100 bytes takes, two workers",
        measurements: cases
            .iter()
            .flat_map(|(tasks, case)| {
                each(|subject| Measurement {
                    tasks: *tasks,
                    shows: &[P99],
                    ..cell(subject, case, Work::ClockedGet, Place::Free)
                })
            })
            .collect(),
        targets: cases
            .iter()
            .map(|(_, case)| Target::of(case, P99, Bound::OfBest(0.5, PEERS)))
            .collect(),
    }
}

pub(super) fn large() -> Figure {
    Figure {
        name: "large",
        title: "GET of 100 KiB, 64 tasks, two workers",
        measurements: each(|subject| {
            let work = Work::LargeGet { large: LARGE };
            cell(subject, "", work, Place::Free)
        }),
        targets: vec![Target::of("", RATE, Bound::OfBest(2.0, REDIS))],
    }
}

pub(super) fn mixed() -> Figure {
    let cases = [("100 KiB", LARGE), ("1 MB", 1_000_000)];
    Figure {
        name: "mixed",
        title: "GET of 100 bytes in 10 tasks, beside 10 that GET large values, two workers",
        measurements: cases
            .into_iter()
            .flat_map(|(case, large)| {
                each(move |subject| Measurement {
                    tasks: 10,
                    shows: &[RATE, P99, LARGE_RATE],
                    ..cell(subject, case, Work::Mixed { large }, Place::Free)
                })
            })
            .collect(),
        targets: cases
            .into_iter()
            .flat_map(|(case, _)| {
                [
                    Target::of(case, RATE, Bound::OfBest(2.0, REDIS)),
                    Target::of(case, P99, Bound::OfBest(0.5, REDIS)),
                ]
            })
            .collect(),
    }
}

/// As many on their way as redis-benchmark has.
pub(super) fn redis_benchmark() -> Figure {
    let subjects = [OF_RESPOOL, BARE_LANE.subjects, &[RedisBenchmark]].concat();
    Figure {
        name: "redis-benchmark",
        title: "GET of 100 bytes, 3,200 tasks, beside redis-benchmark -c 50 -P 64",
        measurements: subjects
            .into_iter()
            .map(|subject| Measurement {
                tasks: 50 * 64,
                shows: &[RATE],
                ..cell(subject, "", Work::Get, Place::Free)
            })
            .collect(),
        targets: vec![Target::of("", RATE, Bound::OfBest(0.9, REDIS_BENCHMARK))],
    }
}

/// 64 tasks.
fn cell(subject: Subject, case: &str, work: Work, place: Place) -> Measurement {
    Measurement {
        case: case.to_owned(),
        subject,
        work,
        place,
        tasks: 64,
        shows: SHOWN,
    }
}
