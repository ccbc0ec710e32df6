use crate::workspace::{backends, files_below, root};

#[test]
fn backends_use_the_same_file_names_for_the_same_jobs() {
    for backend in backends() {
        for (file, what_it_holds) in [
            ("src/lib.rs", "BACKEND"),
            ("src/backend.rs", ""),
            ("tests/conformance.rs", "conformance_tests!"),
        ] {
            assert!(
                backend.folder.join(file).is_file() && backend.read(file).contains(what_it_holds),
                "{} has no {file} with its {what_it_holds}",
                backend.name
            );
        }
    }
}

#[test]
fn no_file_is_named_after_nothing() {
    for path in files_below(root(), &["rs"]) {
        let name = path.file_stem().unwrap_or_default();
        for vague in [
            "inner",
            "internals",
            "util",
            "utils",
            "common",
            "helpers",
            "misc",
        ] {
            assert!(
                name != vague,
                "{}: say by its name what is in it",
                path.display()
            );
        }
    }
}
