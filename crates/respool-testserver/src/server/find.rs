//! Where the server program is.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::StartError;
use super::installation::Installation;

/// The server program's path: what the environment variable `REDIS_SERVER`
/// names, or else `redis-server`, or else `valkey-server` on the `PATH`. An empty
/// variable counts as not set.
///
/// # Errors
///
/// [`StartError::NotFound`], which lists the places looked at and the remedy. A
/// `REDIS_SERVER` that leads nowhere is [`StartError::Misnamed`], not a reason to
/// take another server.
pub fn find_server() -> Result<PathBuf, StartError> {
    let configured = env::var_os("REDIS_SERVER").filter(|name| !name.is_empty());
    find_server_in(
        configured.as_deref(),
        &env::var_os("PATH").unwrap_or_default(),
    )
}

/// The server program that [`find_server`] finds and what it says of itself, such as
/// `redis-server 7.0.15`.
///
/// # Errors
///
/// As for [`find_server`], and [`StartError::Run`] for a program that says nothing of the kind.
pub fn server_version() -> Result<String, StartError> {
    let installation = Installation::inspect(find_server()?)?;
    Ok(format!(
        "{}-server {}",
        installation.kind, installation.version
    ))
}

/// [`find_server`] with its two environment variables given: `configured` is a
/// path, or a bare name to look up on `path`.
///
/// # Errors
///
/// As for [`find_server`].
pub fn find_server_in(configured: Option<&OsStr>, path: &OsStr) -> Result<PathBuf, StartError> {
    let names: Vec<&OsStr> = match configured {
        Some(configured) => vec![configured],
        None => vec!["redis-server".as_ref(), "valkey-server".as_ref()],
    };
    let mut looked_at = Vec::new();
    for name in names {
        if Path::new(name).components().count() > 1 {
            if is_program(name.as_ref()) {
                return Ok(name.into());
            }
        } else {
            let file_name = format!("{}{}", name.display(), env::consts::EXE_SUFFIX);
            let found = env::split_paths(path)
                .map(|folder| folder.join(&file_name))
                .find(|program| is_program(program));
            if let Some(program) = found {
                return Ok(program);
            }
            looked_at.push(format!("{} on PATH ({})", name.display(), path.display()));
        }
    }
    Err(match configured {
        Some(configured) => StartError::Misnamed {
            configured: configured.to_owned(),
        },
        None => StartError::NotFound { looked_at },
    })
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| {
        #[cfg(unix)]
        let executable =
            std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0;
        #[cfg(not(unix))]
        let executable = true;
        metadata.is_file() && executable
    })
}
