use tokio::runtime::{self, Handle};
use tokio::task;

use crate::PoolError;

/// Which runtime whoever asks is on, remembered for as long as it is the same task: a task stays on
/// its runtime, and asking for its number costs next to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Whereabouts {
    task: Option<task::Id>,
    runtime: Option<runtime::Id>,
}

impl Whereabouts {
    /// The runtime of the caller.
    ///
    /// # Errors
    ///
    /// [`PoolError::NoRuntime`].
    #[inline]
    pub fn runtime(&mut self) -> Result<runtime::Id, PoolError> {
        let task = task::try_id();
        match self.runtime {
            Some(runtime) if task.is_some() && task == self.task => Ok(runtime),
            _ => self.look(task),
        }
    }

    fn look(&mut self, task: Option<task::Id>) -> Result<runtime::Id, PoolError> {
        let here = Handle::try_current().map_err(|_| PoolError::NoRuntime)?;
        self.task = task;
        self.runtime = Some(here.id());
        Ok(here.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::runtime::Builder;

    #[test]
    fn a_client_that_moves_is_found_again() {
        let runtimes = [(); 2].map(|()| Builder::new_current_thread().build().unwrap());
        let mut whereabouts = Whereabouts::default();
        assert!(whereabouts.runtime().is_err());
        for runtime in runtimes.iter().chain(&runtimes) {
            let mut moved = whereabouts;
            let seen = runtime.block_on(async { whereabouts.runtime() });
            assert_eq!(seen.unwrap(), runtime.handle().id());
            let in_task = runtime.spawn(async move { (moved.runtime(), moved.runtime()) });
            let (first, second) = runtime.block_on(in_task).unwrap();
            assert_eq!(first.unwrap(), runtime.handle().id());
            assert_eq!(second.unwrap(), runtime.handle().id());
        }
    }
}
