//! respool's own engine: exclusive connections, and shared lanes, that keep every rule of the
//! contract.
//!
//! - `slots`: who holds a connection and who waits for one, under one short lock.
//! - `wire`: a connection's bytes. Both buffers and the count of owed replies live in it, so that
//!   a request that is dropped half-way leaves nothing to guess (CMD-1).
//! - `connection`: what a holder has in hand. His own task writes and reads: no task, no channel.
//! - `lanes`: connections that the commands of many callers share.
//! - `dialling`: opens connections for those who wait.
//! - `renewal`: and for a holder whose own ended before he had used it.
//!
//! The socket, the account of connections, the upkeep and the bounds of replies are those that all
//! backends share (`respool-connect`).

mod alarm;
mod backend;
mod clock;
mod connection;
mod dial_rate;
mod dialling;
mod handshake;
mod homes;
mod lanes;
mod messages;
mod places;
mod queue;
mod renewal;
mod shared;
mod slots;
mod timekeeper;
mod upkeep;
mod wait;
mod wire;

pub use backend::{BACKEND, CAPABILITIES, build};
