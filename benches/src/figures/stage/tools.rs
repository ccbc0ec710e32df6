//! callgrind, strace: what they are asked and how their answers are read.

use respool_benches::table::{Problem, Process};

use crate::cell::Cell;

/// All instructions of a cell's process.
pub(super) fn instructions(cell: &Cell) -> Result<f64, Problem> {
    let output = Process::of(cell)
        .under(&[
            "valgrind",
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
        ])
        .run()?;
    let said = String::from_utf8_lossy(&output.stderr);
    collected(&said).ok_or_else(|| Problem::Failed("callgrind has collected nothing".to_owned()))
}

/// From `==1234== Collected : 5678`.
fn collected(said: &str) -> Option<f64> {
    said.lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, number)| number.trim().parse().ok())
}

/// System calls of a process.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Calls {
    /// Until something can be read.
    pub(super) waits: f64,
    pub(super) others: f64,
}

/// All system calls of a cell's process and its threads.
pub(super) fn system_calls(cell: &Cell) -> Result<Calls, Problem> {
    let table = tempfile::NamedTempFile::new()
        .map_err(|error| Problem::Failed(format!("a file for strace: {error}")))?;
    let path = table.path().to_string_lossy().into_owned();
    Process::of(cell)
        .under(&["strace", "-f", "-c", "-o", &path])
        .run()?;
    let table = std::fs::read_to_string(table.path())
        .map_err(|error| Problem::Failed(format!("strace's table: {error}")))?;
    let calls = calls(&table);
    if calls == Calls::default() {
        return Err(Problem::Failed("strace has counted nothing".to_owned()));
    }
    Ok(calls)
}

/// From lines such as `12.5  0.001  3  400  2 recvfrom`: the errors may be missing.
fn calls(table: &str) -> Calls {
    let mut calls = Calls::default();
    for line in table.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, _, _, count, .., name] = words[..] else {
            continue;
        };
        let Ok(count) = count.parse::<f64>() else {
            continue;
        };
        match name {
            "total" => {}
            _ if name.starts_with("epoll_") && name.contains("wait") => calls.waits += count,
            _ => calls.others += count,
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_read_from_what_callgrind_says() {
        let said = "==7== \n==7== Events    : Ir\n==7== Collected : 1234\n";
        assert_eq!(collected(said), Some(1234.0));
        assert_eq!(collected("==7== Command line"), None);
    }

    #[test]
    fn calls_are_read_with_and_without_errors() {
        let table = "\
            % time     seconds  usecs/call     calls    errors syscall\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
             50.00    0.000200           2       100           sendto\n\
             30.00    0.000100           1       101         1 recvfrom\n\
             20.00    0.000100           1        99           epoll_wait\n\
              0.00    0.000000           0         1           epoll_ctl\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            100.00    0.000400           1       301         1 total\n";
        let read = calls(table);
        assert_eq!((read.others, read.waits), (202.0, 99.0));
    }
}
