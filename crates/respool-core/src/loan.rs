use std::time::Duration;

use crate::limit::Limit;
use crate::pool::Guards;
use crate::{CloseReason, Session};

/// What a [`crate::PooledConnection`] knows of itself, besides the backend's connection.
///
/// One word, which is copied as one: a word that was written in pieces makes the processor wait when it
/// is read as a whole, and that was a tenth of the time of get and drop.
#[derive(Clone, Copy)]
#[repr(align(8))]
pub(crate) struct Loan {
    pub(crate) response_timeout: Limit,
    pub(crate) session: Session,
    pub(crate) condemned: Option<CloseReason>,
    pub(crate) guards: Guards,
}

impl Loan {
    pub(crate) fn new(response_timeout: Option<Duration>, guards: Guards) -> Self {
        Loan {
            response_timeout: Limit::new(response_timeout),
            session: Session::default(),
            condemned: None,
            guards,
        }
    }
}

const _: () = assert!(size_of::<Loan>() == 8);
