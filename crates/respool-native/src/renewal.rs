use std::pin::pin;

use futures_util::future::{Either, select};
use respool_connect::{Parting, Place};
use respool_core::{ConnectError, PoolError};
use tokio::runtime::{Handle, Id};

use crate::shared::Shared;
use crate::wire::Wire;

impl Shared {
    /// Opens a connection in place of one that ended before its holder had used it, in the slot that he
    /// has, unless the pool is closed before it is there. Tries once at most: while the server is down
    /// trying is for those who wait in line. Dropping the future gives up.
    pub(crate) async fn renew(&self) -> Result<(Wire, Place), PoolError> {
        let renewed = pin!(self.renew_in_turn());
        let closed = pin!(self.ledger.closed());
        // Closed first: nothing is begun any more by one who hears of it late.
        match select(closed, renewed).await {
            Either::Left(((), _)) => Err(PoolError::Closed),
            Either::Right((outcome, _)) => outcome,
        }
    }

    async fn renew_in_turn(&self) -> Result<(Wire, Place), PoolError> {
        let home = Handle::try_current()
            .map_err(|_| PoolError::NoRuntime)?
            .id();
        // Without the wait for a turn, where it would be in vain.
        self.slots().may_renew(home)?;
        self.keep_to_the_rate().await;
        // Dropped after all that is opened here: when `close` sees none under way, each has said its
        // goodbye.
        let _renewal = Renewal::begin(self, home)?;
        let opened = match self.config.connect_timeout {
            None => self.open_another().await,
            // There may be no room for it any more.
            Some(limit) => {
                match tokio::time::timeout(limit.saturating_mul(2), self.open_another()).await {
                    Ok(outcome) => outcome,
                    Err(_) => {
                        let address = self.config.endpoint.to_string();
                        return Err(ConnectError::timed_out(address, limit).into());
                    }
                }
            }
        };
        let (wire, mut place) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.failed(&error);
                return Err(error.into());
            }
        };
        let had_failed = self.slots().forget_failures();
        if had_failed {
            // Those who wait left it to one to try.
            self.rouse();
        }
        if self.ledger.is_closed() {
            // Whoever closed the pool may have closed the sockets of all others before it was known.
            place.part(Parting::Watched(wire.socket().clone()));
            drop(place);
            wire.socket().say_goodbye();
            return Err(PoolError::Closed);
        }
        Ok((wire, place))
    }
}

/// A holder's connection that is being replaced: counted until then, however that ends.
struct Renewal<'a> {
    shared: &'a Shared,
    home: Id,
}

impl<'a> Renewal<'a> {
    fn begin(shared: &'a Shared, home: Id) -> Result<Self, PoolError> {
        shared.slots().begin_to_renew(home)?;
        Ok(Renewal { shared, home })
    }
}

impl Drop for Renewal<'_> {
    fn drop(&mut self) {
        self.shared.slots().renewed(self.home);
        self.shared.tell_that_one_left();
    }
}
