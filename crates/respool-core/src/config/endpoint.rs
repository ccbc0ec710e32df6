use std::fmt;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisError};

use super::settings;
use crate::PoolError;

/// Where a server is, and how to log in there. Printing it shows the address, never a secret.
#[derive(Clone)]
pub struct Endpoint {
    info: ConnectionInfo,
}

impl Endpoint {
    /// An endpoint from the redis crate's own description of one. Text that begins with `rediss://`
    /// is for [`PoolConfig::from_url`](crate::PoolConfig::from_url).
    ///
    /// # Errors
    ///
    /// [`PoolError::Config`] for an address that can't be used: Unix sockets exist on Unix only, and
    /// TLS has its certificates from [`PoolConfig`](crate::PoolConfig) and always verifies. Also for a
    /// user without a password, with whom nobody would log in.
    pub fn new(info: impl IntoConnectionInfo) -> Result<Self, PoolError> {
        let info = info
            .into_connection_info()
            .map_err(|error| PoolError::config("url", in_words(&error)))?;
        let login = info.redis_settings();
        if login.username().is_some() && login.password().is_none() {
            return Err(PoolError::config("url", USER_ALONE));
        }
        match info.addr() {
            ConnectionAddr::Tcp(..) => Ok(Endpoint { info }),
            ConnectionAddr::Unix(_) if cfg!(unix) => Ok(Endpoint { info }),
            ConnectionAddr::Unix(_) => Err(PoolError::config(
                "url",
                "Unix sockets don't exist on this system; use redis://host:port",
            )),
            ConnectionAddr::TcpTls { insecure: true, .. } => {
                Err(PoolError::config("url", NOT_INSECURE))
            }
            ConnectionAddr::TcpTls {
                tls_params: Some(_),
                ..
            } => Err(PoolError::config(
                "url",
                "it has certificates of its own; give them as tls_ca, tls_cert and tls_key",
            )),
            ConnectionAddr::TcpTls { .. } => Ok(Endpoint { info }),
            _ => Err(PoolError::config("url", "its kind of address is not known")),
        }
    }

    /// Whether it is reached by TLS (`rediss://`).
    pub fn is_tls(&self) -> bool {
        matches!(self.info.addr(), ConnectionAddr::TcpTls { .. })
    }

    /// The same place by TLS.
    fn by_tls(self) -> Self {
        let info = self.info;
        let info = match info.addr().clone() {
            ConnectionAddr::Tcp(host, port) => info.set_addr(ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            }),
            _ => info,
        };
        Endpoint { info }
    }

    /// The redis crate's description of it, secrets included.
    pub fn connection_info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// `error` without what a server repeats of the login.
    pub(crate) fn without_secret(&self, error: RedisError) -> RedisError {
        // What Redis says after the name of a command that it doesn't know, such as HELLO.
        const ARGUMENTS: &str = ", with args beginning with";
        let password = self.info.redis_settings().password().unwrap_or_default();
        let text = error.to_string();
        let repeats = !password.is_empty() && text.contains(password);
        if !repeats && !text.contains(ARGUMENTS) {
            return error;
        }
        let detail = error.detail().unwrap_or(&text);
        let mut shown = detail
            .split(ARGUMENTS)
            .next()
            .unwrap_or_default()
            .to_owned();
        if !password.is_empty() {
            shown = shown.replace(password, "***");
        }
        match error.code() {
            Some(code) => redis::make_extension_error(code.to_owned(), Some(shown)),
            None => (error.kind(), "it refused the login", shown).into(),
        }
    }

    /// The number of the database.
    pub fn database(&self) -> i64 {
        self.info.redis_settings().db()
    }
}

impl Default for Endpoint {
    /// `redis://127.0.0.1:6379/0`
    fn default() -> Self {
        Endpoint {
            info: ("127.0.0.1", 6379)
                .into_connection_info()
                .expect("a host and a port make an address"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                match host.contains(':') {
                    true => write!(f, "[{host}]:{port}"),
                    false => write!(f, "{host}:{port}"),
                }
            }
            ConnectionAddr::Unix(path) => write!(f, "{}", path.display()),
            _ => f.write_str("an address of an unknown kind"),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} (database {})", self.database())
    }
}

const FORM: &str = "redis://[user:password@]host[:port][/database] (rediss:// for TLS) or \
                    redis+unix:///path";

const USER_ALONE: &str = "a user needs a password, as in redis://user:password@host (any will do for \
                          one that has none); a password alone is redis://:password@host";

const NOT_INSECURE: &str = "#insecure is not supported: without verification anybody can pose as the \
                            server; name its CA by tls_ca, and its name by tls_server_name";

/// What the redis crate says of an address, without its own name for the kind of error.
fn in_words(error: &RedisError) -> String {
    let text = error.to_string();
    let words = text.split(" - ").next().unwrap_or_default();
    match error.detail() {
        Some(detail) => format!("{words}: {detail}"),
        None => words.to_owned(),
    }
}

