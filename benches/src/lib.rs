//! What the benches share: connections without a network, and the stock pools as subjects.

mod memory;
mod stock;

pub use memory::{MemoryDial, MemoryLink};
pub use stock::{Bb8Manager, DeadpoolManager, MobcManager};
