//! Tables of figures: measurements in a process each, the subjects in turns, and targets that judge
//! them. `figures` and `shared` are two such tables; what they measure is theirs, how it is asked
//! and shown is here.

mod arguments;
mod figure;
mod process;
mod program;
mod report;
mod run;
mod setting;
mod verdict;

pub use arguments::{Asked, Hidden, Options};
pub use figure::{Bound, Figure, Good, Group, Measured, Metric, Subject, Target};
pub use process::{Problem, Process, Sample, answer, finish, last_core, pin, sample};
pub use program::Program;
pub use run::Rounds;
pub use setting::Setting;

use report::{json, markdown};
use run::{Results, Spread, rounds};
use setting::locked;
use verdict::{Judged, Verdict, judge};
