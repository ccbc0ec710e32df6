use std::collections::VecDeque;

use redis::{Arg, Cmd, Pipeline, Value};
use respool_core::PushHandler;

/// The most messages that are kept for a holder who reads none.
const MOST: usize = 65_536;

/// What the server pushed and nobody has read yet.
#[derive(Debug)]
pub(crate) struct Messages {
    unread: VecDeque<Value>,
    /// After SUBSCRIBE, MONITOR and SYNC the server sends what no request asked for.
    pub(crate) gates_are_open: bool,
    on_push: Option<PushHandler>,
}

impl Messages {
    pub(crate) fn new(on_push: Option<PushHandler>) -> Self {
        Messages {
            unread: VecDeque::new(),
            gates_are_open: false,
            on_push,
        }
    }

    /// Keeps a message, and has it handled if it was pushed. False: more are unread than anybody could
    /// want. Where they are handled nobody may want to read them, and the oldest is forgotten.
    #[must_use]
    pub(crate) fn keep(&mut self, message: Value) -> bool {
        let is_full = self.unread.len() >= MOST;
        match &self.on_push {
            Some(handler) if matches!(message, Value::Push { .. }) => {
                if is_full {
                    self.unread.pop_front();
                }
                handler.call(message.clone());
            }
            _ if is_full => return false,
            _ => {}
        }
        self.unread.push_back(message);
        true
    }

    /// Has a message handled that came where nobody reads any.
    pub(crate) fn handle(&self, message: Value) {
        if let Some(handler) = &self.on_push {
            handler.call(message);
        }
    }

    pub(crate) fn next(&mut self) -> Option<Value> {
        self.unread.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.unread.is_empty()
    }

    /// For the next holder of the connection, who has asked for none.
    pub(crate) fn forget(&mut self) {
        self.unread = VecDeque::new();
    }

    pub(crate) fn note_command(&mut self, command: &Cmd) {
        if let Some(Arg::Simple(name)) = command.args_iter().next() {
            self.gates_are_open |= opens_the_gates(name);
        }
    }

    pub(crate) fn note_pipeline(&mut self, pipeline: &Pipeline) {
        for command in pipeline.cmd_iter() {
            self.note_command(command);
        }
    }
}

fn opens_the_gates(name: &[u8]) -> bool {
    let ends_with = |end: &[u8]| {
        let start = name.len().checked_sub(end.len());
        start.is_some_and(|start| name[start..].eq_ignore_ascii_case(end))
    };
    ends_with(b"SUBSCRIBE") || ends_with(b"MONITOR") || ends_with(b"SYNC")
}

/// Whether what came to a connection with open gates is a message: one to a subscriber under RESP2,
/// where nothing else tells, or a line of MONITOR, which is a status in both protocols.
pub(crate) fn is_message(value: &Value) -> bool {
    match value {
        Value::Array(parts) => match parts.first() {
            Some(Value::BulkString(kind)) => {
                matches!(kind.as_slice(), b"message" | b"pmessage" | b"smessage")
            }
            _ => false,
        },
        Value::SimpleString(line) => is_of_monitor(line),
        _ => false,
    }
}

/// Whether `line` is like `1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`
/// (<https://redis.io/docs/latest/commands/monitor/>). No command answers so.
fn is_of_monitor(line: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    line.split_once(" [").is_some_and(|(time, rest)| {
        let (seconds, micros) = time.split_once('.').unwrap_or_default();
        is_number(seconds) && is_number(micros) && rest.contains("] ")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_monitor_is_told_from_a_status() {
        let is_line = |text: &str| is_message(&Value::SimpleString(text.to_owned()));
        assert!(is_line(
            r#"1339518083.107412 [0 127.0.0.1:60866] "keys" "*""#
        ));
        assert!(is_line(r#"1339518083.107412 [0 lua] "get" "key""#));
        for status in [
            "PONG",
            "",
            "1339518083.107412",
            "v1.2 [beta] x",
            ". [0 a] b",
        ] {
            assert!(!is_line(status), "{status}");
        }
    }
}
