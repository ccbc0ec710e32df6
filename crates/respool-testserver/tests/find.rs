//! Where the server program is looked for.

use std::ffi::OsStr;

use respool_testserver::{StartError, find_server_in};

#[test]
fn missing_server_names_the_places_and_the_remedy() {
    let empty = tempfile::tempdir().unwrap();
    let message = find_server_in(None, empty.path().as_os_str())
        .unwrap_err()
        .to_string();
    for part in [
        "redis-server on PATH",
        "valkey-server on PATH",
        &empty.path().display().to_string(),
        "install redis-server",
        "REDIS_SERVER=/path/to/redis-server",
        "cargo xtask test",
    ] {
        assert!(
            message.to_lowercase().contains(&part.to_lowercase()),
            "{part:?} is not in {message:?}"
        );
    }
}

#[cfg(unix)]
#[test]
fn redis_is_preferred_to_valkey() {
    let folder = folder_of_programs(&["valkey-server", "redis-server"]);
    let found = find_server_in(None, folder.path().as_os_str()).unwrap();
    assert_eq!(found, folder.path().join("redis-server"));
}

#[cfg(unix)]
#[test]
fn valkey_is_taken_where_there_is_no_redis() {
    let folder = folder_of_programs(&["valkey-server"]);
    let found = find_server_in(None, folder.path().as_os_str()).unwrap();
    assert_eq!(found, folder.path().join("valkey-server"));
}

#[cfg(unix)]
#[test]
fn configured_name_is_looked_up_on_the_path() {
    let folder = folder_of_programs(&["redis-server", "redis-server-6.2"]);
    let configured = OsStr::new("redis-server-6.2");
    let found = find_server_in(Some(configured), folder.path().as_os_str()).unwrap();
    assert_eq!(found, folder.path().join("redis-server-6.2"));
}

#[cfg(unix)]
#[test]
fn configured_server_that_is_missing_is_not_replaced() {
    let folder = folder_of_programs(&["redis-server"]);
    let configured = folder.path().join("typo");
    let error =
        find_server_in(Some(configured.as_os_str()), folder.path().as_os_str()).unwrap_err();
    let words = format!("REDIS_SERVER is set to {}", configured.display());
    assert!(error.to_string().contains(&words), "{error}");
    assert!(matches!(error, StartError::Misnamed { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn file_that_cannot_be_executed_is_not_a_server() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("redis-server"), "").unwrap();
    assert!(find_server_in(None, folder.path().as_os_str()).is_err());
}

#[cfg(unix)]
fn folder_of_programs(names: &[&str]) -> tempfile::TempDir {
    use std::os::unix::fs::OpenOptionsExt;

    let folder = tempfile::tempdir().unwrap();
    for name in names {
        std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o755)
            .open(folder.path().join(name))
            .unwrap();
    }
    folder
}
