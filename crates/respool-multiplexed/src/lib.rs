//! The contract of respool with the redis crate's own shared connection.
//!
//! Commands of [`respool_core::Client`]s travel together on one `MultiplexedConnection` for each
//! runtime, which is replaced when it fails; while a large reply travels on it, newcomers go over
//! another. What needs a connection of its own gets one: `get` lends
//! exclusive connections out of the same `max_size`.
//!
//! Where more runtimes ask than there may be `lanes`, the connection of one that has nothing under way is
//! closed for another's: it can't be known whether anybody drives the runtime that it belongs to. With many
//! runtimes that take turns, give `lanes` as many, or choose `native`, which moves its own from one to another.

mod backend;
mod lane;
mod lane_set;
mod shared_connection;
mod slots;

pub use backend::{BACKEND, CAPABILITIES, build, over};
