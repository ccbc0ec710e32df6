use std::thread;
use std::time::Duration;

use respool_core::{Backend, CloseReason, ClosedCounts, Status};

use crate::mutants::forward::Spoil;

/// A status that was tampered with.
pub(super) struct FalseStatus(pub(super) fn(&mut Status));

impl Spoil for FalseStatus {
    fn status(&self, healthy: &dyn Backend) -> Status {
        let mut status = healthy.status();
        (self.0)(&mut status);
        status
    }
}

pub(super) struct ReadsOneByOne;

impl Spoil for ReadsOneByOne {
    fn status(&self, healthy: &dyn Backend) -> Status {
        let earlier = healthy.status();
        thread::sleep(Duration::from_micros(200));
        let mut status = healthy.status();
        status.idle = earlier.idle;
        status
    }
}

pub(super) fn without(counts: &ClosedCounts, reason: CloseReason) -> ClosedCounts {
    let mut others = ClosedCounts::default();
    for (other, count) in counts.iter() {
        for _ in 0..count {
            if other != reason {
                others.add(other);
            }
        }
    }
    others
}
