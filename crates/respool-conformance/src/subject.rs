use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use respool_core::{BackendEntry, BackendInfo, Pool, PoolConfig, PoolError};

use crate::Nature;

/// How long one check may take. They take seconds; this is for those that hang.
const LIMIT: Duration = Duration::from_secs(60);

/// What checks are put to: a backend, or a mutant of one.
#[derive(Clone)]
pub struct Subject {
    /// Its name in reports.
    pub name: String,
    /// What it is, with what it is known not to keep.
    pub info: BackendInfo,
    nature: Nature,
    limit: Duration,
    build: Build,
    build_showing: Build,
}

type Build = Arc<dyn Fn(PoolConfig) -> Result<Pool, PoolError> + Send + Sync>;

impl Subject {
    /// A subject whose pools `build` makes.
    pub fn new(
        name: impl Into<String>,
        info: BackendInfo,
        build: impl Fn(PoolConfig) -> Result<Pool, PoolError> + Send + Sync + 'static,
    ) -> Self {
        let build: Build = Arc::new(build);
        Subject {
            name: name.into(),
            info,
            nature: Nature::OURS,
            limit: LIMIT,
            build_showing: build.clone(),
            build,
        }
    }

    /// The same subject, of another nature than a backend of ours.
    #[must_use]
    pub fn of_nature(mut self, nature: Nature) -> Self {
        self.nature = nature;
        self
    }

    /// The same subject, whose pools for the rules about figures are others: those whose `Status`
    /// is the subject's own account of itself, and not that of an adapter for checks to steer by.
    #[must_use]
    pub fn showing(
        mut self,
        build: impl Fn(PoolConfig) -> Result<Pool, PoolError> + Send + Sync + 'static,
    ) -> Self {
        self.build_showing = Arc::new(build);
        self
    }

    /// The same subject, with another limit for each check.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// What it is, as far as rules depend on it.
    pub fn nature(&self) -> Nature {
        self.nature
    }

    /// How long one check may take with it.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Builds a pool of it.
    ///
    /// # Errors
    ///
    /// [`PoolError::Config`], when it refuses the settings.
    pub fn pool(&self, config: PoolConfig) -> Result<Pool, PoolError> {
        (self.build)(config)
    }

    /// Builds a pool whose `Status` is the subject's own account of itself.
    ///
    /// # Errors
    ///
    /// As [`pool`](Subject::pool).
    pub fn pool_showing_itself(&self, config: PoolConfig) -> Result<Pool, PoolError> {
        (self.build_showing)(config)
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
