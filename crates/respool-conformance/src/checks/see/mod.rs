//! SEE: what a pool shows of itself.

mod accounts;
mod adds_up;
mod at_rest;
mod recorder;
mod secrets;

pub(crate) use accounts::opened_is_closed_plus_size;
pub(crate) use adds_up::every_snapshot_adds_up;
pub(crate) use at_rest::at_rest_it_is_at_rest;
pub(crate) use secrets::no_secret_is_shown;
