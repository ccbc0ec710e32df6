use redis::{Arg, Cmd};

/// Whether the server answers: CLIENT REPLY changes that, and one reply too many or too few would be
/// taken for another's (<https://redis.io/docs/latest/commands/client-reply/>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    /// It answers each command.
    #[default]
    On,
    /// It answers none but CLIENT REPLY ON.
    Off,
    /// It answers all but the next command.
    SkipsNext,
}

impl ReplyMode {
    /// Whether `command` will be answered; to be asked in the order in which commands are sent.
    pub fn answers(&mut self, command: &Cmd) -> bool {
        match asked_for(command) {
            Some(ReplyMode::On) => {
                *self = ReplyMode::On;
                true
            }
            Some(mode) => {
                *self = mode;
                false
            }
            None => match self {
                ReplyMode::On => true,
                ReplyMode::Off => false,
                ReplyMode::SkipsNext => {
                    *self = ReplyMode::On;
                    false
                }
            },
        }
    }
}

fn asked_for(command: &Cmd) -> Option<ReplyMode> {
    let mut words = command.args_iter().map(|argument| match argument {
        Arg::Simple(bytes) => bytes,
        _ => b"",
    });
    let mut is = |word: &[u8]| {
        words
            .next()
            .is_some_and(|bytes| bytes.eq_ignore_ascii_case(word))
    };
    if !is(b"CLIENT") || !is(b"REPLY") {
        return None;
    }
    match words.next()? {
        mode if mode.eq_ignore_ascii_case(b"ON") => Some(ReplyMode::On),
        mode if mode.eq_ignore_ascii_case(b"OFF") => Some(ReplyMode::Off),
        mode if mode.eq_ignore_ascii_case(b"SKIP") => Some(ReplyMode::SkipsNext),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::cmd;

    fn client_reply(mode: &str) -> Cmd {
        cmd("client").arg("Reply").arg(mode).clone()
    }

    #[test]
    fn only_what_the_server_answers_is_waited_for() {
        let mut mode = ReplyMode::default();
        let ping = cmd("PING");
        let answered = [
            client_reply("skip"),
            ping.clone(),
            ping.clone(),
            client_reply("OFF"),
            ping.clone(),
            client_reply("on"),
            ping,
            client_reply("perhaps"),
        ]
        .map(|command| mode.answers(&command));
        assert_eq!(
            answered,
            [false, false, true, false, false, true, true, true]
        );
    }
}
