use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use respool_core::PoolError;
use tokio::runtime::Handle;

use crate::connection::NativeConnection;
use crate::queue::{Ticket, Word};
use crate::shared::Shared;

/// A caller that waits for a connection. Dropped, it leaves the line, and what it was given goes to
/// the next.
pub(crate) struct Wait<'a> {
    shared: &'a Arc<Shared>,
    ticket: Option<Ticket>,
    at_head: bool,
}

impl<'a> Wait<'a> {
    /// Waits in line: at its end, or at its head for one whose turn it was before.
    pub(crate) fn new(shared: &'a Arc<Shared>, at_head: bool) -> Self {
        Wait {
            shared,
            ticket: None,
            at_head,
        }
    }
}

impl Future for Wait<'_> {
    type Output = Result<Box<NativeConnection>, PoolError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = self.shared;
        let mut slots = shared.slots();
        let word = match self.ticket {
            None => match slots.join(context.waker(), self.at_head) {
                Ok(ticket) => {
                    self.ticket = Some(ticket);
                    None
                }
                Err(word) => Some(word),
            },
            Some(ticket) => {
                let word = slots.queue.ask(ticket, context.waker());
                if word.is_some() {
                    self.ticket = None;
                }
                word
            }
        };
        if let Some(word) = word {
            if matches!(word, Word::Given(_)) {
                shared.watch_idle(slots.idle.len());
            }
            return Poll::Ready(match word {
                Word::Given(connection) => Ok(connection),
                Word::Failed(error) => Err(error.into()),
                Word::Closed => Err(PoolError::Closed),
            });
        }
        if slots.has_room() {
            if let Some(error) = slots.refusal() {
                return Poll::Ready(Err(error.into()));
            }
            let home = Handle::current().id();
            if slots.needs_one_more(home) {
                drop(slots);
                shared.dial(home);
            }
        }
        Poll::Pending
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        let word = self.shared.slots().queue.leave(ticket);
        if let Some(Word::Given(connection)) = word {
            Shared::take_back(connection);
        }
    }
}
