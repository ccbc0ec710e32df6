use serde::Serialize;

/// What every subject is asked to do: tasks that each send a GET or SET, wait for the reply and
/// send the next.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Workload {
    pub(crate) tasks: usize,
    pub(crate) pool_size: usize,
    pub(crate) value_size: usize,
    pub(crate) read_share: f64,
    pub(crate) keys: usize,
}
