use crate::workspace::{read, root};

/// What a page shows before one scrolls.
const FIRST_SCREEN: usize = 60;

#[test]
fn the_first_screen_has_an_example_the_backends_and_both_commands() {
    let readme = read(&root().join("README.md"));
    let first_screen: Vec<&str> = readme.lines().take(FIRST_SCREEN).collect();
    for needed in [
        "```rust,no_run",
        "| backend |",
        "cargo run --release -p respool-cli -- compare",
        "cargo xtask test",
    ] {
        assert!(
            first_screen.iter().any(|line| line.starts_with(needed)),
            "the first {FIRST_SCREEN} lines of README.md lack {needed:?}"
        );
    }
}

#[test]
fn the_facade_compiles_the_readme_as_a_doctest() {
    let facade = read(&root().join("crates/respool/src/lib.rs"));
    assert!(facade.contains("include_str!(\"../../../README.md\")"));
}
