use redis::aio::ConnectionLike;
use respool_core::{CloseReason, Detached};

use crate::Place;

/// A connection as a wrapped pool stores it.
///
/// Dropping it ends the connection, and its [`Place`] with it.
pub trait Link: ConnectionLike + Send + Sync + 'static {
    /// Its place in the ledger.
    fn place(&mut self) -> Option<&mut Place>;

    /// Whether it may be handed out: without waiting, without a round trip.
    fn glance(&mut self) -> Glance;

    /// Discards the replies that are owed and makes sure that the server answers. False: it is not
    /// to be used any more. Bounded in time; dropping it leaves the link to be settled later.
    fn settle(&mut self) -> impl Future<Output = bool> + Send;

    /// Whether it must not be stored when it comes back: it was condemned, or has ended. Asks nobody,
    /// not even the operating system.
    fn has_broken(&mut self) -> bool;

    /// A request was given up: its reply is owed.
    fn owe_reply(&mut self);

    /// It must not be handed out again: its socket is closed now.
    fn condemn(&mut self, reason: CloseReason);

    /// It was condemned, and gives up its place before it is dropped.
    fn part(&mut self);

    /// It leaves the pool and goes on without it. `None` where that can't be done.
    fn detached(self) -> Option<Box<dyn Detached>>;
}

/// What a glance at an idle link shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// It can be handed out.
    Fit,
    /// It has to be [settled](Link::settle) first: a reply is owed, or it was idle for long.
    Unsettled,
    /// It can't be used any more.
    Unfit(CloseReason),
}

impl Glance {
    /// The worse of two.
    #[must_use]
    pub fn and(self, other: Glance) -> Glance {
        match (self, other) {
            (Glance::Unfit(_), _) => self,
            (_, Glance::Unfit(_)) => other,
            (Glance::Unsettled, _) => self,
            _ => other,
        }
    }
}
