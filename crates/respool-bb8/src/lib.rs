//! The contract of respool kept by [bb8](https://docs.rs/bb8): bb8 stores idle connections, with a
//! manager of ours on today's redis crate. A fair queue stands in front of it.

mod backend;
mod slots;

pub use backend::{BACKEND, CAPABILITIES, build, over};
