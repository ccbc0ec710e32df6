//! The contract of respool with the redis crate's own shared connection.
//!
//! Commands of [`respool_core::Client`]s travel together on one `MultiplexedConnection` for each
//! runtime, which is replaced when it fails. What needs a connection of its own gets one: `get` lends
//! exclusive connections out of the same `max_size`.

mod backend;
mod lane;
mod shared_connection;
mod slots;

pub use backend::{BACKEND, CAPABILITIES, build, over};
