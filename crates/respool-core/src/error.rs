mod circumstance;
mod words;

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;

use crate::{Endpoint, Status};
use circumstance::{Circumstance, is_unknown_name};

/// Why a connection, or something else that was asked of a pool, could not be had.
///
/// It says what could not be had, and keeps the cause: a refused connection or login is never
/// reported as a bare time-out (rule GET-3). It names the backend where another might have done
/// better. It converts into [`redis::RedisError`], so that `?` works in code that returns
/// `RedisResult`; [`PoolError::find_in`] gets it back from there.
#[derive(Clone, Debug)]
// A tag as wide as what follows: a `Result` with it is otherwise copied at odd offsets, where the
// processor waits for its own stores.
#[repr(u64)]
#[non_exhaustive]
pub enum PoolError {
    /// `get_timeout` ran out.
    #[non_exhaustive]
    Timeout {
        /// Which wait ran out.
        phase: TimeoutKind,
        /// How long the caller waited.
        waited: Duration,
        /// The pool at that moment. Boxed, so that a `Result` stays small.
        status: Box<Status>,
        /// The last failure to connect, when one happened since the last success.
        last_connect_error: Option<ConnectError>,
    },
    /// A connection could not be opened, and trying again soon would not help.
    #[non_exhaustive]
    Connect {
        /// What went wrong, and where.
        source: ConnectError,
    },
    /// The pool was closed.
    Closed,
    /// The operation can't be done this way by this backend.
    #[non_exhaustive]
    Unsupported {
        /// What was asked for, such as `SUBSCRIBE`.
        operation: String,
        /// The backend's name.
        backend: &'static str,
        /// What to do instead.
        remedy: &'static str,
    },
    /// A setting is wrong.
    #[non_exhaustive]
    Config {
        /// The setting as the user spelled it: a field, a URL parameter or a variable.
        field: String,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// The call was made outside a tokio runtime.
    NoRuntime,
    /// The wrapped pool failed in a way of its own.
    #[non_exhaustive]
    Backend {
        /// The backend's name.
        backend: &'static str,
        /// What it reported.
        source: Arc<dyn Error + Send + Sync>,
    },
}

impl PoolError {
    /// `get_timeout` ran out in `phase`. For authors of backends.
    pub fn timeout(
        phase: TimeoutKind,
        waited: Duration,
        status: Status,
        last_connect_error: Option<ConnectError>,
    ) -> Self {
        PoolError::Timeout {
            phase,
            waited,
            status: Box::new(status),
            last_connect_error,
        }
    }

    /// `operation` can't be done by `backend`; `remedy` says what to do instead.
    pub fn unsupported(
        operation: impl Into<String>,
        backend: &'static str,
        remedy: &'static str,
    ) -> Self {
        PoolError::Unsupported {
            operation: operation.into(),
            backend,
            remedy,
        }
    }

    /// The setting `field` is wrong because of `reason`.
    pub fn config(field: impl Into<String>, reason: impl Into<String>) -> Self {
        PoolError::Config {
            field: field.into(),
            reason: reason.into(),
        }
    }

    /// The wrapped pool of `backend` failed with `source`.
    pub fn backend(backend: &'static str, source: impl Error + Send + Sync + 'static) -> Self {
        PoolError::Backend {
            backend,
            source: Arc::new(source),
        }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            PoolError::Timeout { .. } => true,
            PoolError::Connect { source } => !source.is_permanent(),
            PoolError::Backend { .. } => false,
            PoolError::Closed
            | PoolError::Unsupported { .. }
            | PoolError::Config { .. }
            | PoolError::NoRuntime => false,
        }
    }

    /// The pool error that `error` was made from, if it was.
    ///
    /// ```
    /// use respool_core::PoolError;
    /// let error = redis::RedisError::from(PoolError::Closed);
    /// assert!(matches!(PoolError::find_in(&error), Some(PoolError::Closed)));
    /// ```
    pub fn find_in(error: &RedisError) -> Option<&PoolError> {
        find_cause(error)
    }
}

