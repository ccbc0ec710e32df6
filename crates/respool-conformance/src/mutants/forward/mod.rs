//! What mutants are made of: a backend and a connection that forward everything to a healthy pool,
//! except for what a [`Spoil`] or [`SpoilConnection`] replaces.

mod backend;
mod connection;

pub(super) use backend::{Spoil, spoil, spoil_connections, spoil_pool};
pub(super) use connection::{ForwardConnection, SpoilConnection};
