use std::fmt;

/// Which of the two programs a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerKind {
    /// Redis.
    Redis,
    /// Valkey, the fork of Redis 7.2.
    Valkey,
}

impl fmt::Display for ServerKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            ServerKind::Redis => "redis",
            ServerKind::Valkey => "valkey",
        })
    }
}
