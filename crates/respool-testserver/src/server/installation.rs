//! [`Installation`]: a server program and what it says it is.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use super::{ServerKind, StartError};

/// A server program whose `--version` was understood.
pub(super) struct Installation {
    pub(super) program: PathBuf,
    pub(super) kind: ServerKind,
    pub(super) version: String,
}

impl Installation {
    /// Runs `program --version`.
    pub(super) fn inspect(program: PathBuf) -> Result<Installation, StartError> {
        let words = match Command::new(&program).arg("--version").output() {
            Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
            Err(source) => return Err(StartError::Run { program, source }),
        };
        match parse(&words) {
            Some((kind, version)) => Ok(Installation {
                program,
                kind,
                version,
            }),
            None => Err(StartError::Run {
                program,
                source: io::Error::other(format!("--version says {words:?}")),
            }),
        }
    }

    /// Redis 7 locks DEBUG unless told otherwise; earlier ones refuse to start
    /// when they meet the setting.
    pub(super) fn locks_debug_command(&self) -> bool {
        self.version
            .split('.')
            .next()
            .and_then(|major| major.parse::<u32>().ok())
            .is_some_and(|major| major >= 7)
    }
}

/// Reads "Redis server v=7.0.15 sha=..." or "Valkey server v=8.0.1 sha=...".
fn parse(words: &str) -> Option<(ServerKind, String)> {
    let kind = match words.split_whitespace().next()? {
        "Redis" => ServerKind::Redis,
        "Valkey" => ServerKind::Valkey,
        _ => return None,
    };
    let version = words
        .split_whitespace()
        .find_map(|word| word.strip_prefix("v="))?;
    Some((kind, version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_programs_are_recognised_by_what_they_say() {
        assert_eq!(
            parse("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"),
            Some((ServerKind::Redis, "7.0.15".to_owned()))
        );
        assert_eq!(
            parse("Valkey server v=8.0.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"),
            Some((ServerKind::Valkey, "8.0.1".to_owned()))
        );
    }

    #[test]
    fn another_program_is_not_taken_for_a_server() {
        assert_eq!(parse("nginx version: nginx/1.24.0"), None);
    }
}
