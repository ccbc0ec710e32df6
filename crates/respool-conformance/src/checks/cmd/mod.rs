//! CMD: using a connection.

mod at_most_once;
mod malformed;
mod own_reply;
mod own_time_out;
mod patience;
mod pop_given_up;
mod pushes;
mod question;
mod server_side;
mod silence;

pub(crate) use at_most_once::executed_at_most_once;
pub(crate) use malformed::malformed_bytes_are_an_error_within_bounds;
pub(crate) use own_reply::nobody_gets_anothers_reply;
pub(crate) use own_time_out::a_blocking_commands_own_time_out_governs;
pub(crate) use patience::Patience;
pub(crate) use pop_given_up::a_pop_given_up_takes_nothing;
pub(crate) use pushes::pushed_messages_shift_nothing;
pub(crate) use server_side::{run, until_blocked};
pub(crate) use silence::a_silent_server_costs_at_most_response_timeout;