impl Error for PoolError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            PoolError::Timeout {
                last_connect_error: Some(error),
                ..
            } => Some(error),
            PoolError::Connect { source } => Some(source),
            PoolError::Backend { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<ConnectError> for PoolError {
    fn from(source: ConnectError) -> Self {
        PoolError::Connect { source }
    }
}

impl From<PoolError> for RedisError {
    fn from(error: PoolError) -> Self {
        let kind = match &error {
            PoolError::Timeout { .. } => io::ErrorKind::TimedOut,
            PoolError::Connect { source } => source.io_kind(),
            PoolError::Closed => io::ErrorKind::NotConnected,
            PoolError::Unsupported { .. } => io::ErrorKind::Unsupported,
            PoolError::Config { .. } => io::ErrorKind::InvalidInput,
            PoolError::NoRuntime | PoolError::Backend { .. } => io::ErrorKind::Other,
        };
        io::Error::new(kind, error).into()
    }
}

/// Which part of a `get` ran out of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeoutKind {
    /// Every connection was in use.
    Wait,
    /// A connection was being opened.
    Connect,
    /// A connection was being checked before it was handed out.
    Check,
    /// What clients share had no room for one command more ([`Client`](crate::Client) only).
    Room,
}

impl fmt::Display for TimeoutKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TimeoutKind::Wait => "wait",
            TimeoutKind::Connect => "connect",
            TimeoutKind::Check => "check",
            TimeoutKind::Room => "room",
        })
    }
}

/// A failure to open a connection: where, what kind, and the cause. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ConnectError {
    address: Arc<str>,
    kind: ConnectErrorKind,
    circumstance: Circumstance,
    cause: Arc<dyn Error + Send + Sync>,
}

impl ConnectError {
    /// The failure `error` of connecting to `address`, which must contain no secret.
    pub fn new(address: impl Into<Arc<str>>, error: RedisError) -> Self {
        let kind = ConnectErrorKind::of(&error);
        ConnectError {
            address: address.into(),
            kind,
            circumstance: Circumstance::of(kind, &error),
            cause: Arc::new(error),
        }
    }

    /// The failure `error` of connecting to `endpoint`, of which it can say more than
    /// [`new`](ConnectError::new). Some servers repeat what they don't understand, and that may be
    /// the login: such words are left out.
    pub fn at(endpoint: &Endpoint, error: RedisError) -> Self {
        let kind = ConnectErrorKind::of(&error);
        ConnectError {
            address: endpoint.to_string().into(),
            kind,
            circumstance: Circumstance::at(endpoint, kind, &error),
            cause: Arc::new(endpoint.without_secret(error)),
        }
    }

    /// The server at `endpoint` was spoken to plainly and answered by TLS, which came to `error`.
    pub fn speaks_tls(endpoint: &Endpoint, error: RedisError) -> Self {
        ConnectError {
            kind: ConnectErrorKind::Protocol,
            circumstance: Circumstance::SpeaksTls,
            ..ConnectError::at(endpoint, error)
        }
    }

    /// TLS with the server at `endpoint` failed for `cause`, in words, and would fail again.
    pub fn tls(endpoint: &Endpoint, cause: impl Error + Send + Sync + 'static) -> Self {
        ConnectError {
            address: endpoint.to_string().into(),
            kind: ConnectErrorKind::Tls,
            circumstance: Circumstance::Plain,
            cause: Arc::new(cause),
        }
    }

