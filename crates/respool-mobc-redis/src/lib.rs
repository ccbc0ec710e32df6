//! The contract of respool kept by [mobc](https://docs.rs/mobc) with the stock manager of
//! [mobc-redis](https://docs.rs/mobc-redis), for services that use it today.
//!
//! Its connections speak through redis 0.28; arguments and replies are bridged to the redis crate
//! that the contract is written in. Its sockets are out of reach, and what that
//! costs stands in [`BACKEND`]'s known failures.

mod backend;
mod bridge;
mod link;

pub use backend::{BACKEND, CAPABILITIES, build, over};
