//! LIFE: over time.

mod closed_while_idle;
mod dialling;
mod end;
mod no_churn;
mod ready_ahead;
mod recovery;
mod renewal;
mod runtimes;
mod unfit_node;

pub(crate) use closed_while_idle::closed_connections_are_not_handed_out;
pub(crate) use dialling::dialling_is_bounded;
pub(crate) use end::the_end_is_an_end;
pub(crate) use no_churn::cancelled_commands_do_not_churn;
pub(crate) use recovery::recovers_by_itself;
pub(crate) use renewal::connections_are_renewed_in_time;
pub(crate) use runtimes::belongs_to_no_runtime;
pub(crate) use unfit_node::an_unfit_node_is_left;
