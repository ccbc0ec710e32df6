use respool::redis::RedisError;
use respool::{CommandError, ConnectErrorKind, PoolError};

/// Why an operation failed, by kind.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) kind: String,
    /// Whether faults of the server or the network can be its cause.
    pub(super) is_expected: bool,
    pub(super) text: String,
}

impl From<PoolError> for Trouble {
    fn from(error: PoolError) -> Self {
        let (kind, is_expected) = of_pool(&error);
        Trouble {
            kind,
            is_expected,
            text: error.to_string(),
        }
    }
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        let text = error.to_string();
        let (kind, is_expected) = if let Some(error) = PoolError::find_in(&error) {
            of_pool(error)
        } else if let Some(command) = CommandError::find_in(&error) {
            let kind = match command.may_have_been_executed() {
                _ if text.contains("protocol error") => "command: protocol error",
                true if error.is_timeout() => "command: no reply",
                true => "command: connection lost",
                false => "command: not sent",
            };
            (kind.to_owned(), !kind.ends_with("protocol error"))
        } else if let Some(code) = error.code() {
            (format!("server: {code}"), code == "LOADING")
        } else {
            (format!("unexplained: {:?}", error.kind()), false)
        };
        Trouble {
            kind,
            is_expected,
            text,
        }
    }
}

fn of_pool(error: &PoolError) -> (String, bool) {
    match error {
        PoolError::Timeout { phase, .. } => (format!("get: timed out ({phase})"), true),
        PoolError::Connect { source, .. } => (
            format!("get: connect ({:?})", source.kind()),
            !source.is_permanent() && source.kind() != ConnectErrorKind::TooManyClients,
        ),
        PoolError::Closed => ("get: closed".to_owned(), false),
        PoolError::NoRuntime => ("get: no runtime".to_owned(), false),
        PoolError::Unsupported { .. } => ("unsupported".to_owned(), false),
        _ => ("get: other".to_owned(), false),
    }
}
