use std::fs;
use std::process::Stdio;
use std::time::Instant;

use crate::step::seconds;
use crate::{redis, workspace};

const PAGE: &str = "docs/backends.md";
const BEGIN: &str = "<!-- matrix: begin, written by `cargo xtask matrix` -->";
const END: &str = "<!-- matrix: end -->";

/// Puts every backend and every stock pool to the kit, and writes what came of it into the page.
pub(crate) fn write() -> Result<(), String> {
    let path = workspace::root().join(PAGE);
    let page = fs::read_to_string(&path).map_err(|error| format!("{PAGE}: {error}"))?;
    // Before the long work: a page without its marks is not to be found out after it.
    splice(&page, "")?;
    let matrix = run()?;
    fs::write(&path, splice(&page, &matrix)?).map_err(|error| format!("{PAGE}: {error}"))?;
    eprintln!("xtask: {PAGE} is written");
    Ok(())
}

fn run() -> Result<String, String> {
    let started = Instant::now();
    let output = workspace::cargo("run")
        .args(["-p", "respool-cli", "--features", "stock", "--"])
        .args(["check", "--stock", "--markdown", "--jobs", "4"])
        .env(redis::VARIABLE, redis::find_or_install()?)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    let time = seconds(started.elapsed());
    if !output.status.success() {
        return Err(format!(
            "a backend breaks a promise, or the kit could not run ({}, {time}); {PAGE} is as it was",
            output.status
        ));
    }
    eprintln!("xtask: matrix: done in {time}");
    String::from_utf8(output.stdout).map_err(|error| format!("the matrix is no text: {error}"))
}

/// `page` with `matrix` between its marks.
fn splice(page: &str, matrix: &str) -> Result<String, String> {
    let parts = page
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    match parts {
        Some((before, after)) => Ok(format!(
            "{before}{BEGIN}\n\n{}\n\n{END}{after}",
            matrix.trim()
        )),
        None => Err(format!(
            "{PAGE} has no place for the matrix: {BEGIN} ... {END}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_the_matrix_stays() {
        let page = format!("# Title\n\n{BEGIN}\nold\n{END}\n\nMore.\n");
        let written = splice(&page, "new\n").unwrap();
        assert_eq!(
            written,
            format!("# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\nMore.\n")
        );
        assert_eq!(splice(&written, "new").unwrap(), written);
    }

    #[test]
    fn a_page_without_marks_is_refused() {
        assert!(splice("# Title\n", "new").is_err());
    }
}
