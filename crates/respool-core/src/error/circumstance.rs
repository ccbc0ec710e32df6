use redis::{ConnectionAddr, RedisError};

use super::{ConnectErrorKind, io_error};
use crate::Endpoint;

/// What is known of a failure to connect beyond its kind, where that changes what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Circumstance {
    /// No more than its kind.
    Plain,
    /// Only local clients are taken.
    ProtectedMode,
    /// A password is wanted, and none was given.
    NoPassword,
    /// What was dialled is a path.
    UnixSocket,
    /// It was spoken to without TLS, and may want it.
    NotByTls,
    /// It was spoken to without TLS, and answered by TLS.
    SpeaksTls,
    /// This process may open no more.
    NoDescriptors,
    /// Nobody on this machine may.
    NoDescriptorsAnywhere,
    /// There is no address to dial.
    UnknownName,
}

/// Errors of the operating system, the same number on every Unix.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

impl Circumstance {
    /// That of `error`, which is of `kind`, as far as it shows by itself.
    pub(super) fn of(kind: ConnectErrorKind, error: &RedisError) -> Self {
        match kind {
            ConnectErrorKind::Authentication if is_protected_mode(error) => {
                Circumstance::ProtectedMode
            }
            ConnectErrorKind::Network if is_unknown_name(error) => Circumstance::UnknownName,
            ConnectErrorKind::Network if cfg!(unix) => {
                match io_error(error).and_then(std::io::Error::raw_os_error) {
                    Some(EMFILE) => Circumstance::NoDescriptors,
                    Some(ENFILE) => Circumstance::NoDescriptorsAnywhere,
                    _ => Circumstance::Plain,
                }
            }
            _ => Circumstance::Plain,
        }
    }

    /// The same, where it was `endpoint` that was dialled.
    pub(super) fn at(endpoint: &Endpoint, kind: ConnectErrorKind, error: &RedisError) -> Self {
        let info = endpoint.connection_info();
        let has_password = info.redis_settings().password().is_some();
        match (kind, info.addr()) {
            (ConnectErrorKind::Authentication, _) if !has_password && wants_login(error) => {
                Circumstance::NoPassword
            }
            (ConnectErrorKind::Refused, ConnectionAddr::Unix(_)) => Circumstance::UnixSocket,
            (ConnectErrorKind::Closed | ConnectErrorKind::Protocol, ConnectionAddr::Tcp(..)) => {
                Circumstance::NotByTls
            }
            _ => Circumstance::of(kind, error),
        }
    }

    /// What happened, and what to look at.
    pub(super) fn remedy(self, kind: ConnectErrorKind) -> &'static str {
        match (self, kind) {
            (Circumstance::ProtectedMode, _) => {
                "protected mode: the server takes only local clients; set a password on it, or \
                 switch that mode off"
            }
            (Circumstance::NoPassword, _) => "the server wants a password and the URL has none",
            (Circumstance::UnixSocket, _) => {
                "nobody listens there; is Redis running, is the path right?"
            }
            (Circumstance::NotByTls, ConnectErrorKind::Closed) => {
                "the server closed the connection at once; does it want TLS (rediss://)?"
            }
            (Circumstance::NotByTls, _) => {
                "what answered there is not a Redis server; does it want TLS (rediss://)?"
            }
            (Circumstance::SpeaksTls, _) => "it speaks TLS: use rediss://",
            (Circumstance::NoDescriptors, _) => {
                "this process has no file descriptors left; raise ulimit -n"
            }
            (Circumstance::NoDescriptorsAnywhere, _) => "this machine is out of file descriptors",
            (Circumstance::UnknownName, _) => {
                "the name of the host can't be resolved; is it right?"
            }
            (Circumstance::Plain, kind) => remedy_of(kind),
        }
    }
}

fn remedy_of(kind: ConnectErrorKind) -> &'static str {
    match kind {
        ConnectErrorKind::Refused => "nobody listens there; is Redis running, is the port right?",
        ConnectErrorKind::Authentication => {
            "the login was refused; check user and password of the URL"
        }
        ConnectErrorKind::TooManyClients => {
            "the server is at its client limit; raise its maxclients or lower max_size"
        }
        ConnectErrorKind::NotReady => "the server is not ready to serve yet",
        ConnectErrorKind::Setup => "the server refused the connection's settings",
        ConnectErrorKind::Protocol => "what answered there is not a Redis server",
        ConnectErrorKind::Tls => "TLS failed",
        ConnectErrorKind::TimedOut => {
            "no answer in time; is the host reachable, or does the server hang?"
        }
        ConnectErrorKind::Closed => "the server closed the connection at once",
        ConnectErrorKind::Network => "the network failed",
    }
}

fn is_protected_mode(error: &RedisError) -> bool {
    error.code() == Some("DENIED")
}

fn wants_login(error: &RedisError) -> bool {
    error.code() == Some("NOAUTH") || error.to_string().contains("NOAUTH")
}

/// No address could be had for a name. The standard library has no kind of error for that, only words.
pub(super) fn is_unknown_name(error: &RedisError) -> bool {
    let text = error.to_string();
    error.is_io_error()
        && (text.contains("failed to lookup address information")
            || text.contains("the name has no address"))
}
