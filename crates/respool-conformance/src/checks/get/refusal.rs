//! A `get` that can't succeed, and what its error must say.

use std::time::{Duration, Instant};

use respool_core::{ConnectError, ConnectErrorKind, Pool, PoolConfig, PoolError, TimeoutKind};

use crate::check::ensure;
use crate::trial::within;
use crate::{Broken, Trial};

/// What "not a hang" means here, on top of the time that the pool was given.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);
/// Never part of an error.
const PASSWORD: &str = "sesame";

/// A failure that waiting can't mend: it is reported at once, long before `get_timeout`.
pub(super) async fn refused_at_once(trial: &Trial, url: &str) -> Result<ConnectError, Broken> {
    let mut config = trial.config(url);
    config.get_timeout = Some(Duration::from_secs(20));
    let pool = trial.pool(config)?;
    let what = "what waiting can't mend to be reported at once";
    match within(PATIENCE, what, refusal(&pool)).await?? {
        PoolError::Connect { source, .. } => Ok(source),
        other => Err(Broken::new("a failure to connect", format!("{other:?}"))),
    }
}

/// A failure that may pass: `get` goes on until its time is up, and then carries it.
pub(super) async fn last_connect_error(
    trial: &Trial,
    url: &str,
    change: impl FnOnce(&mut PoolConfig),
) -> Result<ConnectError, Broken> {
    let mut config = trial.config(url);
    config.get_timeout = Some(Duration::from_millis(600));
    change(&mut config);
    let pool = trial.pool(config)?;
    match refusal(&pool).await? {
        PoolError::Timeout {
            phase: TimeoutKind::Connect,
            last_connect_error: Some(failure),
            ..
        } => Ok(failure),
        other => Err(Broken::new(
            "a timeout of the connect with the last failure",
            format!("{other:?}"),
        )),
    }
}

/// The error of a `get` that can't succeed. It came in time, and without the password.
pub(super) async fn refusal(pool: &Pool) -> Result<PoolError, Broken> {
    let limit = pool.config().get_timeout.unwrap_or_default();
    let started = Instant::now();
    let outcome = within(
        limit + PATIENCE,
        "get to end within get_timeout",
        pool.get(),
    )
    .await?;
    let took = started.elapsed();
    let Err(error) = outcome else {
        return Err(Broken::new("get to fail", "a connection"));
    };
    if matches!(error, PoolError::Timeout { .. }) {
        ensure!(
            took >= limit.mul_f64(0.8),
            expected: "get to try for {limit:?}",
            seen: "{error} after {took:?}"
        );
    }
    let text = format!("{error} {error:?}");
    ensure!(!text.contains(PASSWORD), expected: "no password in the error", seen: "{text}");
    Ok(error)
}

pub(super) fn ensure_kind(
    failure: &ConnectError,
    kind: ConnectErrorKind,
    word: &str,
) -> Result<(), Broken> {
    ensure!(
        failure.kind() == kind && failure.to_string().contains(word),
        expected: "{kind:?}, with the word {word:?}",
        seen: "{:?}: {failure}",
        failure.kind()
    );
    Ok(())
}

pub(super) fn with_password(url: &str) -> String {
    url.replace("redis://", &format!("redis://:{PASSWORD}@"))
}