    /// Connecting to `address` took longer than `limit`.
    pub fn timed_out(address: impl Into<Arc<str>>, limit: Duration) -> Self {
        ConnectError {
            address: address.into(),
            kind: ConnectErrorKind::TimedOut,
            circumstance: Circumstance::Plain,
            cause: Arc::new(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no answer within connect_timeout ({limit:?})"),
            )),
        }
    }

    /// Host and port, or the path of a Unix socket.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> ConnectErrorKind {
        self.kind
    }

    /// Whether dialling again would give the same answer until somebody changes a setting:
    /// a refused login, a database that doesn't exist, a server that doesn't speak Redis, a
    /// certificate that isn't trusted.
    pub fn is_permanent(&self) -> bool {
        match self.kind {
            ConnectErrorKind::Authentication
            | ConnectErrorKind::Protocol
            | ConnectErrorKind::Tls
            | ConnectErrorKind::Setup => true,
            ConnectErrorKind::Refused
            | ConnectErrorKind::TooManyClients
            | ConnectErrorKind::NotReady
            | ConnectErrorKind::TimedOut
            | ConnectErrorKind::Closed
            | ConnectErrorKind::Network => false,
        }
    }

    fn io_kind(&self) -> io::ErrorKind {
        match self.kind {
            ConnectErrorKind::Refused => io::ErrorKind::ConnectionRefused,
            ConnectErrorKind::Authentication => io::ErrorKind::PermissionDenied,
            ConnectErrorKind::TimedOut => io::ErrorKind::TimedOut,
            ConnectErrorKind::Closed => io::ErrorKind::ConnectionReset,
            ConnectErrorKind::Protocol | ConnectErrorKind::Tls => io::ErrorKind::InvalidData,
            ConnectErrorKind::TooManyClients
            | ConnectErrorKind::NotReady
            | ConnectErrorKind::Setup
            | ConnectErrorKind::Network => io::ErrorKind::Other,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "could not connect to {}: {} ({})",
            self.address,
            self.circumstance.remedy(self.kind),
            self.cause
        )
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

/// What kind of failure kept a connection from being opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// Nobody listens there.
    Refused,
    /// The server wants a user or password, or refused the one given; or it has none, and takes only
    /// local clients for that (protected mode).
    Authentication,
    /// The server is at its client limit.
    TooManyClients,
    /// The server is loading its data, busy with a script, or can't serve now for a like reason.
    NotReady,
    /// The server refused another step of the handshake, such as SELECT.
    Setup,
    /// What answered doesn't speak the Redis protocol.
    Protocol,
    /// TLS failed: the server's certificate isn't trusted or is for another name, the server asks for
    /// one that it wasn't given, or it speaks no TLS.
    Tls,
    /// No answer came within `connect_timeout`.
    TimedOut,
    /// The other side closed the connection during the handshake.
    Closed,
    /// Another failure of the network or of name resolution.
    Network,
}

impl ConnectErrorKind {
    fn of(error: &RedisError) -> Self {
        use redis::ErrorKind;
        let text = error.to_string();
        if text.contains("max number of clients") {
            return ConnectErrorKind::TooManyClients;
        }
        let code = error.code().unwrap_or_default();
        // NOPERM is none of a login: whoever hears it has one, and not the right to SELECT, say.
        if matches!(code, "NOAUTH" | "WRONGPASS" | "DENIED")
            || error.kind() == ErrorKind::AuthenticationFailed
            || ["NOAUTH", "WRONGPASS", "invalid password"]
                .iter()
                .any(|word| text.contains(word))
        {
            return ConnectErrorKind::Authentication;
        }
        // The redis crate keeps the words of what SELECT was refused for, and not its code.
        if matches!(
            code,
            "BUSY" | "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN"
        ) || text.contains(" is busy running a ")
        {
            return ConnectErrorKind::NotReady;
        }
        match error.kind() {
            ErrorKind::Parse => ConnectErrorKind::Protocol,
            ErrorKind::Server(_)
            | ErrorKind::Extension
            | ErrorKind::InvalidClientConfig
            | ErrorKind::UnexpectedReturnType
            | ErrorKind::RESP3NotSupported => ConnectErrorKind::Setup,
            _ if is_unknown_name(error) => ConnectErrorKind::Network,
            _ if error.is_connection_refusal() => ConnectErrorKind::Refused,
            _ if error.is_timeout() => ConnectErrorKind::TimedOut,
            _ if error.is_connection_dropped() => ConnectErrorKind::Closed,
            _ => ConnectErrorKind::Network,
        }
    }
}

/// The `T` that a `RedisError` was made from through an `io::Error`.
pub(crate) fn find_cause<T: Error + 'static>(error: &RedisError) -> Option<&T> {
    io_error(error)?.get_ref()?.downcast_ref::<T>()
}

