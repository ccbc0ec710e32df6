use crate::workspace::{backends, files_below, member_called, read, root};

#[test]
fn backends_name_the_versions_they_are_built_with() {
    for backend in backends() {
        let source: String = backend
            .source_files()
            .iter()
            .map(|path| read(path))
            .collect();
        for field in ["library", "redis_crate"] {
            let claim = string_fields(&source, field);
            let claim = claim
                .first()
                .unwrap_or_else(|| panic!("{}: no `{field}: \"...\"`", backend.name));
            assert_is_locked(&backend.name, claim);
        }
    }
}

#[test]
fn stock_subjects_name_the_versions_they_are_built_with() {
    let folder = member_called("respool-conformance")
        .folder
        .join("src/stock");
    let mut named = 0;
    for path in files_below(&folder, &["rs"]) {
        let source = read(&path);
        for field in ["library", "redis_crate"] {
            for claim in string_fields(&source, field) {
                assert_is_locked(&path.display().to_string(), claim);
                named += 1;
            }
        }
    }
    assert!(named > 0, "no stock subject names a version");
}

fn assert_is_locked(who: &str, claim: &str) {
    let lock = read(&root().join("Cargo.lock"));
    let locked = locked_versions(&lock);
    let pairs = names_and_versions(claim);
    assert!(!pairs.is_empty(), "{who}: {claim:?} names no version");
    for (name, version) in pairs {
        let of_that_name = || locked.iter().filter(move |locked| locked.0 == name);
        assert!(
            of_that_name().any(|locked| is_version(version, locked.1)),
            "{who} says {name} {version}, Cargo.lock has {:?}",
            of_that_name().collect::<Vec<_>>()
        );
    }
}

/// Each package of Cargo.lock with its version.
fn locked_versions(lock: &str) -> Vec<(&str, &str)> {
    let field = |package: &'_ str, name: &str| -> Option<(usize, usize)> {
        let start = package.find(&format!("{name} = \""))? + name.len() + 4;
        Some((start, start + package[start..].find('"')?))
    };
    lock.split("[[package]]")
        .filter_map(|package| {
            let (name, version) = (field(package, "name")?, field(package, "version")?);
            Some((&package[name.0..name.1], &package[version.0..version.1]))
        })
        .collect()
}

/// The texts of `field: "..."` in `source`.
fn string_fields<'s>(source: &'s str, field: &str) -> Vec<&'s str> {
    source
        .split(&format!("{field}: \""))
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect()
}

/// `("mobc", "0.9.0")` from `mobc 0.9.0`, also in longer sentences.
fn names_and_versions(claim: &str) -> Vec<(&str, &str)> {
    let words: Vec<&str> = claim
        .split([' ', ',', '(', ')'])
        .filter(|word| !word.is_empty())
        .collect();
    words
        .windows(2)
        .filter(|pair| pair[1].starts_with(|first: char| first.is_ascii_digit()))
        .map(|pair| (pair[0], pair[1]))
        .collect()
}

/// Whether `claimed` is `locked`, or its beginning: 1.8 for 1.8.1, not for 1.80.
fn is_version(claimed: &str, locked: &str) -> bool {
    locked
        .strip_prefix(claimed)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[test]
fn versions_are_compared_part_by_part() {
    assert!(is_version("1.8", "1.8.1") && is_version("1.8.1", "1.8.1"));
    assert!(!is_version("1.8", "1.80.0") && !is_version("1.8.2", "1.8.1"));
    assert_eq!(
        names_and_versions("mobc-redis 0.9.0 (redis 0.28.2)"),
        [("mobc-redis", "0.9.0"), ("redis", "0.28.2")]
    );
}
