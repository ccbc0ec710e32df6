//! RET: giving a connection back.

mod anywhere;
mod fresh_session;
mod frugal;
mod sessions;
mod slot;
mod ways;

pub(crate) use anywhere::dropping_is_safe_anywhere;
pub(crate) use fresh_session::next_holder_sees_a_fresh_session;
pub(crate) use frugal::a_clean_return_costs_no_round_trip;
pub(crate) use slot::slot_comes_back;
