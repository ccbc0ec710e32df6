use crate::workspace::{files_below, read, root};

#[test]
fn nothing_is_left_undone_or_skipped() {
    // Spelled so that this file doesn't contain them.
    let marks = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("FIX", "ME"),
        concat!("#[", "ignore"),
        concat!("```", "ignore"),
        concat!("```rust,", "ignore"),
    ];
    for path in files_below(root(), &["rs", "md"]) {
        for (number, line) in read(&path).lines().enumerate() {
            for mark in marks {
                assert!(
                    !line.contains(mark),
                    "{}:{}: {}",
                    path.display(),
                    number + 1,
                    line.trim()
                );
            }
        }
    }
}

#[test]
fn ci_runs_the_same_commands_as_everybody() {
    let script = read(&root().join(".ci/run"));
    for command in ["cargo xtask test", "cargo xtask ci --after test"] {
        assert!(
            script.lines().any(|line| line == command),
            ".ci/run lacks {command:?}"
        );
    }
}
