//! Two ways to run a future of a wrapped pool without a runtime.

use std::cell::Cell;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Runs a future to its end in this thread. For futures of wrapped pools that wait for nothing but
/// a lock which is held for a moment: they give back a slot, and that must happen at once and
/// anywhere (RET-1, RET-2), not in a task that some runtime may or may not run.
///
/// It asks again and again instead of waiting to be woken: the lock may wake a task of this very
/// thread, which can't run before this returns, and then nobody would wake us.
pub fn run_to_end<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}

/// What `future` gives at once, if it does. Dropping it otherwise must lose nothing. Meanwhile no
/// dialler of this thread starts to dial: what isn't there at once is not wanted.
pub fn at_once<F: Future>(future: F) -> Option<F::Output> {
    let _quiet = Quiet::begin();
    // Tokio has a task wait that has done much in one poll, as if nothing were there.
    let mut future = pin!(tokio::task::unconstrained(future));
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Whether this thread is inside [`at_once`].
pub(crate) fn wants_only_what_is_there() -> bool {
    QUIET.get()
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

struct Quiet {
    before: bool,
}

impl Quiet {
    fn begin() -> Self {
        Quiet {
            before: QUIET.replace(true),
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.set(self.before);
    }
}
