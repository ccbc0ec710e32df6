use std::collections::VecDeque;

use redis::{Arg, Cmd, Pipeline, PushKind, Value};
use respool_core::PushHandler;

/// The most messages that are kept for a holder who reads none.
const MOST: usize = 65_536;

/// What the server pushed and nobody has read yet.
#[derive(Debug)]
pub(crate) struct Messages {
    unread: VecDeque<Value>,
    /// After SUBSCRIBE, MONITOR and SYNC the server sends what no request asked for.
    pub(crate) gates_are_open: bool,
    /// Of each subscription that is not confirmed yet, in order.
    subscriptions: VecDeque<Subscription>,
    on_push: Option<PushHandler>,
}

/// A command that the server confirms once for each channel: the first time is its reply.
#[derive(Debug)]
struct Subscription {
    channels: usize,
    is_answered: bool,
}

impl Messages {
    pub(crate) fn new(on_push: Option<PushHandler>) -> Self {
        Messages {
            unread: VecDeque::new(),
            gates_are_open: false,
            subscriptions: VecDeque::new(),
            on_push,
        }
    }

    /// Keeps a message, and has it handled if it was pushed. What merely confirms a subscription is
    /// none. False: more are unread than anybody could want. Where they are handled nobody may want to
    /// read them, and the oldest is forgotten.
    #[must_use]
    pub(crate) fn keep(&mut self, message: Value) -> bool {
        if is_confirmation(&message) {
            return true;
        }
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

    /// Takes note of `command`, which is being sent while `owed` others were not answered yet.
    pub(crate) fn note_command(&mut self, command: &Cmd, owed: u64) {
        let Some(Arg::Simple(name)) = command.args_iter().next() else {
            return;
        };
        if ends_with(name, b"SUBSCRIBE") {
            if owed == 0 {
                // Those that are left were refused, or tell of channels that nobody counted.
                self.subscriptions.clear();
            }
            self.subscriptions.push_back(Subscription {
                channels: command.args_iter().skip(1).count().max(1),
                is_answered: false,
            });
            self.gates_are_open = true;
        }
        self.gates_are_open |= ends_with(name, b"MONITOR") || ends_with(name, b"SYNC");
    }

    /// The same for each command of `pipeline`.
    pub(crate) fn note_pipeline(&mut self, pipeline: &Pipeline, owed: u64) {
        for (before, command) in (owed..).zip(pipeline.cmd_iter()) {
            self.note_command(command, before);
        }
    }

    /// Whether what came to a connection with open gates answers a request, of which `owed` were not
    /// answered yet.
    pub(crate) fn is_answer(&mut self, value: &Value, owed: u64) -> bool {
        if !is_confirmation(value) {
            return owed > 0 && !is_message(value);
        }
        let Some(subscription) = self.subscriptions.front_mut() else {
            return false;
        };
        let is_first = !std::mem::replace(&mut subscription.is_answered, true);
        subscription.channels -= 1;
        if subscription.channels == 0 {
            self.subscriptions.pop_front();
        }
        is_first && owed > 0
    }
}

fn ends_with(name: &[u8], end: &[u8]) -> bool {
    let start = name.len().checked_sub(end.len());
    start.is_some_and(|start| name[start..].eq_ignore_ascii_case(end))
}

/// Whether it confirms that a channel was subscribed to, or is no longer.
fn is_confirmation(value: &Value) -> bool {
    match value {
        Value::Push { kind, .. } => matches!(
            kind,
            PushKind::Subscribe
                | PushKind::PSubscribe
                | PushKind::SSubscribe
                | PushKind::Unsubscribe
                | PushKind::PUnsubscribe
                | PushKind::SUnsubscribe
        ),
        Value::Array(parts) => match parts.as_slice() {
            [Value::BulkString(kind), _, Value::Int(_)] => kind.ends_with(b"subscribe"),
            _ => false,
        },
        _ => false,
    }
}

/// Whether what came to a connection with open gates is a message: one to a subscriber under RESP2,
/// where nothing else tells, or a line of MONITOR, which is a status in both protocols.
fn is_message(value: &Value) -> bool {
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
    use redis::cmd;

    fn confirmation(channel: &str) -> Value {
        let words = ["subscribe", channel].map(|word| Value::BulkString(word.into()));
        let [kind, channel] = words;
        Value::Array(vec![kind, channel, Value::Int(1)])
    }

    #[test]
    fn a_subscription_is_answered_once_however_many_channels_it_has() {
        let mut messages = Messages::new(None);
        messages.note_command(cmd("subscribe").arg("a").arg("b"), 0);
        messages.note_command(cmd("SSUBSCRIBE").arg("c"), 1);
        let answers = ["a", "b", "c"].map(|channel| messages.is_answer(&confirmation(channel), 1));
        assert_eq!(answers, [true, false, true]);
        assert!(!messages.is_answer(&confirmation("more"), 1));
        assert!(messages.keep(confirmation("more")) && messages.is_empty());
    }

    #[test]
    fn a_subscription_that_was_refused_leaves_the_next_one_its_own_reply() {
        let mut messages = Messages::new(None);
        messages.note_command(cmd("SUBSCRIBE").arg("forbidden"), 0);
        assert!(messages.is_answer(&Value::SimpleString("a refusal".into()), 1));
        messages.note_command(cmd("SUBSCRIBE").arg("a").arg("b"), 0);
        let answers = ["a", "b"].map(|channel| messages.is_answer(&confirmation(channel), 1));
        assert_eq!(answers, [true, false]);
    }

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
