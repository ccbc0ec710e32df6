//! What the benches share: connections without a network, the stock pools as subjects, and what
//! makes a table of figures.

mod crowd;
mod memory;
mod resident;
mod stock;
pub mod table;

pub use crowd::{Crowd, crowd};
pub use memory::{MemoryDial, MemoryLink};
pub use resident::{high_water_mark, resident};
pub use stock::{Bb8Manager, DeadpoolManager, MobcManager};
