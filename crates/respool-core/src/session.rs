//! The session table: what a command does to the connection that it runs on.
//!
//! A reference for the names is the command index of Redis (<https://redis.io/commands>); what a
//! connection remembers is what `RESET` is documented to clear, and READONLY/READWRITE.

use std::fmt;
use std::time::Duration;

use redis::{Arg, Cmd, Pipeline, RedisResult};

use crate::pooled_connection::BREAKS_OFF;

/// What a command does to its session, and whether it waits at the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandEffect {
    /// What it leaves behind on its connection.
    pub session: SessionEffect,
    /// Whether it waits at the server.
    pub blocking: Blocking,
    /// Whether it may be what those wait for who came before it, as SCRIPT KILL is: it must not wait
    /// behind them.
    pub frees_others: bool,
    /// Whether it is CLIENT REPLY, which has no place in a transaction: the reply to EXEC would break off.
    pub changes_replies: bool,
}

/// What a command leaves behind on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEffect {
    /// Nothing.
    None,
    /// SELECT of this database.
    SelectsDatabase(Option<i64>),
    /// MULTI.
    OpensTransaction,
    /// EXEC or DISCARD, which also forget what was watched.
    EndsTransaction,
    /// WATCH.
    Watches,
    /// UNWATCH.
    Unwatches,
    /// Anything that only a reset or a new connection undoes.
    Changes,
}

/// Whether a command waits at the server until something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocking {
    /// It doesn't.
    No,
    /// For up to so long.
    For(Duration),
    /// For as long as it takes.
    Forever,
}

impl CommandEffect {
    const PLAIN: CommandEffect = CommandEffect {
        session: SessionEffect::None,
        blocking: Blocking::No,
        frees_others: false,
        changes_replies: false,
    };

    /// Looks `command` up by its name and, where that decides, its arguments. Unknown commands are
    /// taken for plain ones. Does not allocate.
    pub fn of(command: &Cmd) -> CommandEffect {
        let mut arguments = command.args_iter().map(|argument| match argument {
            Arg::Simple(bytes) => bytes,
            _ => b"0", // the cursor of a SCAN
        });
        let Some(name) = arguments.next() else {
            return Self::PLAIN;
        };
        let mut buffer = [0; LONGEST_NAME];
        match uppercase(name, &mut buffer) {
            Some(name) => lookup(name, arguments),
            None => Self::PLAIN,
        }
    }

    /// Whether the command neither waits nor leaves anything behind, nor is waited for by others, so
    /// that it may share its connection with their commands.
    pub fn is_plain(&self) -> bool {
        *self == Self::PLAIN
    }

    fn session(session: SessionEffect) -> Self {
        CommandEffect {
            session,
            ..Self::PLAIN
        }
    }

    fn freeing(others: bool) -> Self {
        CommandEffect {
            frees_others: others,
            ..Self::PLAIN
        }
    }

    fn blocking(blocking: Blocking) -> Self {
        CommandEffect {
            blocking,
            ..Self::PLAIN
        }
    }
}

/// What a connection's session has come to differ in from that of a fresh one.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Session(u8);

impl Session {
    const OTHER_DATABASE: u8 = 1;
    const IN_TRANSACTION: u8 = 2;
    const WATCHING: u8 = 4;
    const CHANGED: u8 = 8;
    /// Something was refused since its MULTI, or that was.
    const DOUBTFUL: u8 = 16;

    /// Takes note of a command that is being sent on a connection configured for `database`. What the
    /// server may refuse, or do later, takes nothing back: EXEC without MULTI leaves what is watched,
    /// and what stands in a transaction may be discarded.
    pub fn note(&mut self, effect: SessionEffect, database: i64) {
        let is_in_transaction = self.0 & Self::IN_TRANSACTION != 0;
        match effect {
            SessionEffect::None => {}
            SessionEffect::SelectsDatabase(selected) if selected != Some(database) => {
                self.0 |= Self::OTHER_DATABASE;
            }
            SessionEffect::OpensTransaction => self.0 |= Self::IN_TRANSACTION,
            SessionEffect::Watches => self.0 |= Self::WATCHING,
            SessionEffect::Changes => self.0 |= Self::CHANGED,
            SessionEffect::EndsTransaction if is_in_transaction => {
                self.0 &= !(Self::IN_TRANSACTION | Self::WATCHING | Self::DOUBTFUL);
            }
            SessionEffect::SelectsDatabase(_) if !is_in_transaction => {
                self.0 &= !Self::OTHER_DATABASE;
            }
            SessionEffect::Unwatches if !is_in_transaction => self.0 &= !Self::WATCHING,
            SessionEffect::EndsTransaction
            | SessionEffect::SelectsDatabase(_)
            | SessionEffect::Unwatches => {}
        }
    }

