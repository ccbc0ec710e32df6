//! [`Faults`]: what is broken at the moment.

use std::num::NonZeroU64;
use std::time::Duration;

use super::budget::ByteLimit;

/// The proxy's faults. Connections are numbered as they are accepted, so "those
/// that are open now" is all below a number.
#[derive(Default)]
pub(super) struct Faults {
    pub(super) delay: Option<Duration>,
    pub(super) slow_accept: Option<Duration>,
    pub(super) stalled: bool,
    /// Connections below this number are stalled for good.
    pub(super) stalled_below: u64,
    /// Connections below this number have had a FIN and get no more replies.
    pub(super) half_closed_below: u64,
    pub(super) request_limit: ByteLimit,
    pub(super) reply_limit: ByteLimit,
    /// Bytes a second, on each connection.
    pub(super) request_rate: Option<NonZeroU64>,
    pub(super) reply_rate: Option<NonZeroU64>,
}

impl Faults {
    pub(super) fn stalls(&self, connection: u64) -> bool {
        self.stalled || connection < self.stalled_below
    }
}
