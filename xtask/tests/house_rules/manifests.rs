use std::fs;

use crate::workspace::{members, read, root};

#[test]
fn every_member_says_in_one_line_why_it_exists() {
    let manifest = read(&root().join("Cargo.toml"));
    let lines: Vec<&str> = manifest
        .lines()
        .skip_while(|line| !line.starts_with("members = ["))
        .skip(1)
        .take_while(|line| !line.starts_with(']'))
        .collect();
    for line in &lines {
        let reason = line.split_once(" # ").map(|(_, reason)| reason.trim());
        assert!(
            line.trim_start().starts_with('"') && reason.is_some_and(|reason| reason.len() > 10),
            "Cargo.toml: {line:?} is not a member with its reason, as in: \"crates/x\", # why"
        );
    }
    assert_eq!(lines.len(), members().len());
}

#[test]
fn every_folder_of_crates_is_a_member() {
    for entry in fs::read_dir(root().join("crates")).expect("there is a folder crates") {
        let folder = entry.expect("it can be read").path();
        let name = folder.file_name();
        assert!(
            members()
                .iter()
                .any(|member| member.folder.file_name() == name),
            "{} is no member of the workspace",
            folder.display()
        );
    }
}

#[test]
fn every_member_shares_edition_toolchain_licence_and_lints() {
    for member in members() {
        let manifest = member.read("Cargo.toml");
        for line in [
            "version.workspace = true",
            "edition.workspace = true",
            "rust-version.workspace = true",
            "license.workspace = true",
            "publish.workspace = true",
            "[lints]\nworkspace = true",
        ] {
            assert!(
                manifest.contains(line),
                "{}: its Cargo.toml lacks {line:?}",
                member.name
            );
        }
    }
}

#[test]
fn every_member_describes_itself() {
    for member in members() {
        assert!(
            member.read("Cargo.toml").contains("\ndescription = \""),
            "{}: its Cargo.toml has no description",
            member.name
        );
    }
}
