use std::fmt;
use std::time::Duration;

use super::{ConnectError, PoolError, TimeoutKind};
use crate::Status;
use crate::config::Written;

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolError::Timeout {
                phase,
                waited,
                status,
                last_connect_error,
            } => f.write_str(&timeout_text(
                phase,
                waited,
                status,
                last_connect_error.as_ref(),
            )),
            PoolError::Connect { source } => source.fmt(f),
            PoolError::Closed => f.write_str("the pool is closed"),
            PoolError::Unsupported {
                operation,
                backend,
                remedy,
            } => write!(
                f,
                "{operation} is not possible here (backend {backend}): {remedy}"
            ),
            PoolError::Config { field, reason } => write!(f, "{field}: {reason}"),
            PoolError::NoRuntime => f.write_str(
                "no tokio runtime is running here: take connections inside one, for example in \
                 #[tokio::main] or Runtime::block_on",
            ),
            PoolError::Backend { backend, source } => write!(f, "backend {backend}: {source}"),
        }
    }
}

fn timeout_text(
    phase: &TimeoutKind,
    waited: &Duration,
    status: &Status,
    last_connect_error: Option<&ConnectError>,
) -> String {
    let waited = Written(Duration::from_millis(
        waited.as_millis().try_into().unwrap_or(u64::MAX),
    ));
    let what = match (phase, last_connect_error) {
        (TimeoutKind::Wait, _) => {
            "every connection stayed in use; hold them for less time or raise max_size".to_owned()
        }
        (TimeoutKind::Connect, Some(error)) => error.to_string(),
        (TimeoutKind::Connect, None) => "a new connection took too long to open".to_owned(),
        (TimeoutKind::Check, _) => "an idle connection did not answer its check".to_owned(),
        (TimeoutKind::Room, _) => {
            "the connections that clients share are full of commands that the \
             server has not answered; ask for less at once"
                .to_owned()
        }
    };
    let mut text = format!("no connection after {waited}: {what}; {status}");
    if *phase != TimeoutKind::Connect
        && let Some(error) = last_connect_error
    {
        text.push_str(&format!("; last failure: {error}"));
    }
    text
}
