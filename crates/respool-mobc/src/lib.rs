//! The contract of respool kept by [mobc](https://docs.rs/mobc): mobc queues callers and stores
//! idle connections, with a manager of ours on today's redis crate.

mod backend;

pub use backend::{BACKEND, CAPABILITIES, build, over};
