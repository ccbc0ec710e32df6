//! The server of a comparison: the user's own, one started for it, or an imitation.

mod figures;

use std::fmt;
use std::io;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};
use respool::{BackendEntry, ConnectError, ConnectErrorKind, Endpoint, PoolConfig, PoolError};
use respool_testserver::{RedisServer, ScriptedServer, StartError};
use serde::Serialize;

use super::keyspace::Keyspace;
use crate::failure::Failure;
use crate::progress::Progress;
pub(crate) use figures::Figures;

/// Where the server is to come from.
#[derive(Debug)]
pub(crate) enum ServerChoice {
    /// It is running.
    At(Box<PoolConfig>, Origin),
    /// One found on this machine is started.
    Local,
    /// The same; where there is none and none was named, an imitation in this process.
    LocalElseScripted,
    /// An imitation in this process.
    Scripted,
}

/// Who chose the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Argument,
    Environment,
    /// We started it.
    StartedHere,
}

/// What the server says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ServerKind {
    Redis,
    Valkey,
    Scripted,
}

/// What a report says about the server.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    pub(crate) kind: ServerKind,
    pub(crate) version: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) origin: Origin,
}

/// The server, with a connection of our own to look at its counters and keep its keys in order.
pub(crate) struct Server {
    config: PoolConfig,
    description: Description,
    observer: MultiplexedConnection,
    _running: Running,
}

/// What ends when the comparison ends. Only its drop is of use.
#[expect(dead_code, reason = "held for their drop")]
enum Running {
    Elsewhere,
    Process(Box<RedisServer>),
    Here(ScriptedServer),
}

const ANSWER_WITHIN: Duration = Duration::from_secs(5);

impl Server {
    /// Finds or starts the server and makes sure that it answers.
    pub(crate) async fn choose(choice: &ServerChoice, pool_size: usize) -> Result<Self, Failure> {
        let (mut config, origin, running) = match choice {
            ServerChoice::At(config, origin) => ((**config).clone(), *origin, Running::Elsewhere),
            ServerChoice::Local => started_here(RedisServer::start().await.map_err(not_started)?)?,
            ServerChoice::LocalElseScripted => match RedisServer::start().await {
                Ok(server) => started_here(server)?,
                Err(StartError::NotFound { .. }) => scripted().await?,
                Err(error) => return Err(not_started(error)),
            },
            ServerChoice::Scripted => scripted().await?,
        };
        config.max_size = pool_size;
        let config = config.checked()?;
        let (observer, info) = reach(&config).await?;
        let (kind, version) = match running {
            Running::Here(_) => (ServerKind::Scripted, "scripted".to_owned()),
            _ => identify(info.as_deref().unwrap_or_default()),
        };
        Ok(Server {
            description: Description {
                kind,
                version,
                endpoint: config.endpoint.clone(),
                origin,
            },
            config,
            observer,
            _running: running,
        })
    }

    pub(crate) fn description(&self) -> &Description {
        &self.description
    }

    /// What pools for it are built with.
    pub(crate) fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// The server's counters, without our own look at them. `None` where it doesn't show them.
    ///
    /// # Errors
    ///
    /// When the server can't be reached, not even on a new connection.
    pub(crate) async fn figures(&mut self) -> Result<Option<Figures>, Failure> {
        let text = match info(&mut self.observer).await {
            Ok(text) => text,
            Err(_) => {
                let (observer, text) = reach(&self.config).await?;
                self.observer = observer;
                text
            }
        };
        Ok(text.as_deref().and_then(Figures::parse))
    }

    /// Whether what is written to it is still there when the comparison is over.
    pub(crate) fn outlives_us(&self) -> bool {
        self.description.origin != Origin::StartedHere
    }

    /// Writes the keys of a comparison.
    pub(crate) async fn fill(
        &mut self,
        keyspace: &Keyspace,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let filled = keyspace.fill(&mut self.observer, progress).await;
        filled.map_err(|error| {
            let why = match error.is_timeout() {
                true => "the server did not answer in time",
                false => "is it a primary with room, may this user write?",
            };
            Failure::failed(format!(
                "could not write the keys of the comparison to {}: {why} ({error})",
                self.config.endpoint
            ))
        })
    }

    /// Deletes the keys of a comparison, on a new connection where the old one has ended.
    pub(crate) async fn clean(&mut self, keyspace: &Keyspace) -> Result<(), Failure> {
        if !self.outlives_us() {
            return Ok(());
        }
        if keyspace.delete(&mut self.observer).await.is_ok() {
            return Ok(());
        }
        (self.observer, _) = reach(&self.config).await?;
        let deleted = keyspace.delete(&mut self.observer).await;
        deleted.map_err(|error| Failure::failed(error.to_string()))
    }
}

