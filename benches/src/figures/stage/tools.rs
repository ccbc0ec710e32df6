//! taskset, callgrind, strace: what they are asked and how their answers are read.

use std::process::Command;

use super::Problem;
use super::process::{Process, finish};
use crate::cell::Cell;

/// The core for cells that share one with their server: the last, which has the least else to do.
pub(super) fn last_core() -> Result<usize, Problem> {
    let this = std::process::id().to_string();
    let output = finish(Command::new("taskset").args(["-c", "-p", &this]))?;
    let list = String::from_utf8_lossy(&output.stdout);
    last_of(&list).ok_or_else(|| Problem::Failed(format!("taskset: {list:?}")))
}

/// From `pid 1234's current affinity list: 0-3,6`.
fn last_of(affinity: &str) -> Option<usize> {
    affinity.trim().rsplit([' ', ',', '-']).next()?.parse().ok()
}

/// Keeps every thread of a process on one core.
pub(super) fn pin(process: u32, core: usize) -> Result<(), Problem> {
    let (process, core) = (process.to_string(), core.to_string());
    finish(Command::new("taskset").args(["-a", "-c", "-p", &core, &process])).map(drop)
}

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
    fn the_last_core_of_a_list_is_found() {
        assert_eq!(last_of("pid 9's current affinity list: 0-3\n"), Some(3));
        assert_eq!(last_of("pid 9's current affinity list: 1\n"), Some(1));
        assert_eq!(last_of("pid 9's current affinity list: 0,5\n"), Some(5));
    }

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