    /// The command that was noted last was refused: what differed `before` it does so still.
    pub(crate) fn take_nothing_back(&mut self, before: Session) {
        self.0 |= before.0;
    }

    /// Whether what is sent is queued until EXEC, as far as is known.
    pub(crate) fn is_in_transaction(&self) -> bool {
        self.0 & (Self::IN_TRANSACTION | Self::DOUBTFUL) == Self::IN_TRANSACTION
    }

    /// Whether that may be so.
    pub(crate) fn may_be_in_transaction(&self) -> bool {
        self.0 & Self::IN_TRANSACTION != 0
    }

    /// Refuses `pipeline` where it has CLIENT REPLY in a transaction that was begun by hand.
    pub(crate) fn keeps_replies(mut self, pipeline: &Pipeline) -> RedisResult<()> {
        for command in pipeline.cmd_iter() {
            let effect = CommandEffect::of(command);
            if effect.changes_replies && self.may_be_in_transaction() {
                return Err(BREAKS_OFF.into());
            }
            self.note(effect.session, 0);
        }
        Ok(())
    }

    /// The server refused MULTI, or something in a pipeline, which may have been that.
    pub(crate) fn doubt_transaction(&mut self) {
        if self.0 & Self::IN_TRANSACTION != 0 {
            self.0 |= Self::DOUBTFUL;
        }
    }

    /// Whether the next holder would notice nothing.
    pub fn is_clean(&self) -> bool {
        self.0 == 0
    }
}

/// What differs.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::OTHER_DATABASE, "other database"),
            (Self::IN_TRANSACTION, "in a transaction"),
            (Self::WATCHING, "watching"),
            (Self::CHANGED, "changed"),
            (Self::DOUBTFUL, "perhaps not in a transaction"),
        ];
        let differs = names.iter().filter(|(bit, _)| self.0 & bit != 0);
        f.debug_set()
            .entries(differs.map(|(_, name)| name))
            .finish()
    }
}

const LONGEST_NAME: usize = 16;

fn uppercase<'b>(name: &[u8], buffer: &'b mut [u8; LONGEST_NAME]) -> Option<&'b [u8]> {
    let upper = buffer.get_mut(..name.len())?;
    upper.copy_from_slice(name);
    upper.make_ascii_uppercase();
    Some(upper)
}

fn lookup<'a>(name: &[u8], mut arguments: impl Iterator<Item = &'a [u8]>) -> CommandEffect {
    match name {
        // Waiting at the server. The time-out's place is the command's own.
        b"BLPOP" | b"BRPOP" | b"BLMOVE" | b"BRPOPLPUSH" | b"BZPOPMIN" | b"BZPOPMAX" => {
            CommandEffect::blocking(seconds(arguments.last()))
        }
        b"BLMPOP" | b"BZMPOP" => CommandEffect::blocking(seconds(arguments.next())),
        b"WAIT" | b"WAITAOF" => CommandEffect::blocking(milliseconds(arguments.last())),
        b"XREAD" | b"XREADGROUP" => CommandEffect::blocking(stream_read(arguments)),

        // Transactions, which end what they began.
        b"MULTI" => alone(arguments, SessionEffect::OpensTransaction),
        b"EXEC" | b"DISCARD" => alone(arguments, SessionEffect::EndsTransaction),
        b"WATCH" => CommandEffect::session(SessionEffect::Watches),
        b"UNWATCH" => alone(arguments, SessionEffect::Unwatches),

        b"SELECT" => {
            let database = arguments.next().and_then(number);
            alone(arguments, SessionEffect::SelectsDatabase(database))
        }

        // For these names the server closes the connection: to it they are HTTP.
        b"POST" | b"HOST:" => CommandEffect::session(SessionEffect::Changes),

        b"AUTH" | b"HELLO" | b"RESET" | b"QUIT" | b"SUBSCRIBE" | b"PSUBSCRIBE" | b"SSUBSCRIBE"
        | b"UNSUBSCRIBE" | b"PUNSUBSCRIBE" | b"SUNSUBSCRIBE" | b"MONITOR" | b"READONLY"
        | b"READWRITE" | b"ASKING" | b"SYNC" | b"PSYNC" | b"REPLCONF" => {
            CommandEffect::session(SessionEffect::Changes)
        }
        b"CLIENT" => {
            let subcommand = arguments.next();
            CommandEffect {
                frees_others: is_one_of(subcommand, &[b"UNPAUSE", b"KILL", b"UNBLOCK"]),
                changes_replies: is_one_of(subcommand, &[b"REPLY"]),
                ..changing_with(
                    subcommand,
                    &[
                        b"SETNAME",
                        b"SETINFO",
                        b"REPLY",
                        b"TRACKING",
                        b"CACHING",
                        b"NO-EVICT",
                        b"NO-TOUCH",
                        b"IMPORT-SOURCE",
                        b"CAPA",
                    ],
                )
            }
        }
        b"SCRIPT" => {
            let subcommand = arguments.next();
            CommandEffect {
                frees_others: is_one_of(subcommand, &[b"KILL"]),
                ..changing_with(subcommand, &[b"DEBUG"])
            }
        }
        b"FUNCTION" => CommandEffect::freeing(is_one_of(arguments.next(), &[b"KILL"])),
        b"SHUTDOWN" => CommandEffect::freeing(true),
        _ => CommandEffect::PLAIN,
    }
}

