use std::env;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::redis::{self, REMEDY};

/// The package managers we know. Several may be on one machine; the first that brings a server ends
/// it.
const PACKAGE_MANAGERS: [PackageManager; 7] = [
    PackageManager {
        program: "apt-get",
        update: Some("apt-get update"),
        install: "env DEBIAN_FRONTEND=noninteractive \
                  apt-get -o DPkg::Lock::Timeout=120 install --yes --no-install-recommends",
        packages: ["redis-server", "valkey-server"],
        needs_root: true,
    },
    PackageManager {
        program: "dnf",
        update: None,
        install: "dnf install --assumeyes",
        packages: ["redis", "valkey"],
        needs_root: true,
    },
    PackageManager {
        program: "yum",
        update: None,
        install: "yum install --assumeyes",
        packages: ["redis", "valkey"],
        needs_root: true,
    },
    PackageManager {
        program: "pacman",
        update: Some("pacman --sync --refresh --noconfirm"),
        install: "pacman --sync --needed --noconfirm",
        packages: ["valkey", "redis"],
        needs_root: true,
    },
    PackageManager {
        program: "apk",
        update: None,
        install: "apk add --no-cache",
        packages: ["redis", "valkey"],
        needs_root: true,
    },
    PackageManager {
        program: "zypper",
        update: None,
        install: "zypper --non-interactive install",
        packages: ["redis", "valkey"],
        needs_root: true,
    },
    PackageManager {
        program: "brew",
        update: None,
        install: "brew install",
        packages: ["redis", "valkey"],
        needs_root: false, // it refuses to run as root
    },
];

struct PackageManager {
    program: &'static str,
    /// Makes it learn what packages there are; `None` where it does so by itself.
    update: Option<&'static str>,
    /// The package's name follows.
    install: &'static str,
    /// Packages that bring a server, the likelier name first.
    packages: [&'static str; 2],
    needs_root: bool,
}

/// Installs a server with this machine's package manager, and says each command before it runs.
/// `find` looks for what has been installed.
pub(crate) fn redis(find: impl Fn() -> Option<PathBuf>) -> Result<PathBuf, String> {
    eprintln!("xtask: no redis-server or valkey-server on the PATH; installing one");
    let path = env::var_os("PATH").unwrap_or_default();
    let is_here =
        |manager: &&PackageManager| redis::find(manager.program.as_ref(), &path).is_some();

    let mut failures = Vec::new();
    for manager in PACKAGE_MANAGERS.iter().filter(is_here) {
        let sudo = match Rights::of_this_process() {
            _ if !manager.needs_root => "",
            Rights::Root => "",
            Rights::Sudo => "sudo -n ",
            Rights::None => {
                failures.push(format!(
                    "{} needs root, or sudo without a password",
                    manager.program
                ));
                continue;
            }
        };
        match manager.install(sudo, &find) {
            Some(server) => return Ok(server),
            None => failures.push(format!("{} brought none", manager.program)),
        }
    }
    if failures.is_empty() {
        failures.push("no package manager that is known here".to_owned());
    }
    Err(format!(
        "no Redis server found, and none could be installed ({}); {REMEDY}",
        failures.join("; ")
    ))
}

impl PackageManager {
    fn install(&self, sudo: &str, find: impl Fn() -> Option<PathBuf>) -> Option<PathBuf> {
        if let Some(update) = self.update {
            // A source of packages that can't be reached need not be the one that has ours.
            run(&format!("{sudo}{update}"));
        }
        self.packages.iter().find_map(|package| {
            run(&format!("{sudo}{} {package}", self.install))
                .then(&find)
                .flatten()
        })
    }
}

/// Says what it runs, and returns whether that succeeded.
fn run(line: &str) -> bool {
    eprintln!("xtask: running: {line}");
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().expect("a command has a name"));
    // Standard output is for what the task itself has to say.
    command
        .args(words)
        .stdin(Stdio::null())
        .stdout(io::stderr());
    match command.status() {
        Ok(status) if status.success() => return true,
        Ok(status) => eprintln!("xtask: that failed ({status})"),
        Err(error) => eprintln!("xtask: that did not start: {error}"),
    }
    false
}

/// What this process may do to the machine without asking anybody for a password.
enum Rights {
    Root,
    Sudo,
    None,
}

impl Rights {
    fn of_this_process() -> Rights {
        let succeeds = |program: &str, arguments: &[&str], answer: &str| {
            Command::new(program)
                .args(arguments)
                .stdin(Stdio::null())
                .output()
                .is_ok_and(|output| {
                    output.status.success() && output.stdout.starts_with(answer.as_bytes())
                })
        };
        if succeeds("id", &["-u"], "0\n") {
            Rights::Root
        } else if succeeds("sudo", &["-n", "true"], "") {
            Rights::Sudo
        } else {
            Rights::None
        }
    }
}
