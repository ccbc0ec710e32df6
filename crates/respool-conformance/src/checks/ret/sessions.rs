//! What a holder may do to its session.

pub(super) type Words = &'static [&'static str];

/// One or more commands that leave something behind.
pub(super) struct Change {
    pub(super) name: &'static str,
    pub(super) commands: &'static [Words],
    /// What follows in one atomic pipeline.
    pub(super) atomically: &'static [Words],
    /// The server sends no reply, and the holder waits for none.
    pub(super) has_reply: bool,
}

/// Another user that the server must know, with this password.
pub(super) const GUEST: [&str; 2] = ["guest", "welcome"];
/// Written by somebody else between one holder and the next.
pub(super) const WATCHED_KEY: &str = "watched";
/// Published to by somebody else between one holder and the next.
pub(super) const CHANNEL: &str = "news";

impl Change {
    const fn answered(name: &'static str, commands: &'static [Words]) -> Self {
        Change {
            name,
            commands,
            atomically: &[],
            has_reply: true,
        }
    }

    const fn unanswered(name: &'static str, commands: &'static [Words]) -> Self {
        Change {
            has_reply: false,
            ..Change::answered(name, commands)
        }
    }

    const fn then_atomically(self, atomically: &'static [Words]) -> Self {
        Change { atomically, ..self }
    }
}

#[rustfmt::skip] // one change a line
pub(super) const CHANGES: &[Change] = &[
    Change::answered("SELECT", &[&["SELECT", "1"]]),
    Change::answered("SELECT in lower case", &[&["select", "2"]]),
    Change::answered("MULTI left open", &[&["MULTI"]]),
    Change::answered("MULTI left open with a command", &[&["MULTI"], &["SET", "key", "queued"]]),
    Change::answered("WATCH", &[&["WATCH", WATCHED_KEY]]),
    Change::answered("SUBSCRIBE", &[&["SUBSCRIBE", CHANNEL]]),
    Change::answered("PSUBSCRIBE", &[&["PSUBSCRIBE", "n*"]]),
    Change::answered("SSUBSCRIBE", &[&["SSUBSCRIBE", CHANNEL]]),
    Change::answered("MONITOR", &[&["MONITOR"]]),
    Change::answered("CLIENT SETNAME", &[&["CLIENT", "SETNAME", "somebody"]]),
    Change::unanswered("CLIENT REPLY OFF", &[&["CLIENT", "REPLY", "OFF"]]),
    Change::unanswered("CLIENT REPLY SKIP", &[&["CLIENT", "REPLY", "SKIP"]]),
    Change::answered("CLIENT TRACKING", &[&["CLIENT", "TRACKING", "ON"], &["GET", WATCHED_KEY]]),
    Change::answered("CLIENT TRACKING in RESP3", &[&["HELLO", "3"], &["CLIENT", "TRACKING", "ON"], &["GET", WATCHED_KEY]]),
    Change::answered("CLIENT NO-EVICT", &[&["CLIENT", "NO-EVICT", "ON"]]),
    Change::answered("CLIENT NO-TOUCH", &[&["CLIENT", "NO-TOUCH", "ON"]]),
    Change::answered("AUTH", &[&["AUTH", GUEST[0], GUEST[1]]]),
    Change::answered("HELLO 3", &[&["HELLO", "3"]]),
    Change::answered("HELLO 2 with AUTH and SETNAME", &[&["HELLO", "2", "AUTH", GUEST[0], GUEST[1], "SETNAME", "somebody"]]),
    Change::answered("READONLY", &[&["READONLY"]]),
    Change::answered("WATCH, EXEC without MULTI", &[&["WATCH", WATCHED_KEY], &["EXEC"]]),
    Change::answered("WATCH, DISCARD without MULTI", &[&["WATCH", WATCHED_KEY], &["DISCARD"]]),
    Change::answered("WATCH, UNWATCH with a word too many", &[&["WATCH", WATCHED_KEY], &["UNWATCH", "all"]]),
    Change::answered("MULTI, DISCARD with a word too many", &[&["MULTI"], &["DISCARD", "all"]]),
    Change::answered("SELECT, and back in a transaction that is discarded", &[&["SELECT", "1"], &["MULTI"], &["SELECT", "0"], &["DISCARD"]]),
    Change::answered("SELECT, and back in an atomic pipeline that is aborted", &[&["SELECT", "1"]]).then_atomically(&[&["SET", "key"], &["SELECT", "0"]]),
    Change::answered("WATCH, MULTI with a word too many, EXEC", &[&["WATCH", WATCHED_KEY], &["MULTI", "now"], &["EXEC"]]),
    Change::answered("SELECT, and back by what is no number", &[&["SELECT", "1"], &["SELECT", "+0"]]),
    Change::answered("SELECT, and back with a word too many", &[&["SELECT", "1"], &["SELECT", "0", "0"]]),
    Change::answered("RESET", &[&["CLIENT", "SETNAME", "somebody"], &["RESET"]]),
];

/// What leaves a session as it was: its connection must not be replaced.
#[rustfmt::skip] // one a line
pub(super) const CLEAN: &[Change] = &[
    Change::answered("nothing", &[&["PING"]]),
    Change::answered("WATCH, MULTI, EXEC", &[&["WATCH", "key"], &["MULTI"], &["SET", "key", "new"], &["EXEC"]]),
    Change::answered("WATCH, MULTI, DISCARD", &[&["WATCH", "key"], &["MULTI"], &["SET", "key", "new"], &["DISCARD"]]),
    Change::answered("WATCH, atomic pipeline", &[&["WATCH", "key"]]).then_atomically(&[&["SET", "key", "new"]]),
    Change::answered("WATCH, UNWATCH", &[&["WATCH", "key"], &["UNWATCH"]]),
    Change::answered("SELECT there and back", &[&["SELECT", "1"], &["SELECT", "0"]]),
];
