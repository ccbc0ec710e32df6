//! [`Script`]: which commands get a special answer.

use std::collections::{HashMap, VecDeque};

use super::Answer;

/// Answers by command name, in any case; subcommands of CLIENT and CONFIG are
/// named "client|setinfo", and "client" stands for all of them.
///
/// For each command the first of these that exists decides: the next
/// [`once`](Script::once) of its name, [`on`](Script::on), then what
/// [`any`](Script::any) says. Those with a subcommand's name come before those
/// with its command's.
///
/// ```
/// use respool_testserver::{Answer, Script};
///
/// let at_its_limit = Script::new().on_connect(Answer::BytesThenClose(
///     b"-ERR max number of clients reached\r\n".to_vec(),
/// ));
/// let in_a_failover = Script::new()
///     .once("SET", Answer::Bytes(b"-READONLY You can't write against a read only replica.\r\n".to_vec()))
///     .on("CLIENT|SETINFO", Answer::Silence);
/// let locked = Script::any(Answer::Bytes(b"-NOAUTH Authentication required.\r\n".to_vec()));
/// # let _ = (at_its_limit, in_a_failover, locked);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Script {
    on_connect: Option<Answer>,
    once: HashMap<String, VecDeque<Answer>>,
    on: HashMap<String, Answer>,
    any: Option<Answer>,
}

impl Script {
    /// No special answers.
    pub fn new() -> Script {
        Script::default()
    }

    /// The same answer to every command; exceptions may follow.
    pub fn any(answer: Answer) -> Script {
        Script {
            any: Some(answer),
            ..Script::default()
        }
    }

    /// This answer to this command, each time.
    #[must_use]
    pub fn on(mut self, name: &str, answer: Answer) -> Script {
        self.on.insert(name.to_ascii_lowercase(), answer);
        self
    }

    /// This answer to this command the first time anybody sends it; several are
    /// used up in order.
    #[must_use]
    pub fn once(mut self, name: &str, answer: Answer) -> Script {
        self.once
            .entry(name.to_ascii_lowercase())
            .or_default()
            .push_back(answer);
        self
    }

    /// What happens when a client connects, before it has said anything.
    #[must_use]
    pub fn on_connect(mut self, answer: Answer) -> Script {
        self.on_connect = Some(answer);
        self
    }

    pub(super) fn answer_to_connect(&self) -> Answer {
        self.on_connect.clone().unwrap_or(Answer::Default)
    }

    /// The answer to a command, whose name is lower case.
    pub(super) fn answer(&mut self, name: &str) -> Answer {
        self.special_answer(name)
            .or_else(|| self.special_answer(name.split_once('|')?.0))
            .or_else(|| self.any.clone())
            .unwrap_or(Answer::Default)
    }

    fn special_answer(&mut self, name: &str) -> Option<Answer> {
        self.once
            .get_mut(name)
            .and_then(VecDeque::pop_front)
            .or_else(|| self.on.get(name).cloned())
    }
}
