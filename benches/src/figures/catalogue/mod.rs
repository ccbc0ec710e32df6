//! The figures: what is measured, and what the backend is meant to reach.

mod asking;
mod lending;

use respool_benches::table::Options;

use asking::*;
use lending::*;

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

const LENDERS: Group = Group {
    name: "the best of the others",
    subjects: &[Bb8, Deadpool, DeadpoolTimed, Mobc],
};
const NO_PING: Group = Group {
    name: "the best without PING",
    subjects: &[Bb8, Deadpool, Mobc],
};
const AS_THEY_COME: Group = Group {
    name: "the best as they come",
    subjects: &[Bb8Redis, DeadpoolRedis, MobcRedis],
};
const DEADPOOL: Group = Group {
    name: "deadpool",
    subjects: &[Deadpool],
};
const BARE_SOCKET: Group = Group {
    name: "bare socket",
    subjects: &[BareSocket],
};
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::Arguments;

    fn all() -> Vec<Figure> {
        let arguments = Arguments::parse_from(["figures", "--quick"]);
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
}