fn started_here(server: RedisServer) -> Result<(PoolConfig, Origin, Running), Failure> {
    let config = PoolConfig::from_url(&server.url())?;
    let running = Running::Process(Box::new(server));
    Ok((config, Origin::StartedHere, running))
}

async fn scripted() -> Result<(PoolConfig, Origin, Running), Failure> {
    let server = ScriptedServer::start().await.map_err(|error| {
        Failure::failed(format!("could not start the scripted server: {error}"))
    })?;
    let config = PoolConfig::from_url(&server.url())?;
    Ok((config, Origin::StartedHere, Running::Here(server)))
}

fn not_started(error: StartError) -> Failure {
    Failure::from(error).within("could not start a server")
}

/// A connection that the server answers on, and its INFO: a server that is full, loading or wants a
/// password may well accept a connection first.
async fn reach(config: &PoolConfig) -> Result<(MultiplexedConnection, Option<String>), Failure> {
    let settings = AsyncConnectionConfig::new()
        .set_connection_timeout(config.connect_timeout)
        .set_response_timeout(Some(ANSWER_WITHIN));
    let reached = async {
        let mut connection = Client::open(config.endpoint.connection_info().clone())?
            .get_multiplexed_async_connection_with_config(&settings)
            .await?;
        let info = info(&mut connection).await?;
        Ok::<_, RedisError>((connection, info))
    };
    // Without a connect_timeout a server that accepts and says no more would hold us up for ever.
    let to_connect = config.connect_timeout.unwrap_or(ANSWER_WITHIN);
    let limit = to_connect.saturating_add(ANSWER_WITHIN);
    let error = match tokio::time::timeout(limit, reached).await {
        Ok(Ok(reached)) => return Ok(reached),
        Ok(Err(error)) => error,
        Err(_) => {
            let text = format!("no answer within {limit:?}");
            io::Error::new(io::ErrorKind::TimedOut, text).into()
        }
    };
    Err(PoolError::from(cause(config, error).await).into())
}

/// Why the server could not be reached.
///
/// One that is full says so and hangs up, often before the redis crate listens. Our backends do
/// listen, so one of them is asked before "it hung up" is all that there is to say.
async fn cause(config: &PoolConfig, error: RedisError) -> ConnectError {
    let error = ConnectError::new(config.endpoint.to_string(), error);
    let hung_up = matches!(
        error.kind(),
        ConnectErrorKind::Closed | ConnectErrorKind::Network
    );
    match respool::backends().first() {
        Some(backend) if hung_up => heard_by(backend, config).await.unwrap_or(error),
        _ => error,
    }
}

async fn heard_by(backend: &BackendEntry, config: &PoolConfig) -> Option<ConnectError> {
    let mut config = config.clone();
    config.max_size = 1;
    config.get_timeout = Some(Duration::from_secs(1));
    match (backend.build)(config).ok()?.get().await {
        Err(PoolError::Connect { source, .. }) => Some(source),
        Err(PoolError::Timeout {
            last_connect_error, ..
        }) => last_connect_error,
        _ => None,
    }
}

/// INFO with everything in it; `None` where this user may not see it.
async fn info(connection: &mut MultiplexedConnection) -> Result<Option<String>, RedisError> {
    let mut command = redis::cmd("INFO");
    command.arg("all");
    match command.query_async(connection).await {
        Ok(text) => Ok(Some(text)),
        Err(error) if is_refusal(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the server serves, but not this.
fn is_refusal(error: &RedisError) -> bool {
    error.code() == Some("NOPERM") || error.to_string().contains("unknown command")
}

fn identify(info: &str) -> (ServerKind, String) {
    let field = |name: &str| {
        info.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(|value| value.trim().to_owned())
    };
    match field("valkey_version") {
        Some(version) => (ServerKind::Valkey, version),
        None => (
            ServerKind::Redis,
            field("redis_version").unwrap_or_else(|| "of unknown version".to_owned()),
        ),
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("description", &self.description)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Argument => "--url",
            Origin::Environment => "REDIS_URL",
            Origin::StartedHere => "started for this run",
        })
    }
}

/// `redis 7.0.15 at 127.0.0.1:6379 (started for this run)`
impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            ServerKind::Redis => "redis ",
            ServerKind::Valkey => "valkey ",
            ServerKind::Scripted => "",
        };
        let Description {
            version,
            endpoint,
            origin,
            ..
        } = self;
        write!(f, "{name}{version} at {endpoint} ({origin})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_what_it_says() {
        let redis = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n";
        assert_eq!(identify(redis), (ServerKind::Redis, "7.0.15".to_owned()));
        let valkey = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n";
        assert_eq!(identify(valkey), (ServerKind::Valkey, "8.0.1".to_owned()));
        assert_eq!(identify("").0, ServerKind::Redis);
    }
}
