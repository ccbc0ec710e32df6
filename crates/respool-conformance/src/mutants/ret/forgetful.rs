use std::mem;
use std::thread;

use respool_core::{CloseReason, Connection};

use crate::mutants::forward::SpoilConnection;

/// When a connection is forgotten instead of given back.
#[derive(PartialEq, Eq)]
pub(super) enum Occasion {
    Panic,
    OwedReply,
    Condemned,
}

pub(super) struct Forgetful {
    occasion: Occasion,
    has_come: bool,
}

impl Forgetful {
    pub(super) fn of(occasion: Occasion) -> Self {
        Forgetful {
            occasion,
            has_come: false,
        }
    }

    fn note(&mut self, occasion: Occasion) {
        self.has_come |= self.occasion == occasion;
    }
}

impl SpoilConnection for Forgetful {
    fn owe_reply(&mut self, healthy: &mut dyn Connection) {
        self.note(Occasion::OwedReply);
        healthy.owe_reply();
    }

    fn condemn(&mut self, healthy: &mut dyn Connection, reason: CloseReason) {
        self.note(Occasion::Condemned);
        healthy.condemn(reason);
    }

    fn give_back(&mut self, healthy: Box<dyn Connection>) {
        if thread::panicking() {
            self.note(Occasion::Panic);
        }
        if self.has_come {
            mem::forget(healthy);
        }
    }
}
