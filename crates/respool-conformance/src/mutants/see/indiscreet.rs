use std::fmt;
use std::io;

use async_trait::async_trait;
use redis::{Cmd, RedisFuture, Value};
use respool_core::{Backend, ConnectError, Connection, Deadline, Pool, PoolError};

use crate::Subject;
use crate::mutants::forward::{Spoil, SpoilConnection};

pub(super) struct PrintsItsPassword {
    password: String,
}

impl PrintsItsPassword {
    pub(super) fn new(pool: &Pool, _maker: &Subject) -> Self {
        PrintsItsPassword {
            password: password_of(pool),
        }
    }
}

impl Spoil for PrintsItsPassword {
    fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a pool with the password {}", self.password)
    }
}

pub(super) struct QuotesThePassword {
    password: String,
}

impl QuotesThePassword {
    pub(super) fn new(pool: &Pool, _maker: &Subject) -> Self {
        QuotesThePassword {
            password: password_of(pool),
        }
    }
}

#[async_trait]
impl Spoil for QuotesThePassword {
    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let outcome = healthy.get(deadline).await;
        outcome.map_err(|error| match error {
            PoolError::Connect { source, .. } => PoolError::backend(
                healthy.info().name,
                io::Error::other(format!("{source}, with the password {}", self.password)),
            ),
            other => other,
        })
    }
}

pub(super) struct LogsThePassword {
    password: String,
}

impl LogsThePassword {
    pub(super) fn new(pool: &Pool, _maker: &Subject) -> Self {
        LogsThePassword {
            password: password_of(pool),
        }
    }
}

#[async_trait]
impl Spoil for LogsThePassword {
    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        tracing::debug!(password = self.password, "connecting");
        healthy.get(deadline).await
    }
}

/// Opens a span with the password in it, but only when it has to connect again.
pub(super) struct TracesThePassword {
    password: String,
}

impl TracesThePassword {
    pub(super) fn new(pool: &Pool, _maker: &Subject) -> Self {
        TracesThePassword {
            password: password_of(pool),
        }
    }
}

#[async_trait]
impl Spoil for TracesThePassword {
    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        if healthy.status().closed.total() > 0 {
            let span = tracing::trace_span!("connect again", password = self.password);
            span.in_scope(|| tracing::trace!("connecting again"));
        }
        healthy.get(deadline).await
    }
}

/// The texts of its time-outs are discreet, what they were caused by isn't.
pub(super) struct ExplainsWithThePassword {
    password: String,
}

impl ExplainsWithThePassword {
    pub(super) fn new(pool: &Pool, _maker: &Subject) -> Self {
        ExplainsWithThePassword {
            password: password_of(pool),
        }
    }
}

#[async_trait]
impl Spoil for ExplainsWithThePassword {
    async fn get(
        &self,
        healthy: &dyn Backend,
        deadline: Deadline,
    ) -> Result<Box<dyn Connection>, PoolError> {
        let outcome = healthy.get(deadline).await;
        outcome.map_err(|error| match error {
            PoolError::Timeout {
                phase,
                waited,
                last_connect_error: Some(last),
                ..
            } => {
                let text = format!("no login with {}", self.password);
                let cause = ConnectError::new(last.address(), io::Error::other(text).into());
                PoolError::timeout(phase, waited, healthy.status(), Some(cause))
            }
            other => other,
        })
    }
}

/// Quotes the command in the error of a lost connection.
pub(super) struct QuotesWhatWasSent;

impl SpoilConnection for QuotesWhatWasSent {
    fn request<'a>(
        &'a mut self,
        healthy: &'a mut dyn Connection,
        command: &'a Cmd,
    ) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let reply = healthy.req_packed_command(command).await;
            reply.map_err(|error| {
                let sent = String::from_utf8_lossy(&command.get_packed_command()).into_owned();
                io::Error::other(format!("{error}; sent was {sent}")).into()
            })
        })
    }
}

fn password_of(pool: &Pool) -> String {
    let settings = pool.config().endpoint.connection_info().redis_settings();
    settings.password().unwrap_or_default().to_owned()
}
