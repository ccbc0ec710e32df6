use std::collections::VecDeque;

use redis::{Arg, Cmd, PushKind, Value};
use respool_core::PushHandler;

/// The most messages that are kept for a holder who reads none.
const MOST: usize = 65_536;

/// What the server pushed and nobody has read yet.
#[derive(Debug)]
pub(crate) struct Messages {
    unread: VecDeque<Value>,
    /// After SUBSCRIBE, MONITOR and SYNC the server sends what no request asked for.
    pub(crate) gates_are_open: bool,
    /// After MONITOR it writes whole commands into one line.
    pub(crate) lines_may_be_long: bool,
    /// Messages are pushed (RESP3), and a list is a reply, whatever stands in it. False where that isn't
    /// known, and lists that look like messages are taken for them.
    pub(crate) are_pushed: bool,
    /// Each subscription that is not answered yet, in order.
    subscriptions: VecDeque<Subscription>,
    /// Answers that came since the gates were opened.
    answered: u64,
    /// To how many channels and patterns, and to how many channels of shards, the connection is subscribed
    /// as far as was confirmed. Under RESP2 only a subscriber gets messages.
    subscribed: [i64; 2],
    on_push: Option<PushHandler>,
}

/// A command that the server confirms once for each channel: the first time is its reply. The rest may come
/// when others were sent already, and how many they are isn't known where UNSUBSCRIBE names no channel:
/// they are told from its reply by what is in them, and by their place among the answers.
#[derive(Debug)]
struct Subscription {
    /// What `answered` is when its reply comes.
    turn: u64,
    /// The command's name, which is the server's word for it as well.
    name: Vec<u8>,
    /// The channel that is confirmed first, if it names any.
    channel: Option<Vec<u8>>,
}

impl Messages {
    pub(crate) fn new(on_push: Option<PushHandler>) -> Self {
        Messages {
            unread: VecDeque::new(),
            gates_are_open: false,
            lines_may_be_long: false,
            are_pushed: false,
            subscriptions: VecDeque::new(),
            answered: 0,
            subscribed: [0; 2],
            on_push,
        }
    }

