//! What the rules read: the workspace as cargo sees it, and its files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

/// One member of the workspace.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    /// Its dependencies on other members.
    pub(crate) dependencies: Vec<Dependency>,
}

pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Used by its tests alone.
    pub(crate) is_for_development: bool,
    pub(crate) is_optional: bool,
}

impl Member {
    pub(crate) fn read(&self, path: &str) -> String {
        read(&self.folder.join(path))
    }

    pub(crate) fn source_files(&self) -> Vec<PathBuf> {
        files_below(&self.folder.join("src"), &["rs"])
    }
}

/// Every member of the workspace.
pub(crate) fn members() -> &'static [Member] {
    static MEMBERS: LazyLock<Vec<Member>> = LazyLock::new(|| {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--no-deps", "--format-version=1"])
            .current_dir(root())
            .output()
            .expect("cargo runs");
        assert!(
            output.status.success(),
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
        list(&metadata, "packages").iter().map(member).collect()
    });
    &MEMBERS
}

pub(crate) fn member_called(name: &str) -> &'static Member {
    members()
        .iter()
        .find(|member| member.name == name)
        .unwrap_or_else(|| panic!("no member of the workspace is called {name}"))
}

/// The backends: what the facade can be built with.
pub(crate) fn backends() -> Vec<&'static Member> {
    let backends: Vec<_> = member_called("respool")
        .dependencies
        .iter()
        // The facade needs connect itself only for its feature `tls`.
        .filter(|dependency| dependency.is_optional && dependency.name != "respool-connect")
        .map(|dependency| member_called(&dependency.name))
        .collect();
    assert!(!backends.is_empty(), "the facade has no optional backend");
    backends
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder in the workspace's root")
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below `folder` with one of these endings, but for what is hidden or built.
pub(crate) fn files_below(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    for entry in entries {
        let path = entry.expect("a folder can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if path.is_dir() {
            files.extend(files_below(&path, endings));
        } else if path
            .extension()
            .is_some_and(|ending| endings.iter().any(|e| ending == *e))
        {
            files.push(path);
        }
    }
    files
}

/// The words of `text` between single backticks.
pub(crate) fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn member(package: &Value) -> Member {
    let manifest = Path::new(string(&package["manifest_path"]));
    Member {
        name: string(&package["name"]).to_owned(),
        folder: manifest.parent().expect("a manifest is in a folder").into(),
        dependencies: list(package, "dependencies")
            .iter()
            .filter(|dependency| dependency["path"].is_string())
            .map(|dependency| Dependency {
                name: string(&dependency["name"]).to_owned(),
                is_for_development: dependency["kind"] == "dev",
                is_optional: dependency["optional"] == true,
            })
            .collect(),
    }
}

fn list<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value[field]
        .as_array()
        .expect("cargo metadata has such a list")
}

fn string(value: &Value) -> &str {
    value.as_str().expect("cargo metadata has such a string")
}
