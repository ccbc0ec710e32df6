use crate::workspace::{backends, read, root};

#[test]
fn backends_name_the_versions_they_are_built_with() {
    let lock = read(&root().join("Cargo.lock"));
    let locked = locked_versions(&lock);
    for backend in backends() {
        let source: String = backend
            .source_files()
            .iter()
            .map(|path| read(path))
            .collect();
        for field in ["library", "redis_crate"] {
            let claim = string_field(&source, field)
                .unwrap_or_else(|| panic!("{}: no `{field}: \"...\"`", backend.name));
            let pairs = names_and_versions(claim);
            assert!(
                !pairs.is_empty(),
                "{}: {field} {claim:?} names no version",
                backend.name
            );
            for (name, version) in pairs {
                assert!(
                    locked
                        .iter()
                        .any(|locked| locked.0 == name && is_version(version, locked.1)),
                    "{}: {field} says {name} {version}, Cargo.lock has {:?}",
                    backend.name,
                    locked
                        .iter()
                        .filter(|locked| locked.0 == name)
                        .collect::<Vec<_>>()
                );
            }
        }
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

fn string_field<'s>(source: &'s str, field: &str) -> Option<&'s str> {
    let start = source.find(&format!("{field}: \""))? + field.len() + 3;
    source[start..].split('"').next()
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
