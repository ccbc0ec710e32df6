/// What a subject is, as far as rules depend on it.
///
/// A backend of ours is [`Nature::OURS`], for which no rule is without meaning. Pools of others may
/// lack what a rule speaks of: that is then [not applicable](crate::Outcome::NotApplicable), which
/// is neither praise nor blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nature {
    /// Lends each connection to one holder at a time. Otherwise it hands out clones of connections
    /// that all share: nobody holds one, nobody waits for one, nothing is given back.
    pub lends: bool,
    /// The figures that it shows of itself.
    pub shows: Shows,
    /// Opens connections again by itself. Otherwise it has one for as long as that lives.
    pub dials: bool,
    /// Can be closed while its handles live, so that those who wait hear of it.
    pub closes: bool,
    /// Replaces connections by their age and keeps some ready, by settings of its own.
    pub renews: bool,
    /// Speaks the contract's words: `PoolError` and `CommandError`, `try_get`, a `Client` that
    /// refuses what would harm others. Otherwise checks judge what happens, not in which words.
    pub speaks_the_contract: bool,
}

/// The figures that a subject shows of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shows {
    /// Connections handed out, and those that are idle.
    pub in_use: bool,
    /// Connections being opened.
    pub connecting: bool,
    /// Callers who wait.
    pub waiting: bool,
    /// Connections opened and closed since the beginning.
    pub opened_and_closed: bool,
    /// Why connections were closed.
    pub reasons: bool,
}

impl Nature {
    /// All of it.
    pub const OURS: Nature = Nature {
        lends: true,
        shows: Shows {
            in_use: true,
            connecting: true,
            waiting: true,
            opened_and_closed: true,
            reasons: true,
        },
        dials: true,
        closes: true,
        renews: true,
        speaks_the_contract: true,
    };

    /// Why `rule` has nothing to bind in such a subject, in words; `None` when it binds.
    ///
    /// The place where a rule says what it needs. One that isn't named here binds everybody.
    pub fn exempt_from(&self, rule: &str) -> Option<&'static str> {
        let lends = (
            self.lends,
            "it hands out clones of shared connections: nobody holds one, waits for one or gives \
             one back",
        );
        let adds_up = (
            self.shows.in_use && self.shows.connecting && self.shows.opened_and_closed,
            "it shows no figure of the connections being opened: there is nothing to add up",
        );
        let gauges = (
            self.shows.in_use && self.shows.waiting,
            "it doesn't show how many connections are in use and how many callers wait",
        );
        let books = (
            self.shows.in_use && self.shows.opened_and_closed,
            "it doesn't count the connections that it opened and closed",
        );
        let dials = (self.dials, "it connects when it is made, and never again");
        let renews = (self.renews, "it has no settings for the age of connections");
        let (binds, reason) = match rule {
            "GET-1" | "GET-4" | "GET-5" | "GET-6" | "RET-1" | "RET-2" => lends,
            "SEE-1" => adds_up,
            "SEE-2" => gauges,
            "SEE-4" => books,
            "LIFE-3" => dials,
            "LIFE-4" => renews,
            _ => return None,
        };
        (!binds).then_some(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    #[test]
    fn every_rule_binds_our_own_backends() {
        for check in catalogue::all() {
            assert_eq!(Nature::OURS.exempt_from(check.rule), None, "{}", check.rule);
        }
    }

    #[test]
    fn what_hands_out_clones_is_exempt_from_holding_and_not_from_sessions() {
        let clones = Nature {
            lends: false,
            ..Nature::OURS
        };
        assert!(clones.exempt_from("GET-1").is_some());
        assert_eq!(clones.exempt_from("RET-3"), None);
    }
}
