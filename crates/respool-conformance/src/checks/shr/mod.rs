//! SHR: the shared client.

mod harmless;
mod large_reply;
mod many_at_once;
mod small_commands;

pub(crate) use harmless::others_are_never_harmed;
pub(crate) use large_reply::large_reply_stops_nobody;
pub(crate) use many_at_once::ten_thousand_at_once;
