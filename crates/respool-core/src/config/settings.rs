//! The settings by name: one place that reads them from text, for URL, environment and serde.

use std::path::PathBuf;
use std::time::Duration;

use super::PoolConfig;
use crate::PoolError;

pub(super) const NAMES: [&str; 16] = [
    "max_size",
    "lanes",
    "min_idle",
    "get_timeout",
    "connect_timeout",
    "response_timeout",
    "idle_timeout",
    "max_lifetime",
    "max_lifetime_jitter",
    "validate_after",
    "backend",
    "client_name",
    "tls_ca",
    "tls_cert",
    "tls_key",
    "tls_server_name",
];

/// Sockets are numbered with 16 bits or so on either side; more is a slip of the keyboard.
const MOST_CONNECTIONS: usize = 65_535;

pub(super) fn is_name(name: &str) -> bool {
    NAMES.contains(&name)
}

pub(super) fn names() -> String {
    NAMES.join(", ")
}

/// Sets the field `name` from `text`; errors call it `shown`, as the user spelled it.
pub(super) fn apply(
    config: &mut PoolConfig,
    name: &str,
    text: &str,
    shown: &str,
) -> Result<(), PoolError> {
    let outcome = match name {
        "max_size" => count(text, 1).map(|count| config.max_size = count),
        "lanes" => lanes(text).map(|lanes| config.lanes = lanes),
        "min_idle" => count(text, 0).map(|count| config.min_idle = count),
        "get_timeout" => time(text).map(|time| config.get_timeout = time),
        "connect_timeout" => time(text).map(|time| config.connect_timeout = time),
        "response_timeout" => time(text).map(|time| config.response_timeout = time),
        "idle_timeout" => time(text).map(|time| config.idle_timeout = time),
        "max_lifetime" => time(text).map(|time| config.max_lifetime = time),
        "validate_after" => time(text).map(|time| config.validate_after = time),
        "max_lifetime_jitter" => fraction(text).map(|part| config.max_lifetime_jitter = part),
        "backend" => backend(text).map(|name| config.backend = name),
        "client_name" => client_name(text).map(|name| config.client_name = name),
        "tls_ca" => path(text).map(|path| config.tls_ca = path),
        "tls_cert" => path(text).map(|path| config.tls_cert = path),
        "tls_key" => path(text).map(|path| config.tls_key = path),
        "tls_server_name" => server_name(text).map(|name| config.tls_server_name = name),
        _ => Err(format!("not a known setting; known are url, {}", names())),
    };
    outcome.map_err(|reason| PoolError::config(shown, reason))
}

pub(super) fn check(config: &PoolConfig) -> Result<(), PoolError> {
    let refuse = |field: &str, reason: String| Err(PoolError::config(field, reason));
    if !(1..=MOST_CONNECTIONS).contains(&config.max_size) {
        return refuse("max_size", wrong_count(&config.max_size.to_string(), 1));
    }
    if let Some(lanes) = config.lanes
        && !(1..=config.max_size).contains(&lanes)
    {
        return refuse(
            "lanes",
            format!("{lanes} is not 1 to max_size ({})", config.max_size),
        );
    }
    if config.min_idle > config.max_size {
        return refuse(
            "min_idle",
            format!(
                "{} is more than max_size ({})",
                config.min_idle, config.max_size
            ),
        );
    }
    for (field, value) in [
        ("get_timeout", config.get_timeout),
        ("connect_timeout", config.connect_timeout),
        ("response_timeout", config.response_timeout),
        ("idle_timeout", config.idle_timeout),
        ("max_lifetime", config.max_lifetime),
        ("validate_after", config.validate_after),
    ] {
        if value == Some(Duration::ZERO) {
            return refuse(field, NOT_ZERO.to_owned());
        }
    }
    for (field, value) in [
        ("idle_timeout", config.idle_timeout),
        ("max_lifetime", config.max_lifetime),
    ] {
        if value.is_some_and(|time| time < SHORTEST_LIFE) {
            return refuse(field, TOO_SHORT_A_LIFE.to_owned());
        }
    }
    if !(0.0..=1.0).contains(&config.max_lifetime_jitter) {
        return refuse("max_lifetime_jitter", NOT_A_FRACTION.to_owned());
    }
    if let Some(name) = &config.client_name
        && !is_client_name(name)
    {
        return refuse("client_name", format!("{name:?}: {NOT_A_CLIENT_NAME}"));
    }
    for (field, is_set) in [
        ("tls_ca", config.tls_ca.is_some()),
        ("tls_cert", config.tls_cert.is_some()),
        ("tls_key", config.tls_key.is_some()),
        ("tls_server_name", config.tls_server_name.is_some()),
    ] {
        if is_set && !config.endpoint.is_tls() {
            return refuse(field, ONLY_WITH_TLS.to_owned());
        }
    }
    Ok(())
}

