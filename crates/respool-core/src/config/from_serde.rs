use std::collections::BTreeMap;

use serde::Deserialize;

use super::settings::apply;
use crate::{PoolConfig, PoolError};

/// What serde reads: any known name, with a value as configuration files write them.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Settings(BTreeMap<String, SettingValue>);

#[derive(Deserialize)]
#[serde(untagged)]
enum SettingValue {
    None(()),
    Whole(i64),
    Fraction(f64),
    Text(String),
}

impl TryFrom<Settings> for PoolConfig {
    type Error = PoolError;

    fn try_from(Settings(mut settings): Settings) -> Result<Self, PoolError> {
        let mut config = match settings.remove("url") {
            Some(SettingValue::Text(url)) => PoolConfig::unchecked(&url)?,
            Some(_) => return Err(PoolError::config("url", "it must be a string")),
            None => PoolConfig::default(),
        };
        for (name, value) in &settings {
            let text = match value {
                SettingValue::None(()) => "none".to_owned(),
                SettingValue::Whole(number) => number.to_string(),
                SettingValue::Fraction(number) => number.to_string(),
                SettingValue::Text(text) => text.clone(),
            };
            apply(&mut config, name, &text, name)?;
        }
        config.checked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serde_reads_the_same_names_and_refuses_the_same_values() {
        let config: PoolConfig = serde_json::from_str(
            r#"{"url": "redis://localhost/2", "max_size": 5, "get_timeout": "1s", "idle_timeout": null}"#,
        )
        .unwrap();
        assert_eq!((config.max_size, config.endpoint.database()), (5, 2));
        assert_eq!(config.idle_timeout, None);
        let together = r#"{"url": "redis://localhost?min_idle=15", "max_size": 20}"#;
        let config: PoolConfig = serde_json::from_str(together).unwrap();
        assert_eq!((config.max_size, config.min_idle), (20, 15));
        for (text, word) in [
            (r#"{"max_size": -1}"#, "max_size"),
            (r#"{"max_size": "ten"}"#, "max_size"),
            (r#"{"maxsize": 1}"#, "maxsize"),
            (r#"{"get_timeout": 5}"#, "get_timeout"),
            (r#"{"client_name": "a b"}"#, "client_name"),
            (
                r#"{"url": "redis://h?min_idle=15", "max_size": 14}"#,
                "min_idle",
            ),
        ] {
            let error = serde_json::from_str::<PoolConfig>(text)
                .unwrap_err()
                .to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