/// The `io::Error` that a `RedisError` was made from.
///
/// `RedisError::source` gives the `Arc` around the cause rather than the cause, so that the plain
/// walk along `source()` finds nothing.
fn io_error(error: &RedisError) -> Option<&io::Error> {
    let source = error.source()?;
    match source.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
        Some(shared) => shared.downcast_ref::<io::Error>(),
        None => source.downcast_ref::<io::Error>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_error_survives_the_way_through_a_redis_error() {
        let error = RedisError::from(PoolError::unsupported("SUBSCRIBE", "mobc", "use get()"));
        assert!(matches!(
            PoolError::find_in(&error),
            Some(PoolError::Unsupported { operation, .. }) if operation == "SUBSCRIBE"
        ));
        assert!(error.to_string().contains("use get()"), "{error}");
    }

    #[test]
    fn a_server_that_repeats_the_login_is_not_quoted() {
        let endpoint = Endpoint::new("redis://app:hunter2@127.0.0.1:1").unwrap();
        for (detail, shown) in [
            (
                "unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `app`, `hun",
                "HELLO",
            ),
            ("who says hunter2?", "who says ***?"),
        ] {
            let error = redis::make_extension_error("ERR".to_owned(), Some(detail.to_owned()));
            let error = ConnectError::at(&endpoint, error);
            let text = format!("{error} {error:?}");
            assert!(text.contains(shown) && !text.contains("hun"), "{text}");
        }
    }

    fn failure(url: &str, error: RedisError) -> ConnectError {
        ConnectError::at(&Endpoint::new(url).unwrap(), error)
    }

    fn refusal(code: &str, detail: &str) -> RedisError {
        redis::make_extension_error(code.to_owned(), Some(detail.to_owned()))
    }

    #[test]
    fn protected_mode_is_no_refused_login() {
        let denied = refusal("DENIED", "Redis is running in protected mode because ...");
        let error = failure("redis://10.0.0.7", denied);
        let text = error.to_string();
        assert!(error.is_permanent(), "{text}");
        assert!(text.contains(": protected mode: "), "{text}");
        assert!(!text.contains("login"), "{text}");
    }

    #[test]
    fn a_missing_password_is_told_from_a_wrong_one() {
        let wanted = || refusal("NOAUTH", "Authentication required.");
        let missing = failure("redis://127.0.0.1", wanted()).to_string();
        assert!(missing.contains("the URL has none"), "{missing}");
        let wrong = failure("redis://:hunter2@127.0.0.1", wanted()).to_string();
        assert!(wrong.contains("the login was refused"), "{wrong}");
    }

    #[test]
    fn what_may_want_tls_is_asked_whether_it_does_unless_it_had_it() {
        let reset = || RedisError::from(io::Error::from(io::ErrorKind::ConnectionReset));
        let no_resp = || RedisError::from((redis::ErrorKind::Parse, "what it says is not RESP"));
        for (error, words) in [
            (reset(), "closed the connection at once; does it want TLS"),
            (no_resp(), "not a Redis server; does it want TLS"),
        ] {
            let text = failure("redis://127.0.0.1", error).to_string();
            assert!(text.contains(words), "{text}");
        }
        let config = crate::PoolConfig::from_url("rediss://127.0.0.1").unwrap();
        let text = ConnectError::at(&config.endpoint, reset()).to_string();
        assert!(!text.contains("does it want TLS"), "{text}");
        let error = ConnectError::speaks_tls(&Endpoint::default(), no_resp());
        assert!(error.is_permanent());
        assert!(error.to_string().contains("use rediss://"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_path_at_which_nobody_listens_is_no_port() {
        let absent = io::Error::from(io::ErrorKind::NotFound).into();
        let text = failure("redis+unix:///run/redis.sock", absent).to_string();
        assert!(text.contains("is the path right?"), "{text}");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_short_on_this_machine_is_not_put_down_to_the_network() {
        for (number, words) in [(24, "ulimit -n"), (23, "this machine")] {
            let error = io::Error::from_raw_os_error(number).into();
            let text = failure("redis://127.0.0.1", error).to_string();
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn a_name_without_an_address_is_told_as_such() {
        for (kind, words) in [
            (
                io::ErrorKind::Other,
                "failed to lookup address information: Name or service not known",
            ),
            (io::ErrorKind::NotFound, "the name has no address"),
        ] {
            let error = failure("redis://nowhere", io::Error::new(kind, words).into());
            assert_eq!(error.kind(), ConnectErrorKind::Network);
            let text = error.to_string();
            assert!(text.contains("can't be resolved"), "{text}");
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn a_timeout_says_why_it_could_not_connect() {
        let refused = ConnectError::new(
            "127.0.0.1:1",
            io::Error::from(io::ErrorKind::ConnectionRefused).into(),
        );
        let error = PoolError::timeout(
            TimeoutKind::Connect,
            Duration::from_millis(1500),
            Status::default(),
            Some(refused),
        );
        let text = error.to_string();
        assert!(
            text.contains("127.0.0.1:1") && text.contains("refused"),
            "{text}"
        );
        assert!(text.contains("1s 500ms"), "{text}");
    }
}