/// A connection that lives for less is too old before its first command.
const SHORTEST_LIFE: Duration = Duration::from_millis(10);
const TOO_SHORT_A_LIFE: &str = "shorter than 10ms, no connection would live to be used";

const NOT_ZERO: &str = "zero is too short; give a time such as 5s, or none for no limit";
const NOT_A_FRACTION: &str = "give a part from 0.0 to 1.0, such as 0.1";
const NOT_A_CLIENT_NAME: &str =
    "give a name of printable ASCII characters without spaces, such as billing-1, or none";
const ONLY_WITH_TLS: &str = "it is for rediss:// URLs only, and this connection is not encrypted";

fn count(text: &str, least: usize) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(count) if (least..=MOST_CONNECTIONS).contains(&count) => Ok(count),
        _ => Err(wrong_count(text, least)),
    }
}

fn lanes(text: &str) -> Result<Option<usize>, String> {
    match text.trim() {
        "none" => Ok(None),
        text => count(text, 1).map(Some),
    }
}

fn wrong_count(text: &str, least: usize) -> String {
    format!(
        "{text:?} is not a number of connections; give {least} to {MOST_CONNECTIONS}, such as 10"
    )
}

fn time(text: &str) -> Result<Option<Duration>, String> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    match super::time::parse(text) {
        Some(Duration::ZERO) => Err(NOT_ZERO.to_owned()),
        Some(time) => Ok(Some(time)),
        None => Err(format!(
            "{text:?} is not a time; give one with its unit, such as 500ms, 5s or 1m 30s, or none \
             for no limit"
        )),
    }
}

fn fraction(text: &str) -> Result<f64, String> {
    match text.trim().parse() {
        Ok(part) if (0.0..=1.0).contains(&part) => Ok(part),
        _ => Err(format!("{text:?}: {NOT_A_FRACTION}")),
    }
}

fn backend(text: &str) -> Result<Option<String>, String> {
    match text.trim() {
        "" => Err("it is empty; give the name of a backend, or none".to_owned()),
        "none" => Ok(None),
        name => Ok(Some(name.to_owned())),
    }
}

fn client_name(text: &str) -> Result<Option<String>, String> {
    match text {
        "none" => Ok(None),
        name if is_client_name(name) => Ok(Some(name.to_owned())),
        name => Err(format!("{name:?}: {NOT_A_CLIENT_NAME}")),
    }
}

/// What CLIENT SETNAME takes (<https://redis.io/docs/latest/commands/client-setname/>).
fn is_client_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
}

fn path(text: &str) -> Result<Option<PathBuf>, String> {
    match text {
        "" => Err("it is empty; give the path of a PEM file, or none".to_owned()),
        "none" => Ok(None),
        _ => Ok(Some(text.into())),
    }
}

fn server_name(text: &str) -> Result<Option<String>, String> {
    match text.trim() {
        "" => Err("it is empty; give the name in the server's certificate, or none".to_owned()),
        "none" => Ok(None),
        name => Ok(Some(name.to_owned())),
    }
}
