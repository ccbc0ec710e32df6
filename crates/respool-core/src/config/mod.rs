mod endpoint;
mod environment;
#[cfg(feature = "serde")]
mod from_serde;
mod push_handler;
mod settings;
#[cfg(test)]
mod tests;
mod time;

use std::path::PathBuf;
use std::time::Duration;

pub use endpoint::Endpoint;
pub use push_handler::PushHandler;
pub(crate) use time::Written;

use crate::PoolError;

/// What a pool is built from: in code, from a URL with parameters, from serde, or from the
/// environment. Wrong values are refused by field name when they are read or when the pool is
/// built, never later.
///
/// ```
/// use std::time::Duration;
/// use respool_core::PoolConfig;
///
/// let mut config = PoolConfig::from_url("redis://127.0.0.1:6379/0?max_size=20&idle_timeout=none")?;
/// config.get_timeout = Some(Duration::from_secs(1));
/// assert_eq!(config.max_size, 20);
/// # Ok::<(), respool_core::PoolError>(())
/// ```
///
/// As text, a time has a unit (`500ms`, `2s`, `1m 30s`), and `none` means without limit; zero never
/// does. The names of the fields serve as URL parameters, as variables ([`PoolConfig::from_env`]) and, with
/// the cargo feature `serde`, as keys for serde. Two are fields only: `endpoint`, which is the URL itself,
/// `REDIS_URL`, or the key `url`; and `on_push`, which can't be text.
///
/// The runtime that uses a pool needs tokio's I/O and its timer: `enable_all`, as with `#[tokio::main]`.
///
/// # TLS
///
/// A URL that begins with `rediss://` (or `valkeys://`) means TLS 1.2 or 1.3, for which respool has
/// the cargo feature `tls`; the backend `mobc-redis` can't. The server's certificate is always
/// verified: against what this machine trusts, or against `tls_ca` alone, and for the URL's host or
/// `tls_server_name`. There is no way to switch that off. `tls_cert` and `tls_key` are for servers
/// that ask for a certificate themselves (Redis does unless it has `tls-auth-clients no`). The files
/// are read once, when the pool is built.
///
/// ```
/// use respool_core::PoolConfig;
///
/// let config = PoolConfig::from_url("rediss://10.0.0.7:6380?tls_ca=/etc/redis/ca.pem&tls_server_name=cache")?;
/// assert!(config.endpoint.is_tls());
/// # Ok::<(), respool_core::PoolError>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "from_serde::Settings"))]
#[non_exhaustive]
pub struct PoolConfig {
    /// Where the server is and how to log in. Default: `redis://127.0.0.1:6379/0`.
    pub endpoint: Endpoint,
    /// The most connections open at once, those being opened included. Default 10.
    pub max_size: usize,
    /// The most connections that [`Client`](crate::Client)s share all the time, for backends with lanes:
    /// one for each runtime that asks, and with `native` a second one where much is asked at once, so that
    /// the server and the callers needn't wait for each other. Default: half of `max_size`, at least one, so
    /// that as many are left for `get`. With 1 as little as possible is left to several connections, which
    /// spares a server that has no time to lose. Beside them others are opened while large values travel, as
    /// far as nobody else wants their slots.
    pub lanes: Option<usize>,
    /// Connections kept ready even without demand. Default 0.
    pub min_idle: usize,
    /// The total deadline of `get`. Default 5 s; `None` waits for as long as it takes.
    pub get_timeout: Option<Duration>,
    /// The deadline of one attempt to connect and log in. Default 2 s; `None` leaves it to the
    /// operating system and `get_timeout`.
    pub connect_timeout: Option<Duration>,
    /// How long a command waits for its reply, on top of its own time-out if it blocks. Default
    /// 3 s; `None`, or more than twelve days, waits for as long as it takes.
    pub response_timeout: Option<Duration>,
    /// A connection that was idle for longer is replaced. Default 10 min; `None` never.
    pub idle_timeout: Option<Duration>,
    /// A connection that is older is replaced. Default 1 h; `None` never.
    pub max_lifetime: Option<Duration>,
    /// How much of `max_lifetime` chance may take off, so that connections opened together don't
    /// end together: 0.0 to 1.0. Default 0.1.
    pub max_lifetime_jitter: f64,
    /// A connection that was idle for longer is probed with a PING before it is handed out. Default
    /// 30 s; `None` never probes.
    pub validate_after: Option<Duration>,
    /// The backend by name. `None` leaves the choice to the facade.
    pub backend: Option<String>,
    /// What the connections are called at the server (CLIENT LIST shows it). Default: nothing. Printable
    /// ASCII without spaces, as the server wants it.
    pub client_name: Option<String>,
    /// Called with each message that a server pushes by RESP3 while a connection is
    /// held or shared, and read: what came to a subscription, an invalidated key; not what confirms a
    /// subscription. The stream of messages has them too. In code only; it needs `protocol=resp3` in the URL
    /// and [`Capabilities::messages`](crate::Capabilities::messages). Default: nothing is called.
    pub on_push: Option<PushHandler>,
    /// A PEM file with the CAs to trust instead of those that this machine trusts.
    pub tls_ca: Option<PathBuf>,
    /// A PEM file with the certificate that is shown to the server, its issuers after it.
    pub tls_cert: Option<PathBuf>,
    /// A PEM file with the private key of `tls_cert`, not encrypted.
    pub tls_key: Option<PathBuf>,
    /// The name that the server's certificate must be for, which is also sent to the server. Default:
    /// the host of the URL.
    pub tls_server_name: Option<String>,
}

