use std::fmt;

/// A snapshot of a pool, taken at one moment: the figures of one snapshot always add up.
///
/// `size = idle + in_use + connecting` and, unless a pool was made smaller than what is in use,
/// `size <= max_size` (rule SEE-1), and
/// `opened = closed.total() + idle + in_use` (rule SEE-4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The most connections that the pool may have open at once.
    pub max_size: usize,
    /// Connections not handed out, open and ready.
    pub idle: usize,
    /// Connections handed out, or busy with commands of `Client`s.
    pub in_use: usize,
    /// Connections being opened.
    pub connecting: usize,
    /// Callers of `get` that are queued, for a slot or for their turn to connect. One for whom a
    /// connection is being opened counts under `connecting` instead.
    pub waiting: usize,
    /// Connections opened since the pool was built.
    pub opened: u64,
    /// Connections that left the pool since it was built, by reason.
    pub closed: ClosedCounts,
    /// Whether the pool was closed.
    pub is_closed: bool,
}

impl Status {
    /// The connections that exist or are being opened: `idle + in_use + connecting`.
    pub fn size(&self) -> usize {
        self.idle + self.in_use + self.connecting
    }

    /// Whether nobody holds, opens or waits for a connection.
    pub fn is_at_rest(&self) -> bool {
        self.in_use == 0 && self.connecting == 0 && self.waiting == 0
    }
}

/// For a log line: `8 of 10 connections (5 in use, 2 idle, 1 connecting), 3 waiting`.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} connections ({} in use, {} idle, {} connecting), {} waiting",
            self.size(),
            self.max_size,
            self.in_use,
            self.idle,
            self.connecting,
            self.waiting
        )
    }
}

/// Why a connection left its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The server closed it, the network failed, or its bytes made no sense.
    Broken,
    /// No reply came within `response_timeout`.
    TimedOut,
    /// Its holder gave up a command whose reply can't be waited for, such as a blocking pop.
    Cancelled,
    /// Its holder changed its session (SELECT, SUBSCRIBE, AUTH, ...).
    SessionChanged,
    /// It was older than `max_lifetime`, or idle for longer than `idle_timeout`.
    Expired,
    /// A reply said that the node no longer serves (READONLY, LOADING, MASTERDOWN).
    NodeUnfit,
    /// Its holder kept it for good.
    Detached,
    /// A lane of shared commands had nothing to do, and a caller needed its slot.
    MadeRoom,
    /// The pool was made smaller.
    Resized,
    /// The pool was closed, or its last handle was dropped.
    PoolClosed,
}

impl CloseReason {
    /// Every reason, in the order of [`ClosedCounts::iter`].
    pub const ALL: [CloseReason; 10] = [
        CloseReason::Broken,
        CloseReason::TimedOut,
        CloseReason::Cancelled,
        CloseReason::SessionChanged,
        CloseReason::Expired,
        CloseReason::NodeUnfit,
        CloseReason::Detached,
        CloseReason::MadeRoom,
        CloseReason::Resized,
        CloseReason::PoolClosed,
    ];

    /// A word for figures and logs, such as `session_changed`.
    pub fn as_str(self) -> &'static str {
        match self {
            CloseReason::Broken => "broken",
            CloseReason::TimedOut => "timed_out",
            CloseReason::Cancelled => "cancelled",
            CloseReason::SessionChanged => "session_changed",
            CloseReason::Expired => "expired",
            CloseReason::NodeUnfit => "node_unfit",
            CloseReason::Detached => "detached",
            CloseReason::MadeRoom => "made_room",
            CloseReason::Resized => "resized",
            CloseReason::PoolClosed => "pool_closed",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many connections left their pool, by [`CloseReason`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClosedCounts {
    counts: [u64; CloseReason::ALL.len()],
}

impl ClosedCounts {
    /// The connections closed for `reason`.
    pub fn of(&self, reason: CloseReason) -> u64 {
        self.counts[reason as usize]
    }

    /// The connections closed, whatever the reason.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Each reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (CloseReason, u64)> + '_ {
        CloseReason::ALL
            .into_iter()
            .map(|reason| (reason, self.of(reason)))
    }

    /// Counts one more closed for `reason`. For authors of backends.
    pub fn add(&mut self, reason: CloseReason) {
        self.counts[reason as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_close_reason_has_a_counter_of_its_own() {
        let mut counts = ClosedCounts::default();
        for reason in CloseReason::ALL {
            counts.add(reason);
        }
        assert!(counts.iter().all(|(_, count)| count == 1));
        assert_eq!(counts.total(), CloseReason::ALL.len() as u64);
    }
}