/// The endpoint of `url`, and those of its parameters that are settings of the pool.
pub(super) fn parse_url(url: &str) -> Result<(Endpoint, Vec<(String, String)>), PoolError> {
    let refuse = |reason: &str| PoolError::config("url", reason);
    if url.trim().is_empty() {
        return Err(refuse(&format!("it is empty; give {FORM}")));
    }
    let Some((scheme, _)) = url.split_once("://") else {
        return Err(refuse(&format!("it has no scheme; give {FORM}")));
    };
    let is_tls = match scheme.to_ascii_lowercase().as_str() {
        "redis" | "redis+unix" | "unix" | "valkey" | "valkey+unix" => false,
        "rediss" | "valkeys" => true,
        _ => return Err(refuse(&format!("its scheme is not known; give {FORM}"))),
    };
    // The parser's own words never contain the URL, which may hold a password.
    let mut parsed = url::Url::parse(url).map_err(|error| {
        refuse(&format!(
            "{error}; give {FORM}, with characters like @ : / # % in user or password \
             percent-encoded (%40 %3A %2F %23 %25)"
        ))
    })?;
    if is_tls && parsed.fragment() == Some("insecure") {
        return Err(refuse(NOT_INSECURE));
    }
    if parsed.fragment().is_some() {
        return Err(refuse(
            "it contains a #; inside a user or password write %23",
        ));
    }
    // The redis crate refuses these schemes, since its own TLS is not built in, and reads the rest alike.
    if is_tls && parsed.set_scheme("redis").is_err() {
        return Err(refuse(&format!("its scheme does not fit; give {FORM}")));
    }
    let is_address = matches!(parsed.scheme(), "redis" | "valkey");
    // What was meant as a password may stand where a parameter's name does.
    if is_address && parsed.query().is_some_and(|query| query.contains('@')) {
        return Err(refuse(
            "it contains an @ after a ?; inside a user or password write %3F for a ?",
        ));
    }

    let (ours, theirs): (Vec<_>, Vec<_>) = parsed
        .query_pairs()
        .into_owned()
        .partition(|(name, _)| settings::is_name(name));
    if let Some((unknown, _)) = theirs
        .iter()
        .find(|(name, _)| !OF_THE_REDIS_CRATE.contains(&name.as_str()))
    {
        return Err(PoolError::config(
            unknown.clone(),
            format!(
                "not a known parameter; known are {}, {}",
                settings::names(),
                OF_THE_REDIS_CRATE.join(", ")
            ),
        ));
    }
    // The redis crate reads these of Unix sockets only, and says nothing of the rest.
    if is_address && let Some((name, _)) = theirs.iter().find(|(name, _)| name != "protocol") {
        return Err(PoolError::config(
            name.clone(),
            "that is for Unix sockets; write it before the host and after it, as in \
             redis://user:password@localhost/3",
        ));
    }
    for (name, value) in &theirs {
        check_value(name, value)?;
    }
    parsed.set_query(None);
    if !theirs.is_empty() {
        parsed.query_pairs_mut().extend_pairs(&theirs);
    }
    if is_address
        && parsed.path().trim_matches('/').parse::<i64>().is_err()
        && !parsed.path().trim_matches('/').is_empty()
    {
        return Err(refuse(
            "what follows the host must be the number of a database, as in redis://localhost/0 \
             (a / in a password is written %2F)",
        ));
    }
    check_place(&parsed, is_address)?;
    let endpoint = Endpoint::new(parsed)?;
    let endpoint = match is_tls {
        true => endpoint.by_tls(),
        false => endpoint,
    };
    Ok((endpoint, ours))
}

/// Refuses what the redis crate would not take for a parameter of its own: it doesn't tell which. The
/// value is not repeated, since it may be what follows an & in a password.
fn check_value(name: &str, value: &str) -> Result<(), PoolError> {
    match name {
        "protocol" if !matches!(value, "2" | "resp2" | "3" | "resp3") => Err(PoolError::config(
            name,
            "it is not a version of the protocol; give resp2 or resp3",
        )),
        "db" if value.parse::<i64>().is_err() => Err(PoolError::config(
            name,
            "it is not the number of a database; give one such as 0",
        )),
        _ => Ok(()),
    }
}

/// Refuses a URL that leads nowhere: without a host, or without a path where it is for a Unix socket.
fn check_place(url: &url::Url, is_address: bool) -> Result<(), PoolError> {
    let refuse = |reason: &str| Err(PoolError::config("url", format!("{reason}; give {FORM}")));
    let host = url.host_str().unwrap_or_default();
    match is_address {
        true if host.is_empty() => refuse("it names no host"),
        true if matches!(host, "0.0.0.0" | "[::]") => {
            refuse("0.0.0.0 and :: are for servers to listen on, no address to connect to")
        }
        false if url.path().trim_matches('/').is_empty() => refuse("it names no path"),
        false if !matches!(host, "" | "localhost") => {
            refuse("a Unix socket has no host; the path begins with a third /")
        }
        _ => Ok(()),
    }
}

/// Parameters that the redis crate reads from a URL.
const OF_THE_REDIS_CRATE: [&str; 4] = ["protocol", "db", "user", "pass"];
