use std::cell::RefCell;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use crate::connection::NativeConnection;

/// A place in the line of a pool.
pub(crate) type Place = crate::queue::Place<Box<NativeConnection>>;

/// How many a thread keeps for those who come next.
const KEPT: usize = 64;

thread_local! {
    static KEPT_HERE: RefCell<Vec<Arc<Place>>> = const { RefCell::new(Vec::new()) };
}

/// A place for one who is woken by `waker`: one that was [put by](put_by), if the line has let go of it.
pub(crate) fn take(deadline: Option<Instant>, waker: &Waker) -> Arc<Place> {
    let place = Place::new(deadline, waker.clone());
    // The thread may be ending.
    let kept = KEPT_HERE.try_with(|kept| kept.try_borrow_mut().ok()?.pop());
    if let Ok(Some(mut kept)) = kept
        && let Some(room) = Arc::get_mut(&mut kept)
    {
        *room = place;
        return kept;
    }
    Arc::new(place)
}

/// Keeps a place whose holder has left the line.
pub(crate) fn put_by(place: Arc<Place>) {
    let _ = KEPT_HERE.try_with(|kept| {
        if let Ok(mut kept) = kept.try_borrow_mut()
            && kept.len() < KEPT
        {
            kept.push(place);
        }
    });
}