/// What has this effect only without a word more: the server refuses it then, and what was before stays.
fn alone<'a>(mut more: impl Iterator<Item = &'a [u8]>, effect: SessionEffect) -> CommandEffect {
    CommandEffect::session(match more.next() {
        None => effect,
        Some(_) => SessionEffect::Changes,
    })
}

/// A number as the server reads one, which takes neither a sign nor a zero too many.
fn number(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let number = text.parse::<i64>().ok()?;
    (number.to_string() == text).then_some(number)
}

fn is_one_of(name: Option<&[u8]>, words: &[&[u8]]) -> bool {
    name.is_some_and(|name| words.iter().any(|word| name.eq_ignore_ascii_case(word)))
}

fn changing_with(subcommand: Option<&[u8]>, changing: &[&[u8]]) -> CommandEffect {
    match is_one_of(subcommand, changing) {
        true => CommandEffect::session(SessionEffect::Changes),
        false => CommandEffect::PLAIN,
    }
}

/// XREAD blocks only where BLOCK stands among the options, which end at STREAMS.
fn stream_read<'a>(mut arguments: impl Iterator<Item = &'a [u8]>) -> Blocking {
    while let Some(argument) = arguments.next() {
        if argument.eq_ignore_ascii_case(b"STREAMS") {
            return Blocking::No;
        }
        if argument.eq_ignore_ascii_case(b"GROUP") {
            // The names of group and consumer follow; either may be "block".
            arguments.next();
            arguments.next();
        } else if argument.eq_ignore_ascii_case(b"BLOCK") {
            return milliseconds(arguments.next());
        }
    }
    Blocking::No
}

fn seconds(argument: Option<&[u8]>) -> Blocking {
    block_for(argument, 1.0)
}

fn milliseconds(argument: Option<&[u8]>) -> Blocking {
    block_for(argument, 1e-3)
}

