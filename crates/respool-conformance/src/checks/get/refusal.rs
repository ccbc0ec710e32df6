//! A `get` that can't succeed, and what its error must say.

use std::error::Error;
use std::time::{Duration, Instant};

use redis::{Value, cmd};
use respool_core::{
    ConnectError, ConnectErrorKind, Pool, PoolConfig, PoolError, PooledConnection, TimeoutKind,
};

use crate::check::ensure;
use crate::trial::within;
use crate::{Broken, Trial};

/// What "not a hang" means here, on top of the time that the pool was given.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);
/// Never part of an error.
const PASSWORD: &str = "sesame";

/// A failure that waiting can't mend: it is reported at once, long before `get_timeout`.
pub(super) async fn refused_at_once(trial: &Trial, url: &str) -> Result<Failure, Broken> {
    let mut config = trial.config(url);
    config.get_timeout = Some(Duration::from_secs(20));
    let pool = trial.pool(config)?;
    let what = "what waiting can't mend to be reported at once";
    match within(PATIENCE, what, refusal(&pool)).await?? {
        PoolError::Connect { source, .. } => Ok(Failure::Typed(source)),
        other if pool.is_bare() => Ok(Failure::of(other)),
        other => Err(Broken::new("a failure to connect", format!("{other:?}"))),
    }
}

/// A failure that may pass: `get` goes on until its time is up, and then carries it.
pub(super) async fn last_connect_error(
    trial: &Trial,
    url: &str,
    change: impl FnOnce(&mut PoolConfig),
) -> Result<Failure, Broken> {
    let mut config = trial.config(url);
    config.get_timeout = Some(Duration::from_millis(600));
    change(&mut config);
    let pool = trial.pool(config)?;
    match refusal(&pool).await? {
        PoolError::Timeout {
            phase: TimeoutKind::Connect,
            last_connect_error: Some(failure),
            ..
        } => Ok(Failure::Typed(failure)),
        other if pool.is_bare() => Ok(Failure::of(other)),
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
    let error = match outcome {
        Err(error) => error,
        Ok(connection) if pool.is_bare() => first_reply(connection).await?,
        Ok(_) => return Err(Broken::new("get to fail", "a connection")),
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

/// Other libraries may hand out what nothing can be done with: its first command tells why.
async fn first_reply(mut connection: PooledConnection) -> Result<PoolError, Broken> {
    let command = cmd("GET").arg("key").to_owned();
    let reply = command.query_async::<Value>(&mut connection);
    match within(PATIENCE, "a reply", reply).await? {
        Err(error) => Ok(PoolError::backend("stock", error)),
        Ok(reply) => Err(Broken::new(
            "get or its connection to fail",
            format!("{reply:?}"),
        )),
    }
}

/// Why a connection could not be had.
pub(super) enum Failure {
    Typed(ConnectError),
    /// What another library says, with all of its causes.
    InOtherWords(String),
}

impl Failure {
    pub(super) fn of(error: PoolError) -> Self {
        let mut text = String::new();
        let mut next: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(error) = next {
            text.push_str(&format!("{error}: "));
            next = error.source();
        }
        Failure::InOtherWords(text)
    }

    /// It is of this kind, and says so with this word. In other words it says so if it has any of
    /// those by which a reader could tell.
    pub(super) fn ensure_kind(&self, kind: ConnectErrorKind, word: &str) -> Result<(), Broken> {
        match self {
            Failure::Typed(failure) => ensure!(
                failure.kind() == kind && failure.to_string().contains(word),
                expected: "{kind:?}, with the word {word:?}",
                seen: "{:?}: {failure}",
                failure.kind()
            ),
            Failure::InOtherWords(text) => {
                let lower = text.to_lowercase();
                let telling = telling_words(kind);
                ensure!(
                    telling.iter().any(|word| lower.contains(word)),
                    expected: "an error that tells ({kind:?}: any of {telling:?})",
                    seen: "{text:?}"
                );
            }
        }
        Ok(())
    }

    pub(super) fn ensure_names(&self, address: &str) -> Result<(), Broken> {
        if let Failure::Typed(failure) = self {
            ensure!(
                failure.address() == address && failure.to_string().contains(address),
                expected: "an error that names {address}",
                seen: "{failure}"
            );
        }
        Ok(())
    }
}

fn telling_words(kind: ConnectErrorKind) -> &'static [&'static str] {
    match kind {
        ConnectErrorKind::Refused => &["refused"],
        ConnectErrorKind::Authentication => &["auth", "pass", "login"],
        ConnectErrorKind::TooManyClients => &["max number of clients"],
        ConnectErrorKind::NotReady => &["loading", "busy"],
        ConnectErrorKind::Setup => &["db index", "database", "select"],
        ConnectErrorKind::Protocol => &["protocol", "pars", "unexpected", "malformed", "tag"],
        ConnectErrorKind::TimedOut => &["time"],
        ConnectErrorKind::Closed => &[
            "closed",
            "eof",
            "end of file",
            "reset",
            "broken pipe",
            "disconnect",
            "dropped",
            "terminated",
            "canceled",
        ],
        _ => &["network"],
    }
}

pub(super) fn with_password(url: &str) -> String {
    url.replace("redis://", &format!("redis://:{PASSWORD}@"))
}
