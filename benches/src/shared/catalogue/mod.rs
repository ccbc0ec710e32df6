//! The figures: what is measured, and what the shared client is meant to reach.

mod many;
mod one;

use many::*;
use one::*;

use respool_benches::table::Options;

use crate::figure::*;
use crate::subjects::Subject::{self, *};

/// The figures' names, in the order of the table.
pub(crate) const NAMES: [&str; 9] = [
    "same-core",
    "two-workers",
    "set",
    "p99",
    "large",
    "mixed",
    "redis-benchmark",
    "heap",
    "memory",
];

const PEERS: Group = Group {
    name: "the best peer",
    subjects: &[RedisPlain, RedisTuned, ConnectionManager, Fred, Rustis],
};
const REDIS: Group = Group {
    name: "redis multiplexed",
    subjects: &[RedisPlain, RedisTuned],
};
const RUSTIS: Group = Group {
    name: "rustis",
    subjects: &[Rustis],
};
const BARE_LANE: Group = Group {
    name: "bare lane",
    subjects: &[BareLane],
};
const REDIS_BENCHMARK: Group = Group {
    name: "redis-benchmark",
    subjects: &[RedisBenchmark],
};
const OF_RESPOOL: &[Subject] = &[Ours, Multiplexed];

/// The figures that were asked for.
pub(crate) fn figures(options: &Options) -> Vec<Figure> {
    let all = [
        same_core(),
        two_workers(),
        set(),
        p99(),
        large(),
        mixed(),
        redis_benchmark(),
        heap(),
        memory(),
    ];
    all.into_iter()
        .filter(|figure| options.wants(figure.name))
        .collect()
}

/// A cell of everybody, bare or not.
fn each(measurement: impl Fn(Subject) -> Measurement) -> Vec<Measurement> {
    [OF_RESPOOL, PEERS.subjects, BARE_LANE.subjects]
        .concat()
        .into_iter()
        .map(measurement)
        .collect()
}

/// `1,000 tasks` for 1,000.
fn tasks_in_words(tasks: usize) -> String {
    match (tasks / 1_000, tasks % 1_000) {
        (0, 1) => "1 task".to_owned(),
        (0, tasks) => format!("{tasks} tasks"),
        (thousands, rest) => format!("{thousands},{rest:03} tasks"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::Arguments;

    fn all() -> Vec<Figure> {
        let arguments = Arguments::parse_from(["shared", "--quick"]);
        figures(&arguments.asked.options(&NAMES).unwrap())
    }

    #[test]
    fn every_figure_can_be_asked_for_by_name() {
        let names: Vec<_> = all().iter().map(|figure| figure.name).collect();
        assert_eq!(names, NAMES);
    }

    #[test]
    fn whoever_a_target_speaks_of_is_measured() {
        let unmeasured: Vec<_> = all().iter().flat_map(Figure::unmeasured).collect();
        assert!(unmeasured.is_empty(), "{unmeasured:#?}");
    }

    #[test]
    fn numbers_of_tasks_are_written_with_a_comma() {
        let words = [1, 64, 1_000, 10_000].map(tasks_in_words);
        assert_eq!(words, ["1 task", "64 tasks", "1,000 tasks", "10,000 tasks"]);
    }
}
