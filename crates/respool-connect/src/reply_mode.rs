use redis::{Arg, Cmd, Pipeline};

/// Whether the server answers: CLIENT REPLY changes that, and one reply too many or too few would be
/// taken for another's (<https://redis.io/docs/latest/commands/client-reply/>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    /// It answers each command.
    #[default]
    On,
    /// It answers none but CLIENT REPLY ON and RESET.
    Off,
    /// It answers all but the next command.
    SkipsNext,
}

/// What a command makes of it.
enum Change {
    On,
    Off,
    Skip,
    Reset,
}

impl ReplyMode {
    /// Whether `command` will be answered; to be asked in the order in which commands are sent.
    pub fn answers(&mut self, command: &Cmd) -> bool {
        match asked_for(command) {
            None => self.answers_another(),
            Some(Change::On) => {
                *self = ReplyMode::On;
                true
            }
            Some(Change::Off) => {
                *self = ReplyMode::Off;
                false
            }
            Some(Change::Skip) => {
                if *self != ReplyMode::Off {
                    *self = ReplyMode::SkipsNext;
                }
                false
            }
            Some(Change::Reset) => std::mem::take(self) != ReplyMode::SkipsNext,
        }
    }

    /// How many of the first replies to an atomic pipeline won't come, among those to MULTI, to each
    /// command and to EXEC. `None`: a CLIENT REPLY in it would break off the reply to EXEC.
    pub fn unanswered_of(&mut self, transaction: &Pipeline) -> Option<usize> {
        let would_break_off = |command| matches!(asked_for(command), Some(change) if !matches!(change, Change::Reset));
        if transaction.cmd_iter().any(would_break_off) {
            return None;
        }
        let mut unanswered = usize::from(!self.answers_another());
        for command in transaction.cmd_iter() {
            unanswered += usize::from(!self.answers(command));
        }
        Some(unanswered + usize::from(!self.answers_another()))
    }

    /// Whether a command will be answered that changes nothing of this.
    fn answers_another(&mut self) -> bool {
        match self {
            ReplyMode::On => true,
            ReplyMode::Off => false,
            ReplyMode::SkipsNext => {
                *self = ReplyMode::On;
                false
            }
        }
    }
}

/// A word more, and the server refuses it.
fn asked_for(command: &Cmd) -> Option<Change> {
    let mut words = command.args_iter().map(|argument| match argument {
        Arg::Simple(bytes) => bytes,
        _ => b"",
    });
    let is = |word: &[u8], expected: &[u8]| word.eq_ignore_ascii_case(expected);
    let change = match words.next()? {
        name if is(name, b"CLIENT") => {
            if !is(words.next()?, b"REPLY") {
                return None;
            }
            match words.next()? {
                mode if is(mode, b"ON") => Change::On,
                mode if is(mode, b"OFF") => Change::Off,
                mode if is(mode, b"SKIP") => Change::Skip,
                _ => return None,
            }
        }
        name if is(name, b"RESET") => Change::Reset,
        _ => return None,
    };
    words.next().is_none().then_some(change)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &str) -> Cmd {
        let mut command = Cmd::new();
        command.arg(words.split(' ').collect::<Vec<_>>());
        command
    }

    /// Of one command after another on one connection.
    fn answered<const N: usize>(commands: [&str; N]) -> [bool; N] {
        let mut mode = ReplyMode::default();
        commands.map(|words| mode.answers(&command(words)))
    }

    #[test]
    fn only_what_the_server_answers_is_waited_for() {
        let commands = [
            "client Reply skip",
            "PING",
            "PING",
            "CLIENT REPLY OFF",
            "PING",
            "CLIENT REPLY on",
            "PING",
            "CLIENT REPLY perhaps",
        ];
        assert_eq!(
            answered(commands),
            [false, false, true, false, false, true, true, true]
        );
    }

    #[test]
    fn what_is_off_stays_off_after_skip() {
        let commands = ["CLIENT REPLY OFF", "CLIENT REPLY SKIP", "PING", "PING"];
        assert_eq!(answered(commands), [false; 4]);
    }

    #[test]
    fn what_is_refused_changes_nothing() {
        let commands = ["CLIENT REPLY OFF now", "RESET now", "PING"];
        assert_eq!(answered(commands), [true; 3]);
        let commands = ["CLIENT REPLY OFF", "CLIENT REPLY ON now", "PING"];
        assert_eq!(answered(commands), [false; 3]);
    }

    #[test]
    fn reset_turns_replies_on_but_its_own_may_be_skipped() {
        let commands = ["CLIENT REPLY OFF", "RESET", "PING"];
        assert_eq!(answered(commands), [false, true, true]);
        let commands = ["CLIENT REPLY SKIP", "RESET", "PING"];
        assert_eq!(answered(commands), [false, false, true]);
    }

    #[test]
    fn of_a_transaction_the_first_replies_may_not_come() {
        let unanswered = |mode: &str, commands: &[&str]| {
            let (mut reply_mode, mut pipeline) = (ReplyMode::default(), redis::pipe());
            pipeline.atomic();
            for words in commands {
                pipeline.add_command(command(words));
            }
            reply_mode.answers(&command(mode));
            let unanswered = reply_mode.unanswered_of(&pipeline);
            (unanswered, reply_mode)
        };
        let commands = ["SET key value", "PING"];
        assert_eq!(unanswered("PING", &commands), (Some(0), ReplyMode::On));
        let skip = unanswered("CLIENT REPLY SKIP", &commands);
        assert_eq!(skip, (Some(1), ReplyMode::On));
        let off = unanswered("CLIENT REPLY OFF", &commands);
        assert_eq!(off, (Some(4), ReplyMode::Off));
        let inside = unanswered("CLIENT REPLY OFF", &["CLIENT REPLY ON", "PING"]);
        assert_eq!(inside, (None, ReplyMode::Off));
    }
}
