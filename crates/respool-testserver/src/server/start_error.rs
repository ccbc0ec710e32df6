use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use thiserror::Error;

/// Why a server did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// No server program is installed.
    #[error(
        "no redis-server or valkey-server found; looked at: {}. \
         Install redis-server, or set REDIS_SERVER=/path/to/redis-server; \
         `cargo xtask test` installs it",
        looked_at.join(", ")
    )]
    NotFound {
        /// Every place that was tried, in order.
        looked_at: Vec<String>,
    },

    /// `REDIS_SERVER` leads to no program.
    #[error(
        "REDIS_SERVER is set to {}, where there is no server that can be run; \
         correct it or unset it",
        configured.display()
    )]
    Misnamed {
        /// The value of `REDIS_SERVER`.
        configured: OsString,
    },

    /// The program could not be run, or is no Redis.
    #[error("{} could not be run: {source}", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// What the operating system, or its answer to `--version`, said.
        source: io::Error,
    },

    /// The process ended before it answered: usually a setting it doesn't know.
    #[error("the server ended at once ({status}); its last words:\n{last_words}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// The end of its output and log.
        last_words: String,
    },

    /// The process runs but did not answer in time; it has been killed.
    #[error("the server did not answer within {waited:?}: {source}; its last words:\n{last_words}")]
    NotReady {
        /// How long it was given.
        waited: Duration,
        /// What the last attempt to talk to it met.
        source: io::Error,
        /// The end of its output and log.
        last_words: String,
    },

    /// No temporary folder, port or thread could be had.
    #[error("no room for a server: {0}")]
    Io(#[from] io::Error),
}