impl PoolConfig {
    /// How many connections are shared all the time where up to `max_size` may be open: `lanes`, or
    /// its default.
    pub fn lanes_of(&self, max_size: usize) -> usize {
        self.lanes.unwrap_or(max_size / 2).clamp(1, max_size.max(1))
    }

    /// The defaults, for the server at `endpoint`.
    pub fn new(endpoint: Endpoint) -> Self {
        PoolConfig {
            endpoint,
            max_size: 10,
            lanes: None,
            min_idle: 0,
            get_timeout: Some(Duration::from_secs(5)),
            connect_timeout: Some(Duration::from_secs(2)),
            response_timeout: Some(Duration::from_secs(3)),
            idle_timeout: Some(Duration::from_secs(10 * 60)),
            max_lifetime: Some(Duration::from_secs(60 * 60)),
            max_lifetime_jitter: 0.1,
            validate_after: Some(Duration::from_secs(30)),
            backend: None,
            client_name: None,
            on_push: None,
            tls_ca: None,
            tls_cert: None,
            tls_key: None,
            tls_server_name: None,
        }
    }

    /// Reads `redis://[user:password@]host[:port][/database][?setting=value&...]`, or
    /// `redis+unix:///path?db=0&...`; `rediss://` means TLS. Parameters are the names of this struct's fields
    /// but `endpoint` and `on_push`, and those that the redis crate knows (`protocol=resp3`; `db`, `user`,
    /// `pass` for Unix sockets).
    ///
    /// # Errors
    ///
    /// [`PoolError::Config`], which names the parameter and never repeats a password.
    pub fn from_url(url: &str) -> Result<Self, PoolError> {
        Self::unchecked(url)?.checked()
    }

    /// The same, where other settings are still to come: whether they fit together is not looked at.
    fn unchecked(url: &str) -> Result<Self, PoolError> {
        let (endpoint, parameters) = endpoint::parse_url(url)?;
        let mut config = PoolConfig::new(endpoint);
        for (name, value) in &parameters {
            settings::apply(&mut config, name, value, name)?;
        }
        Ok(config)
    }

    /// Reads `REDIS_URL` (default `redis://127.0.0.1:6379/0`) and the variables below, which win
    /// over parameters of the URL. An empty variable counts as not set.
    ///
    /// | variable | field |
    /// |---|---|
    /// | `REDIS_POOL_SIZE` | `max_size` |
    /// | `REDIS_POOL_BACKEND` | `backend` |
    /// | `REDIS_POOL_LANES`, `REDIS_POOL_MIN_IDLE`, `REDIS_POOL_GET_TIMEOUT`, `REDIS_POOL_CONNECT_TIMEOUT`, `REDIS_POOL_RESPONSE_TIMEOUT`, `REDIS_POOL_IDLE_TIMEOUT`, `REDIS_POOL_MAX_LIFETIME`, `REDIS_POOL_MAX_LIFETIME_JITTER`, `REDIS_POOL_VALIDATE_AFTER`, `REDIS_POOL_CLIENT_NAME`, `REDIS_POOL_TLS_CA`, `REDIS_POOL_TLS_CERT`, `REDIS_POOL_TLS_KEY`, `REDIS_POOL_TLS_SERVER_NAME` | the field of that name |
    ///
    /// # Errors
    ///
    /// [`PoolError::Config`], whose field is the variable's name, also where it doesn't fit another.
    pub fn from_env() -> Result<Self, PoolError> {
        Self::from_vars(|name| std::env::var_os(name))
    }

    /// Like [`from_env`](PoolConfig::from_env), from any source of variables.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn from_vars(
        variable: impl Fn(&str) -> Option<std::ffi::OsString>,
    ) -> Result<Self, PoolError> {
        environment::read(variable)
    }

    /// An error that came of building a pool from what [`from_env`](PoolConfig::from_env) has read, named
    /// by the variable at fault instead of the field, as its own errors are. For those who build pools.
    pub fn in_variables(error: PoolError) -> PoolError {
        environment::name_source(error, |name| std::env::var_os(name))
    }

    /// Checks what types can't: sizes and times that make no sense.
    ///
    /// # Errors
    ///
    /// [`PoolError::Config`], which names the field.
    pub fn checked(self) -> Result<Self, PoolError> {
        settings::check(&self)?;
        Ok(self)
    }
}

impl Default for PoolConfig {
    fn default() -> Self {
        PoolConfig::new(Endpoint::default())
    }
}