/// A time-out that can't be read here may be one for the server, which reads `0x5`, and one that is hardly
/// negative is rounded up to 0 there. It is taken for one without end.
fn block_for(argument: Option<&[u8]>, unit_in_seconds: f64) -> Blocking {
    let number = argument
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .and_then(|text| text.parse::<f64>().ok());
    match number {
        Some(0.0) | None => Blocking::Forever,
        Some(number) => Duration::try_from_secs_f64(number * unit_in_seconds)
            .map_or(Blocking::Forever, Blocking::For),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::cmd;

    #[test]
    fn ordinary_commands_are_plain_in_any_case_of_letters() {
        for name in [
            "GET",
            "set",
            "eval",
            "A-COMMAND-OF-SOME-MODULE-WITH-A-LONG-NAME",
        ] {
            assert!(CommandEffect::of(cmd(name).arg("key")).is_plain(), "{name}");
        }
        assert!(CommandEffect::of(&Cmd::new()).is_plain());
    }

    #[test]
    fn session_commands_are_known_in_any_case_of_letters() {
        for (name, sub) in [
            ("select", "1"),
            ("Subscribe", "news"),
            ("CLIENT", "setname"),
            ("client", "REPLY"),
            ("client", "no-evict"),
            ("monitor", ""),
            ("hello", "3"),
        ] {
            assert!(
                !CommandEffect::of(cmd(name).arg(sub)).is_plain(),
                "{name} {sub}"
            );
        }
        assert!(CommandEffect::of(cmd("CLIENT").arg("ID")).is_plain());
    }

    #[test]
    fn what_ends_the_waiting_of_others_shares_no_connection_with_them() {
        for words in ["SCRIPT KILL", "function kill", "CLIENT unpause", "SHUTDOWN"] {
            let mut command = Cmd::new();
            command.arg(words.split(' ').collect::<Vec<_>>());
            let effect = CommandEffect::of(&command);
            assert!(effect.frees_others && !effect.is_plain(), "{words}");
            assert_eq!(effect.session, SessionEffect::None, "{words}");
        }
        for words in ["SCRIPT LOAD", "FUNCTION LIST", "CLIENT ID"] {
            let mut command = Cmd::new();
            command.arg(words.split(' ').collect::<Vec<_>>());
            assert!(CommandEffect::of(&command).is_plain(), "{words}");
        }
    }

    #[test]
    fn a_finished_transaction_leaves_a_clean_session() {
        let mut session = Session::default();
        for name in ["WATCH", "MULTI", "SET"] {
            session.note(CommandEffect::of(&cmd(name)).session, 0);
        }
        assert!(!session.is_clean());
        session.note(CommandEffect::of(&cmd("EXEC")).session, 0);
        assert!(session.is_clean());
    }

    #[test]
    fn selecting_the_configured_database_again_leaves_a_clean_session() {
        let mut session = Session::default();
        session.note(CommandEffect::of(cmd("SELECT").arg(3)).session, 0);
        assert!(!session.is_clean());
        session.note(CommandEffect::of(cmd("SELECT").arg(0)).session, 0);
        assert!(session.is_clean());
    }

    #[test]
    fn what_the_server_refuses_takes_nothing_back() {
        let after = |commands: &[&str]| {
            let mut session = Session::default();
            for words in commands {
                let mut command = Cmd::new();
                command.arg(words.split(' ').collect::<Vec<_>>());
                session.note(CommandEffect::of(&command).session, 0);
            }
            session.is_clean()
        };
        for commands in [
            &["WATCH key", "EXEC"][..],
            &["WATCH key", "DISCARD"],
            &["WATCH key", "UNWATCH all"],
            &["WATCH key", "MULTI", "UNWATCH"],
            &["WATCH key", "MULTI now", "EXEC"],
            &["MULTI", "EXEC now"],
            &["SELECT 1", "SELECT +0"],
            &["SELECT 1", "SELECT 00"],
            &["SELECT 1", "SELECT 0 0"],
            &["SELECT 1", "MULTI", "SELECT 0", "DISCARD"],
            &["SELECT x"],
        ] {
            assert!(!after(commands), "{commands:?}");
        }
        assert!(after(&["WATCH key", "MULTI", "SELECT 0", "EXEC"]));
    }

    #[test]
    fn blocking_commands_tell_their_own_timeout() {
        let blocking = |words: &[&str]| {
            let mut command = cmd(words[0]);
            for word in &words[1..] {
                command.arg(*word);
            }
            CommandEffect::of(&command).blocking
        };
        let second = Duration::from_secs(1);
        assert_eq!(blocking(&["BLPOP", "list", "1"]), Blocking::For(second));
        assert_eq!(
            blocking(&["blpop", "list", "0.5"]),
            Blocking::For(second / 2)
        );
        assert_eq!(blocking(&["BLPOP", "list", "0"]), Blocking::Forever);
        assert_eq!(
            blocking(&["BLMPOP", "1", "1", "l", "LEFT"]),
            Blocking::For(second)
        );
        assert_eq!(blocking(&["WAIT", "1", "1000"]), Blocking::For(second));
        assert_eq!(blocking(&["XREAD", "STREAMS", "block", "0"]), Blocking::No);
        assert_eq!(
            blocking(&["XREAD", "COUNT", "2", "block", "1000", "STREAMS", "s", "$"]),
            Blocking::For(second)
        );
        assert_eq!(
            blocking(&["XREADGROUP", "GROUP", "block", "c", "STREAMS", "s", ">"]),
            Blocking::No
        );
        // The server rounds the last two up to 0.
        for unread in ["soon", "0x5", "-0.0005", "-0"] {
            assert_eq!(blocking(&["BLPOP", "list", unread]), Blocking::Forever);
        }
    }
}
