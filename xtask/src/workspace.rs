use std::env;
use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::Path;
use std::process::Command;

/// `cargo subcommand`, to be run in the workspace's root by the cargo that runs us.
pub(crate) fn cargo(subcommand: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg(subcommand).current_dir(root());
    command
}

/// A program of the workspace, as the profile `dev` builds it: where this one is.
pub(crate) fn built(name: &str) -> Result<Command, String> {
    let this = env::current_exe().map_err(|error| format!("where xtask is: {error}"))?;
    let mut command = Command::new(this.with_file_name(format!("{name}{EXE_SUFFIX}")));
    command.current_dir(root());
    Ok(command)
}

/// The features of the facade, each of which must build alone; `default` is only a list of others.
pub(crate) fn facade_features() -> Result<Vec<String>, String> {
    let path = root().join("crates/respool/Cargo.toml");
    let manifest =
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(features_of(&manifest))
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder in the workspace's root")
}

fn features_of(manifest: &str) -> Vec<String> {
    manifest
        .lines()
        .skip_while(|line| line.trim() != "[features]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim().to_owned())
        .filter(|name| !name.starts_with('#') && name != "default")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_read_from_their_own_section_only() {
        let manifest = "[lib]\nname = \"x\"\n\n[features]\ndefault = [\"a\"]\n# old = []\n\
                        a = [\n    \"dep:a\",\n]\nb-c = [\"dep:b\"]\n\n[dependencies]\nd = \"1\"\n";
        assert_eq!(features_of(manifest), ["a", "b-c"]);
    }
}
