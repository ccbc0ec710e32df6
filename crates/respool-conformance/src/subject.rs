use std::fmt;
use std::sync::Arc;

use respool_core::{BackendEntry, BackendInfo, Pool, PoolConfig, PoolError};

/// What checks are put to: a backend, or a mutant of one.
#[derive(Clone)]
pub struct Subject {
    /// Its name in reports.
    pub name: String,
    /// What it is, with what it is known not to keep.
    pub info: BackendInfo,
    build: Arc<dyn Fn(PoolConfig) -> Result<Pool, PoolError> + Send + Sync>,
}

impl Subject {
    /// A subject whose pools `build` makes.
    pub fn new(
        name: impl Into<String>,
        info: BackendInfo,
        build: impl Fn(PoolConfig) -> Result<Pool, PoolError> + Send + Sync + 'static,
    ) -> Self {
        Subject {
            name: name.into(),
            info,
            build: Arc::new(build),
        }
    }

    /// Builds a pool of it.
    ///
    /// # Errors
    ///
    /// [`PoolError::Config`], when it refuses the settings.
    pub fn pool(&self, config: PoolConfig) -> Result<Pool, PoolError> {
        (self.build)(config)
    }
}

impl From<BackendEntry> for Subject {
    fn from(entry: BackendEntry) -> Self {
        Subject::new(entry.info.name, entry.info, entry.build)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("name", &self.name)
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}