    /// Keeps a message, and has it handled if it was pushed. What merely confirms a subscription is
    /// none. False: more are unread than anybody could want. Where they are handled nobody may want to
    /// read them, and the oldest is forgotten.
    #[must_use]
    pub(crate) fn keep(&mut self, message: Value) -> bool {
        if self.confirmation(&message).is_some() {
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

    /// Takes note of `command`, which is being sent. Its reply comes after `ahead` others; `None` where
    /// it has none that could be a confirmation: in a transaction, or after CLIENT REPLY OFF or SKIP,
    /// which take no confirmation away.
    pub(crate) fn note_command(&mut self, command: &Cmd, ahead: Option<u64>) {
        let mut words = command.args_iter();
        let Some(Arg::Simple(name)) = words.next() else {
            return;
        };
        if ends_with(name, b"SUBSCRIBE") {
            if let Some(ahead) = ahead {
                self.subscriptions.push_back(Subscription {
                    turn: self.answered + ahead,
                    name: name.to_vec(),
                    channel: match words.next() {
                        Some(Arg::Simple(channel)) => Some(channel.to_vec()),
                        _ => None,
                    },
                });
            }
            self.gates_are_open = true;
        }
        // After these the server may speak the other protocol.
        let may_change = |command: &[u8]| name.eq_ignore_ascii_case(command);
        self.are_pushed &= !(may_change(b"HELLO") || may_change(b"RESET"));
        self.lines_may_be_long |= ends_with(name, b"MONITOR");
        self.gates_are_open |= self.lines_may_be_long || ends_with(name, b"SYNC");
    }

    /// Whether what came to a connection with open gates answers a request, of which `owed` were not
    /// answered yet.
    pub(crate) fn is_answer(&mut self, value: &Value, owed: u64) -> bool {
        let front = self.subscriptions.front();
        let awaited = front.filter(|subscription| subscription.turn == self.answered);
        let answers = match self.confirmation(value) {
            Some((word, channel)) => awaited.is_some_and(|it| it.is_confirmed_by(word, channel)),
            None => !self.is_message(value),
        };
        let is_awaited = awaited.is_some();
        self.note_confirmations(value);
        if !answers || owed == 0 {
            return false;
        }
        match value {
            // Only RESP3 has these, and nothing was sent since that could have changed it.
            Value::Map(_) if owed == 1 => self.are_pushed = true,
            Value::SimpleString(status) if status == "RESET" => self.subscribed = [0; 2],
            _ => {}
        }
        // A refusal answers it as well, and so does QUEUED.
        if is_awaited {
            self.subscriptions.pop_front();
        }
        self.answered += 1;
        true
    }

    /// Keeps count of what is subscribed to, also where EXEC answers with what confirms that.
    fn note_confirmations(&mut self, value: &Value) {
        if self.note_confirmation(value) {
            return;
        }
        if let Value::Array(executed) = value {
            for reply in executed {
                self.note_confirmation(reply);
            }
        }
    }

    fn note_confirmation(&mut self, value: &Value) -> bool {
        let Some((word, _)) = self.confirmation(value) else {
            return false;
        };
        let is_of_shards = usize::from(matches!(word, b"ssubscribe" | b"sunsubscribe"));
        let (Value::Push { data: parts, .. } | Value::Array(parts)) = value else {
            return false;
        };
        if let Some(Value::Int(count)) = parts.last() {
            self.subscribed[is_of_shards] = *count;
        }
        true
    }

    /// If it confirms that a channel was subscribed to, or is no longer: the word for that, and the channel.
    fn confirmation<'v>(&self, value: &'v Value) -> Option<(&'v [u8], &'v Value)> {
        match value {
            Value::Push { kind, data } => Some((confirming_word(kind)?.as_bytes(), data.first()?)),
            Value::Array(parts) if !self.are_pushed => match parts.as_slice() {
                [Value::BulkString(word), channel, Value::Int(_)]
                    if word.ends_with(b"subscribe") =>
                {
                    Some((word.as_slice(), channel))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether what came to a connection with open gates is a message: one that was pushed, one to a
    /// subscriber under RESP2, where only its words tell, or a line of MONITOR, which is a status in
    /// both protocols.
    fn is_message(&self, value: &Value) -> bool {
        match value {
            Value::Array(parts) if !self.are_pushed && self.subscribed != [0; 2] => {
                match parts.first() {
                    Some(Value::BulkString(kind)) => {
                        matches!(kind.as_slice(), b"message" | b"pmessage" | b"smessage")
                    }
                    _ => false,
                }
            }
            Value::SimpleString(line) => is_of_monitor(line),
            Value::Push { .. } => true,
            _ => false,
        }
    }
}

impl Subscription {
    fn is_confirmed_by(&self, word: &[u8], channel: &Value) -> bool {
        let is_named =
            |name: &[u8]| matches!(channel, Value::BulkString(channel) if channel == name);
        self.name.eq_ignore_ascii_case(word) && self.channel.as_deref().is_none_or(is_named)
    }
}

fn ends_with(name: &[u8], end: &[u8]) -> bool {
    let start = name.len().checked_sub(end.len());
    start.is_some_and(|start| name[start..].eq_ignore_ascii_case(end))
}

fn confirming_word(kind: &PushKind) -> Option<&'static str> {
    match kind {
        PushKind::Subscribe => Some("subscribe"),
        PushKind::PSubscribe => Some("psubscribe"),
        PushKind::SSubscribe => Some("ssubscribe"),
        PushKind::Unsubscribe => Some("unsubscribe"),
        PushKind::PUnsubscribe => Some("punsubscribe"),
        PushKind::SUnsubscribe => Some("sunsubscribe"),
        _ => None,
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

    fn confirmed(words: &str) -> Value {
        let mut parts: Vec<Value> = words
            .split(' ')
            .map(|word| Value::BulkString(word.into()))
            .collect();
        parts.push(Value::Int(1));
        Value::Array(parts)
    }

    #[test]
    fn a_subscription_is_answered_once_however_many_channels_it_has() {
        let mut messages = Messages::new(None);
        messages.note_command(cmd("subscribe").arg("a").arg("b"), Some(0));
        messages.note_command(cmd("SSUBSCRIBE").arg("c"), Some(1));
        let words = ["subscribe a", "subscribe b", "ssubscribe c"];
        let answers = words.map(|words| messages.is_answer(&confirmed(words), 1));
        assert_eq!(answers, [true, false, true]);
        let more = confirmed("subscribe more");
        assert!(!messages.is_answer(&more, 1));
        assert!(messages.keep(more) && messages.is_empty());
    }

    #[test]
    fn what_is_left_of_a_subscription_answers_no_later_one() {
        let mut messages = Messages::new(None);
        messages.note_command(cmd("SUBSCRIBE").arg("a").arg("b"), Some(0));
        assert!(messages.is_answer(&confirmed("subscribe a"), 1));
        messages.note_command(cmd("PSUBSCRIBE").arg("b"), Some(0));
        messages.note_command(&cmd("UNSUBSCRIBE"), Some(1));
        let words = [
            "subscribe b",
            "psubscribe b",
            "psubscribe c",
            "unsubscribe a",
        ];
        let answers = words.map(|words| messages.is_answer(&confirmed(words), 1));
        assert_eq!(answers, [false, true, false, true]);
    }

    #[test]
    fn a_subscription_that_was_refused_leaves_the_next_one_its_own_reply() {
        let mut messages = Messages::new(None);
        messages.note_command(cmd("SUBSCRIBE").arg("forbidden"), Some(0));
        assert!(messages.is_answer(&Value::SimpleString("a refusal".into()), 1));
        messages.note_command(cmd("SUBSCRIBE").arg("a").arg("b"), Some(0));
        let words = ["subscribe a", "subscribe b"];
        let answers = words.map(|words| messages.is_answer(&confirmed(words), 1));
        assert_eq!(answers, [true, false]);
    }

    #[test]
    fn what_confirms_a_subscription_without_a_reply_answers_nobody() {
        let mut messages = Messages::new(None);
        messages.note_command(cmd("SUBSCRIBE").arg("a"), None);
        assert!(!messages.is_answer(&confirmed("subscribe a"), 1));
    }

    #[test]
    fn where_messages_are_pushed_a_list_is_a_reply() {
        let mut messages = Messages::new(None);
        messages.are_pushed = true;
        messages.note_command(cmd("SUBSCRIBE").arg("a"), Some(0));
        let subscribed = Value::Push {
            kind: PushKind::Subscribe,
            data: vec![Value::BulkString("a".into()), Value::Int(1)],
        };
        assert!(messages.is_answer(&subscribed, 1));
        let lists = ["message a", "subscribe a"].map(confirmed);
        assert!(lists.iter().all(|list| messages.is_answer(list, 1)));
        // It may be RESP2 that the server speaks then, until it answers as only RESP3 does.
        messages.note_command(cmd("HELLO").arg(2), Some(0));
        assert!(!lists.iter().any(|list| messages.is_answer(list, 1)));
        assert!(messages.is_answer(&Value::Map(Vec::new()), 1));
        assert!(lists.iter().all(|list| messages.is_answer(list, 1)));
    }

    #[test]
    fn only_a_subscriber_gets_messages() {
        let mut messages = Messages::new(None);
        messages.note_command(cmd("SUBSCRIBE").arg("a"), Some(0));
        let list = confirmed("message a text");
        assert!(messages.is_answer(&confirmed("subscribe a"), 1));
        assert!(!messages.is_answer(&list, 1));
        messages.note_command(&cmd("UNSUBSCRIBE"), Some(0));
        let none_left = Value::Array(vec![
            Value::BulkString("unsubscribe".into()),
            Value::BulkString("a".into()),
            Value::Int(0),
        ]);
        assert!(messages.is_answer(&none_left, 1));
        assert!(messages.is_answer(&list, 1));
        // By way of EXEC.
        assert!(messages.is_answer(&Value::Array(vec![confirmed("subscribe b")]), 1));
        assert!(!messages.is_answer(&list, 1));
    }

    #[test]
    fn a_line_of_monitor_is_told_from_a_status() {
        let messages = Messages::new(None);
        let is_line = |text: &str| messages.is_message(&Value::SimpleString(text.to_owned()));
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
