use std::ffi::OsString;

use super::{PoolConfig, settings};
use crate::PoolError;

const PREFIX: &str = "REDIS_POOL_";

/// What the variable for `max_size` would be called if it were called as the others are: who sets it means
/// it, and would have a pool of another size.
const MISNAMED_SIZE: &str = "REDIS_POOL_MAX_SIZE";

pub(super) fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<PoolConfig, PoolError> {
    let text = |name: &str| -> Result<Option<String>, PoolError> {
        match variable(name).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(value)) if value.is_empty() => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(_)) => Err(PoolError::config(name, "it is not valid UTF-8")),
        }
    };

    let mut config = match text("REDIS_URL")? {
        Some(url) => PoolConfig::unchecked(&url).map_err(in_redis_url)?,
        None => PoolConfig::default(),
    };
    for field in settings::NAMES {
        let name = variable_name(field);
        if let Some(value) = text(&name)? {
            settings::apply(&mut config, field, &value, &name)?;
        }
    }
    if text(MISNAMED_SIZE)?.is_some() {
        let reason = format!(
            "no such variable; max_size is {}",
            variable_name("max_size")
        );
        return Err(PoolError::config(MISNAMED_SIZE, reason));
    }
    config
        .checked()
        .map_err(|error| name_source(error, variable))
}

/// An error about a field, named as it was spelled: its variable, or else a parameter of `REDIS_URL`. Both
/// have been read without an error.
pub(super) fn name_source(
    error: PoolError,
    variable: impl Fn(&str) -> Option<OsString>,
) -> PoolError {
    let PoolError::Config { field, reason } = error else {
        return error;
    };
    let name = variable_name(&field);
    match variable(&name).is_some_and(|value| !value.is_empty()) {
        true => PoolError::config(name, reason),
        false => in_redis_url(PoolError::config(field, reason)),
    }
}

fn variable_name(field: &str) -> String {
    match field {
        "max_size" => format!("{PREFIX}SIZE"),
        _ => format!("{PREFIX}{}", field.to_uppercase()),
    }
}

fn in_redis_url(error: PoolError) -> PoolError {
    match error {
        PoolError::Config { field, reason } if field == "url" => {
            PoolError::config("REDIS_URL", reason)
        }
        PoolError::Config { field, reason } => {
            PoolError::config("REDIS_URL", format!("parameter {field}: {reason}"))
        }
        other => other,
    }
}
