//! What one command takes.

use super::{RUSTIS, each};
use crate::figure::*;
use crate::work::Work;

pub(super) fn heap() -> Figure {
    Figure {
        name: "heap",
        title: "Allocations of a GET in 64 tasks, beyond the Cmd and the reply",
        measurements: each(|subject| Measurement {
            case: String::new(),
            subject,
            work: Work::Heap,
            place: Place::SameCore,
            tasks: 64,
            shows: &[ALLOCATIONS],
        }),
        targets: vec![Target::of("", ALLOCATIONS, Bound::Fixed(2.0))],
    }
}

pub(super) fn memory() -> Figure {
    Figure {
        name: "memory",
        title: "Resident memory of 10,000 GETs that wait for their replies",
        measurements: each(|subject| Measurement {
            case: String::new(),
            subject,
            work: Work::InFlight,
            place: Place::Free,
            tasks: 10_000,
            shows: &[KIBIBYTES],
        }),
        targets: vec![
            Target::of("", KIBIBYTES, Bound::Fixed(1.0)),
            Target::of("", KIBIBYTES, Bound::OfBest(1.0, RUSTIS)),
        ],
    }
}
