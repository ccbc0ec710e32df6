use std::io::{ErrorKind, Write};

use crate::failure::Failure;

/// Writes `text` and a line break to standard output. Its colours are taken out where nobody would
/// see them (not a terminal, NO_COLOR). A reader that has gone away, as in `respool ... | head`, is
/// no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::failed(format!(
            "could not write the report to standard output: {error}"
        ))),
    }
}

/// Writes one JSON document to standard output.
pub(crate) fn print_json(document: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|error| Failure::failed(format!("could not make the JSON document: {error}")))?;
    print(&text)
}
