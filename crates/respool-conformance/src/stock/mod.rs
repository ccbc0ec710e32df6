//! The pools and clients that a Rust user could pick today, as subjects: each used as its own
//! documentation shows, through an adapter that adds nothing to it and hides nothing of it.
//!
//! - A limit that a check asks for through `PoolConfig` goes to the library's own setting of that
//!   meaning, wherever it has one. What a library can't be told, it isn't; its adapter says so.
//! - All else stays as the library has it by default. Where its documentation offers settings that
//!   keep more of the rules, or other ones, they make a second subject, called `-tuned`.
//! - Pools are [bare](respool_core::Pool::bare): none of the contract's guards stands between a
//!   library and a check. Its errors are passed on with whatever cause they have.
//!
//! None of them promises to keep these rules. What is broken here is a fact, not a fault.

mod backend;
mod bb8_redis;
mod connected_once;
mod deadpool_redis;
mod fred;
mod mobc_redis;
mod redis_shared;
mod rustis;

use std::time::Duration;

use respool_core::{BackendInfo, Pool, PoolConfig, PoolError};

use self::backend::{Figures, StockBackend, StockPool};
use crate::{Nature, Shows, Subject};

/// How long one check may take with a subject that is free to hang.
const LIMIT: Duration = Duration::from_secs(60);

/// All of them.
pub fn all() -> Vec<Subject> {
    [
        bb8_redis::subjects(),
        deadpool_redis::subjects(),
        mobc_redis::subjects(),
        redis_shared::subjects(),
        fred::subjects(),
        rustis::subjects(),
    ]
    .concat()
}

/// A pool that lends, and shows nothing of itself.
const LENDS: Nature = Nature {
    lends: true,
    shows: Shows {
        in_use: false,
        connecting: false,
        waiting: false,
        opened_and_closed: false,
        reasons: false,
    },
    dials: true,
    closes: false,
    renews: false,
    speaks_the_contract: false,
};

/// Clones of shared connections.
const SHARES: Nature = Nature {
    lends: false,
    ..LENDS
};

/// Clones of a connection that nothing replaces.
const ENDS_WITH_ITS_CONNECTION: Nature = Nature {
    dials: false,
    ..SHARES
};

/// The subject that `open` makes.
fn subject<P: StockPool>(
    info: BackendInfo,
    nature: Nature,
    open: impl Fn(&PoolConfig) -> Result<P, PoolError> + Clone + Send + Sync + 'static,
) -> Subject {
    let build = move |figures: Figures| {
        let open = open.clone();
        move |config: PoolConfig| {
            let backend = StockBackend::new(open(&config)?, info, &config, figures);
            Ok(Pool::bare(backend, config))
        }
    };
    Subject::new(info.name, info, build(Figures::Counted))
        .of_nature(nature)
        .showing(build(Figures::Shown))
        .within(LIMIT)
}

/// A setting that the library refuses.
fn refused(error: impl std::fmt::Display) -> PoolError {
    PoolError::config("url", error.to_string())
}

/// Where a server is and how to log in there, for libraries with words of their own for it.
struct Address {
    host: String,
    port: u16,
    database: i64,
    user: Option<String>,
    password: Option<String>,
}

impl Address {
    fn of(config: &PoolConfig) -> Result<Self, PoolError> {
        let info = config.endpoint.connection_info();
        let redis::ConnectionAddr::Tcp(host, port) = info.addr() else {
            return Err(refused("the stock subjects are put to checks over TCP"));
        };
        let settings = info.redis_settings();
        Ok(Address {
            host: host.clone(),
            port: *port,
            database: settings.db(),
            user: settings.username().map(str::to_owned),
            password: settings.password().map(str::to_owned),
        })
    }
}

/// An error reply in the words of the redis crate: only a parser can make one, so one is parsed.
fn error_reply(text: &str) -> redis::Value {
    redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap_or(redis::Value::Nil)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = all().into_iter().map(|subject| subject.name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
