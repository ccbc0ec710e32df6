//! GET: taking a connection.

mod bounded;
mod cancelled;
mod crowd;
mod in_time;
mod in_turn;
mod one_holder;
mod refusal;
mod shares;

pub(crate) use bounded::never_more_than_max_size;
pub(crate) use cancelled::cancelled_gets_lose_no_slot;
pub(crate) use crowd::a_crowd_opens_no_more_than_it_needs;
pub(crate) use in_time::ends_in_time_and_says_why;
pub(crate) use in_turn::first_come_first_served;
pub(crate) use one_holder::one_holder_at_a_time;
