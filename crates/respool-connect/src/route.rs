use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;
use respool_core::{ConnectError, Endpoint, PoolConfig, PoolError};

use crate::Socket;
#[cfg(feature = "tls")]
use crate::tls::{TlsFailure, TlsSettings};

/// How the server of a configuration is reached: plainly or, with the cargo feature `tls`, by TLS.
pub struct Route {
    endpoint: Endpoint,
    /// How long a server may be silent in the handshake of TLS before it is asked whether it knows
    /// what that is.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "it is for TLS"))]
    silence: Duration,
    #[cfg(feature = "tls")]
    tls: Option<Arc<TlsSettings>>,
}

/// [`Route::silence`] where `connect_timeout` sets no limit.
const LONG_SILENCE: Duration = Duration::from_secs(5);

impl Route {
    /// The route that `config` describes. Reads the files that it names.
    ///
    /// # Errors
    ///
    /// [`PoolError::Config`], which names the setting.
    pub fn new(config: &PoolConfig) -> Result<Self, PoolError> {
        #[cfg(not(feature = "tls"))]
        if config.endpoint.is_tls() {
            return Err(PoolError::config(
                "url",
                "rediss:// needs TLS, which is not compiled in; build respool with its cargo \
                 feature tls",
            ));
        }
        Ok(Route {
            endpoint: config.endpoint.clone(),
            // What is left of the time is for asking.
            silence: config
                .connect_timeout
                .map_or(LONG_SILENCE, |limit| limit - limit / 4),
            #[cfg(feature = "tls")]
            tls: TlsSettings::of(config)?,
        })
    }

    /// Connects. Dropping the future gives up.
    ///
    /// By TLS, the socket is not [secure](Route::secure) yet: who opens it can note it first, so that
    /// it is counted until the server lets go of it, however the handshake ends.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub async fn connect(&self) -> io::Result<Arc<Socket>> {
        let address = self.endpoint.connection_info().addr();
        #[cfg(feature = "tls")]
        if let (Some(settings), redis::ConnectionAddr::TcpTls { host, port, .. }) =
            (&self.tls, address)
        {
            return Socket::connect_by_tls(host, *port, settings.clone()).await;
        }
        Socket::connect(address).await
    }

    /// Waits until TLS is agreed on; at once without TLS. Dropping the future gives up.
    ///
    /// # Errors
    ///
    /// Why not. [`Route::why`] has it in words.
    pub async fn secure(&self, socket: &Socket) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return match tokio::time::timeout(self.silence, socket.until_secure()).await {
                Ok(outcome) => outcome,
                Err(_) if socket.has_heard() => socket.until_secure().await,
                Err(_) => Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!(
                        "no answer to the handshake of TLS within {:?}",
                        self.silence
                    ),
                )),
            };
        }
        let _ = socket;
        Ok(())
    }

    /// Why `socket` could not be used, where `error` is what it came to.
    ///
    /// A plain server takes the beginning of TLS for one of a long command, and waits for the rest:
    /// so one that was silent is asked plainly, by a connection that ends at once.
    pub async fn why(&self, socket: &Socket, error: RedisError) -> ConnectError {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            let failure = match socket.tls_failure() {
                None if error.is_timeout() && self.speaks_plainly().await => {
                    Some(TlsFailure::speaks_no_tls())
                }
                failure => failure,
            };
            match failure {
                Some(failure) if failure.is_lasting => {
                    return ConnectError::tls(&self.endpoint, failure);
                }
                Some(failure) => {
                    return ConnectError::at(&self.endpoint, io::Error::from(failure).into());
                }
                None => {}
            }
        }
        match !self.endpoint.is_tls() && socket.first_said_by_tls() {
            true => ConnectError::speaks_tls(&self.endpoint, error),
            false => ConnectError::at(&self.endpoint, error),
        }
    }

    #[cfg(feature = "tls")]
    async fn speaks_plainly(&self) -> bool {
        use redis::ConnectionAddr::{Tcp, TcpTls};
        match self.endpoint.connection_info().addr() {
            TcpTls { host, port, .. } => Socket::speaks_redis_at(&Tcp(host.clone(), *port)).await,
            _ => false,
        }
    }
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(feature = "tls")))]
mod tests {
    use super::*;

    #[test]
    fn without_the_feature_tls_is_refused_with_the_remedy() {
        let config = PoolConfig::from_url("rediss://localhost").unwrap();
        match Route::new(&config) {
            Err(PoolError::Config { field, reason, .. }) => {
                assert_eq!(field, "url");
                assert!(reason.contains("cargo feature tls"), "{reason}");
            }
            outcome => panic!("{outcome:?}"),
        }
    }
}
