use std::fmt;
use std::io;

use redis::RedisError;
use respool_core::PoolError;
use respool_testserver::StartError;
use tokio::task::JoinError;

use crate::Trial;

/// How a rule binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Every backend keeps it.
    Must,
    /// A backend may declare by a capability that it doesn't, and then refuses in a typed way.
    Should,
}

impl Severity {
    /// `must` or `should`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Must => "must",
            Severity::Should => "should",
        }
    }
}

/// One check of one rule, which any backend can be put to.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// The rule's number, such as `GET-1`.
    pub rule: &'static str,
    /// The name of the check and of its test, such as `get_1_one_holder_at_a_time`.
    pub name: &'static str,
    /// How the rule binds.
    pub severity: Severity,
    /// What the rule promises, in one sentence.
    pub promise: &'static str,
    /// Puts the trial's subject to the check.
    pub run: fn(&Trial) -> Finding,
}

/// What a check found: the evidence that the promise was kept, in a few words and figures, or what
/// broke it.
pub type Finding = Result<String, Broken>;

/// A promise that was not kept: what should have been seen, and what was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What the promise lets one expect.
    pub expected: String,
    /// What was seen instead.
    pub seen: String,
}

impl Broken {
    /// `expected`, but saw `seen`.
    pub fn new(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Broken {
            expected: expected.into(),
            seen: seen.into(),
        }
    }

    /// Says in which of a check's cases it was.
    #[must_use]
    pub fn in_case(self, case: &str) -> Self {
        Broken {
            expected: format!("{case}: {}", self.expected),
            ..self
        }
    }

    fn error(what: &str, error: &dyn fmt::Display) -> Self {
        Broken::new(format!("no error {what}"), error.to_string())
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}; seen {}", self.expected, self.seen)
    }
}

impl From<PoolError> for Broken {
    fn from(error: PoolError) -> Self {
        Broken::error("of the pool", &error)
    }
}

impl From<RedisError> for Broken {
    fn from(error: RedisError) -> Self {
        Broken::error("of the command", &error)
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Broken::error("of the network", &error)
    }
}

impl From<StartError> for Broken {
    fn from(error: StartError) -> Self {
        Broken::new(
            "a server to put the pool to the check with",
            error.to_string(),
        )
    }
}

impl From<JoinError> for Broken {
    fn from(error: JoinError) -> Self {
        Broken::error("of the task", &error)
    }
}

/// Ends a check as [`Broken`] unless the condition holds. Both texts are format strings; arguments
/// after them belong to `seen`.
///
/// ```text
/// ensure!(open <= max_size, expected: "at most {max_size} connections", seen: "{open}");
/// ```
macro_rules! ensure {
    ($condition:expr, expected: $expected:literal, seen: $seen:literal $(, $argument:expr)* $(,)?) => {
        if !$condition {
            return Err($crate::Broken::new(
                format!($expected),
                format!($seen $(, $argument)*),
            ));
        }
    };
}
pub(crate) use ensure;
