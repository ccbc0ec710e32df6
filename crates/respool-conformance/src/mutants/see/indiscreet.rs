use std::fmt;
use std::io;

use async_trait::async_trait;
use respool_core::{Backend, Connection, Deadline, Pool, PoolError};

use crate::Subject;
use crate::mutants::forward::Spoil;

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

fn password_of(pool: &Pool) -> String {
    let settings = pool.config().endpoint.connection_info().redis_settings();
    settings.password().unwrap_or_default().to_owned()
}
