//! The contract of respool kept by [deadpool](https://docs.rs/deadpool): deadpool queues callers and
//! stores idle connections, with a manager of ours on today's redis crate.

mod backend;
mod slots;

pub use backend::{BACKEND, CAPABILITIES, build, over};
