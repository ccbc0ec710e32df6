use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::install;

/// Names the server program for the tests. We set it for what we start, so that all of it runs
/// against the one server that we named.
pub(crate) const VARIABLE: &str = "REDIS_SERVER";

pub(crate) const REMEDY: &str = "install redis-server or valkey-server, or set \
                                 REDIS_SERVER=/path/to/redis-server";

/// Where packages put servers when that is not on everybody's PATH.
const SYSTEM_FOLDERS: &str = "/usr/bin:/usr/sbin:/usr/local/bin:/opt/homebrew/bin";

/// A real Redis or Valkey server program: the one that REDIS_SERVER names, else one on the PATH,
/// else one that the machine's package manager installs.
pub(crate) fn find_or_install() -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let server = match env::var_os(VARIABLE).filter(|name| !name.is_empty()) {
        Some(name) => find(&name, &path).ok_or_else(|| {
            format!(
                "{VARIABLE}={} leads to no program; correct it, or unset it to use the \
                 redis-server or valkey-server on the PATH",
                name.display()
            )
        })?,
        None => match find_any(&path) {
            Some(server) => server,
            None => {
                install::redis(|| find_any(&path).or_else(|| find_any(SYSTEM_FOLDERS.as_ref())))?
            }
        },
    };
    eprintln!("xtask: using {} ({})", version(&server)?, server.display());
    Ok(server)
}

fn find_any(path: &OsStr) -> Option<PathBuf> {
    ["redis-server", "valkey-server"]
        .into_iter()
        .find_map(|name| find(name.as_ref(), path))
}

/// The program called `name`, looked for in the folders of `path` unless it names a folder itself.
pub(crate) fn find(name: &OsStr, path: &OsStr) -> Option<PathBuf> {
    if Path::new(name).components().count() > 1 {
        let program = PathBuf::from(name);
        return is_program(&program).then_some(program);
    }
    env::split_paths(path)
        .map(|folder| folder.join(name).with_extension(env::consts::EXE_EXTENSION))
        .find(|program| is_program(program))
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// What the program says it is, such as `Redis server v=7.0.15`.
fn version(server: &Path) -> Result<String, String> {
    let failed = |reason: String| {
        format!(
            "{} is no Redis server: {reason}; {REMEDY}",
            server.display()
        )
    };
    let output = Command::new(server)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    let words = String::from_utf8_lossy(&output.stdout);
    let version: Vec<&str> = words.split_whitespace().take(3).collect();
    match version.as_slice() {
        ["Redis" | "Valkey", "server", _] => Ok(version.join(" ")),
        _ => Err(failed(format!("--version says {:?}", words.trim()))),
    }
}
