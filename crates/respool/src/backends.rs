use respool_core::{BackendEntry, Pool, PoolConfig, PoolError};

/// One line a backend: its cargo feature, which is its name, and its crate.
macro_rules! backends {
    ($($feature:literal => $backend:ident,)*) => {
        /// The backends that are compiled in, the default one first. Each has a cargo feature of
        /// its name.
        pub fn backends() -> &'static [BackendEntry] {
            &[$(#[cfg(feature = $feature)] $backend::BACKEND,)*]
        }

        /// The names of all there are, compiled in or not.
        const NAMES: &[&str] = &[$($feature,)*];
    };
}

backends! {
    "native" => respool_native,
    "mobc" => respool_mobc,
    "deadpool" => respool_deadpool,
    "bb8" => respool_bb8,
    "multiplexed" => respool_multiplexed,
    "mobc-redis" => respool_mobc_redis,
}

/// Builds a pool and opens its first connection, so that a wrong address or password shows here.
///
/// `url` is `redis://[user:password@]host[:port][/database]`, with any setting of [`PoolConfig`] as a
/// parameter: `redis://localhost?max_size=20&backend=multiplexed`.
///
/// While nobody listens there it tries again until `get_timeout` (5 s), as every `get` does, so that
/// a service may start before its Redis. With `get_timeout=none` it goes on for as long as it takes, and
/// a wrong address never shows. Dropping the future ends the pool.
///
/// # Errors
///
/// [`PoolError::Config`] for a wrong URL or setting, [`PoolError::Connect`] for a refused login and
/// the like, [`PoolError::Timeout`] with the last failure for a server that can't be reached,
/// [`PoolError::NoRuntime`] outside a tokio runtime.
pub async fn connect(url: impl AsRef<str>) -> Result<Pool, PoolError> {
    let pool = build(PoolConfig::from_url(url.as_ref())?)?;
    pool.get().await?;
    Ok(pool)
}

/// Builds a pool. Opens no connection and needs no runtime: the first `get` does both. Only
/// connections that `min_idle` asks for are opened at once, in the background, where there is a
/// runtime.
///
/// # Errors
///
/// [`PoolError::Config`], which names the setting. A backend that is not there is answered with a
/// list of those that are.
pub fn build(config: PoolConfig) -> Result<Pool, PoolError> {
    let entry = choose(config.backend.as_deref())?;
    (entry.build)(config)
}

fn choose(name: Option<&str>) -> Result<&'static BackendEntry, PoolError> {
    let found = match name {
        None => backends().first(),
        Some(name) => backends().iter().find(|entry| entry.info.name == name),
    };
    found.ok_or_else(|| {
        let compiled_in: Vec<_> = backends().iter().map(|entry| entry.info.name).collect();
        let compiled_in = match compiled_in.as_slice() {
            [] => "none is".to_owned(),
            names => format!("{} are", names.join(", ")),
        };
        let asked = match name {
            Some(name) => format!("{name:?} is not compiled in, {compiled_in}"),
            None => format!("{compiled_in} compiled in"),
        };
        let all = NAMES.join(", ");
        PoolError::config(
            "backend",
            format!("{asked}; respool has a cargo feature for each of {all}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_backend_is_answered_with_those_that_are_there() {
        let mut config = PoolConfig::default();
        config.backend = Some("bb9".to_owned());
        let error = build(config).unwrap_err().to_string();
        assert!(
            error.contains("backend: \"bb9\" is not compiled in"),
            "{error}"
        );
        for entry in backends() {
            assert!(error.contains(entry.info.name), "{error}");
        }
    }
}
