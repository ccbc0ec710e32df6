//! `cargo xtask redis` on machines of all kinds: each test's machine is a folder of programs.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

#[test]
fn a_redis_on_the_path_is_used_as_it_is() {
    let machine = Machine::new("found").with("redis-server");
    let output = machine.ask(&[]);
    assert_eq!(
        text(&output.stdout),
        format!("{}\n", machine.program("redis-server").display())
    );
    assert!(text(&output.stderr).contains("Redis server v=7.0.15"));
}

#[test]
fn redis_server_variable_wins_over_the_path() {
    let machine = Machine::new("named").with("redis-server");
    let named = FAKES.join("valkey-server");
    let output = machine.ask(&[("REDIS_SERVER", named.to_str().unwrap())]);
    assert_eq!(text(&output.stdout), format!("{}\n", named.display()));
}

#[test]
fn a_redis_server_variable_that_leads_nowhere_is_an_error_and_installs_nothing() {
    let machine = Machine::new("nowhere")
        .with("redis-server")
        .with("apt-get")
        .with("root/id");
    let output = machine.ask(&[("REDIS_SERVER", "/no/such/server")]);
    assert!(!output.status.success());
    assert_eq!(text(&output.stderr).lines().count(), 1);
    assert!(text(&output.stderr).contains("REDIS_SERVER=/no/such/server"));
}

#[test]
fn what_only_calls_itself_redis_server_is_refused() {
    let machine = Machine::new("impostor").with("impostor/redis-server");
    let output = machine.ask(&[]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("is no Redis server"));
}

#[test]
fn a_missing_redis_is_installed_after_saying_how() {
    let machine = Machine::new("installed").with("apt-get").with("root/id");
    let output = machine.ask(&[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(
        text(&output.stdout),
        format!("{}\n", machine.program("redis-server").display())
    );
    let said = text(&output.stderr);
    let running = "running: env DEBIAN_FRONTEND=noninteractive apt-get";
    assert!(
        said.find(running) < said.find("fake apt-get: installing redis-server"),
        "{said}"
    );
}

#[test]
fn without_root_it_asks_sudo_and_never_for_a_password() {
    let machine = Machine::new("sudo")
        .with("apt-get")
        .with("user/id")
        .with("sudo");
    let output = machine.ask(&[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("running: sudo -n env DEBIAN_FRONTEND"));
}

#[test]
fn without_root_or_sudo_the_last_line_says_so_and_names_the_remedy() {
    let machine = Machine::new("rightless").with("apt-get").with("user/id");
    let output = machine.ask(&[]);
    assert!(!output.status.success());
    let last = last_line(&output.stderr);
    assert!(last.contains("apt-get needs root"), "{last}");
    assert!(last.contains("set REDIS_SERVER="), "{last}");
}

#[test]
fn a_package_manager_that_fails_is_named_beside_the_remedy() {
    let machine = Machine::new("failing").with("dnf").with("root/id");
    let output = machine.ask(&[]);
    assert!(!output.status.success());
    let last = last_line(&output.stderr);
    assert!(last.contains("dnf brought none"), "{last}");
    assert!(last.contains("set REDIS_SERVER="), "{last}");
}

#[test]
fn without_a_package_manager_the_remedy_is_named() {
    let output = Machine::new("bare").ask(&[]);
    assert!(!output.status.success());
    let last = last_line(&output.stderr);
    assert!(last.contains("no package manager"), "{last}");
    assert!(last.contains("install redis-server"), "{last}");
}

/// A folder that is the whole PATH of the task under test.
struct Machine {
    folder: PathBuf,
}

impl Machine {
    fn new(name: &str) -> Machine {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("machines")
            .join(name);
        let _ = fs::remove_dir_all(&folder); // of an earlier run
        fs::create_dir_all(&folder).unwrap();
        symlink("/usr/bin/env", folder.join("env")).unwrap();
        Machine { folder }
    }

    fn with(self, program: &str) -> Machine {
        let target = FAKES.join(program);
        symlink(&target, self.program(target.file_name().unwrap())).unwrap();
        self
    }

    fn program(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }

    fn ask(&self, variables: &[(&str, &str)]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_xtask"))
            .arg("redis")
            .env_remove("REDIS_SERVER")
            .env("PATH", &self.folder)
            .env("FAKES", &*FAKES)
            .env("FOLDER", &self.folder)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

/// Programs to make machines of. All are written before the first of them runs: a child that another
/// test is just starting could otherwise still hold one open for writing, and Unix runs no such file.
static FAKES: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fakes");
    let _ = fs::remove_dir_all(&folder);
    for (name, script) in [
        (
            "redis-server",
            "echo 'Redis server v=7.0.15 sha=00000000:0'",
        ),
        (
            "valkey-server",
            "echo 'Valkey server v=8.0.1 sha=00000000:0'",
        ),
        ("impostor/redis-server", "echo 'something else entirely'"),
        ("root/id", "echo 0"),
        ("user/id", "echo 1000"),
        ("sudo", "[ \"$1\" = -n ] || exit 1; shift; \"$@\""),
        (
            "apt-get",
            "case \" $* \" in *' install '*'redis-server ') \
             echo 'fake apt-get: installing redis-server'; \
             /bin/ln -s \"$FAKES/redis-server\" \"$FOLDER/redis-server\";; esac",
        ),
        ("dnf", "exit 1"),
    ] {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
});

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn last_line(bytes: &[u8]) -> String {
    text(bytes).lines().last().unwrap_or_default().to_owned()
}
