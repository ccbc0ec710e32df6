use std::sync::{Mutex, PoisonError};

use respool_core::{Pool, PoolConfig, PoolError};

use crate::build;

static SHARED: Mutex<Option<Pool>> = Mutex::new(None);

/// The pool of this process, built on first use from the environment: `REDIS_URL`,
/// `REDIS_POOL_SIZE` (10), `REDIS_POOL_BACKEND` and the others of [`PoolConfig::from_env`].
///
/// It belongs to no runtime: tests that each run a runtime of their own, and threads with one each,
/// all share it. It opens no connection before the first `get`, except those that `REDIS_POOL_MIN_IDLE`
/// asks for, in the background, where the call that builds it is made inside a runtime. Once it was
/// [closed](Pool::close), the next call builds another.
///
/// # Errors
///
/// [`PoolError::Config`], which names the variable, or the URL's parameter. Nothing is remembered of a
/// failure: the next call reads the environment anew.
pub fn shared() -> Result<Pool, PoolError> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pool) = shared.as_ref().filter(|pool| !pool.status().is_closed) {
        return Ok(pool.clone());
    }
    let pool = build(PoolConfig::from_env()?).map_err(PoolConfig::in_variables)?;
    let before = shared.replace(pool.clone());
    drop(shared);
    drop(before);
    Ok(pool)
}
