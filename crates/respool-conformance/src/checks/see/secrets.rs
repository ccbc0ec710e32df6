use std::error::Error;
use std::fmt::{Debug, Display};
use std::time::Duration;

use redis::{RedisError, Value, cmd};
use respool_core::{Pool, PoolConfig, PoolError};
use respool_testserver::{FaultProxy, RedisServer};
use tokio::runtime::Builder;

use super::recorder::Recorder;
use crate::check::ensure;
use crate::{Broken, Finding, Trial};

/// Every character that a URL needs encoded. The word in it survives any way of escaping the rest,
/// so that it alone has to be looked for.
const PASSWORD: &str = "hunter2 @/:#?%&\"\u{e9}";
const PASSWORD_IN_URL: &str = "hunter2%20%40%2F%3A%23%3F%25%26%22%C3%A9";
const SECRET: &str = "hunter2";

/// SEE-3: whatever can be printed is printed, in each way of failing too.
///
/// On one thread, so that what is logged on it is all that is logged.
pub(crate) fn no_secret_is_shown(trial: &Trial) -> Finding {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let recorder = Recorder::default();
    let mut shown = Shown::default();
    tracing::subscriber::with_default(recorder.clone(), || {
        runtime.block_on(show_everything(trial, &mut shown))
    })?;
    let events = recorder.events();
    let evidence = format!(
        "{} texts and {} events without the password",
        shown.texts.len(),
        events.len()
    );
    let events = events
        .into_iter()
        .map(|event| ("an event".to_owned(), event));
    for (what, text) in shown.texts.into_iter().chain(events) {
        ensure!(!text.contains(SECRET), expected: "no password in {what}", seen: "{text}");
    }
    Ok(evidence)
}

async fn show_everything(trial: &Trial, shown: &mut Shown) -> Result<(), Broken> {
    working_pool(trial, shown).await?;
    refused_login(trial, shown).await?;
    login_where_none_is_wanted(trial, shown).await?;
    lost_and_unanswered(trial, shown).await?;
    malformed_urls(shown)
}

/// What was printed, and what it is.
#[derive(Default)]
struct Shown {
    texts: Vec<(String, String)>,
}

impl Shown {
    fn debug(&mut self, what: &str, value: &dyn Debug) {
        self.texts
            .push((format!("Debug of {what}"), format!("{value:?} {value:#?}")));
    }

    fn both(&mut self, what: &str, value: &(impl Debug + Display)) {
        self.debug(what, value);
        self.texts
            .push((format!("Display of {what}"), format!("{value} {value:#}")));
    }

    fn error(&mut self, what: &str, error: &(dyn Error + 'static)) {
        let mut next = Some(error);
        while let Some(error) = next {
            self.debug(what, &error);
            self.texts
                .push((format!("Display of {what}"), format!("{error} {error:#}")));
            next = error.source();
        }
    }

    fn pool(&mut self, pool: &Pool) {
        self.debug("PoolConfig", pool.config());
        self.both("Endpoint", &pool.config().endpoint);
        self.debug("Pool", pool);
        self.debug("Client", &pool.client());
        self.debug("Backend", &pool.backend());
        self.both("Status", &pool.status());
        self.debug("BackendInfo", pool.info());
    }

    /// The error as it is, and as `?` makes it where a `RedisResult` is wanted.
    fn pool_error(&mut self, what: &str, error: PoolError) {
        self.error(what, &error);
        self.error(&format!("RedisError of {what}"), &RedisError::from(error));
    }
}

async fn working_pool(trial: &Trial, shown: &mut Shown) -> Result<(), Broken> {
    let server = RedisServer::builder().password(PASSWORD).start().await?;
    let proxy = FaultProxy::start(server.address()).await?;
    let mut config = config_with_password(trial, &proxy.url());
    config.max_size = 1;
    let pool = trial.pool(config)?;
    shown.pool(&pool);

    let mut connection = pool.get().await?;
    let _: String = cmd("PING").query_async(&mut connection).await?;
    shown.debug("PooledConnection", &connection);
    shown.pool(&pool);
    if trial.nature().lends {
        let outcome = pool.get_within(Some(Duration::from_millis(20))).await;
        shown.pool_error("a time-out of the wait", error_of(outcome)?);
    }

    // A command whose arguments are a secret, on a connection that is lost.
    proxy.cut();
    let lost = cmd("AUTH")
        .arg(PASSWORD)
        .query_async::<Value>(&mut connection)
        .await;
    match lost {
        Err(error) => shown.error("a lost AUTH", &error),
        // It may have connected again for it.
        Ok(_) if !trial.nature().speaks_the_contract => {}
        Ok(_) => return Err(Broken::new("a lost connection", "a reply")),
    }
    Ok(())
}

async fn refused_login(trial: &Trial, shown: &mut Shown) -> Result<(), Broken> {
    let server = RedisServer::builder().password("another").start().await?;
    failed_get(
        trial,
        shown,
        "a refused login",
        &server.url().replace(":another@", ""),
    )
    .await
}

/// The server's answer talks of the password that it was given.
async fn login_where_none_is_wanted(trial: &Trial, shown: &mut Shown) -> Result<(), Broken> {
    let server = trial.server().await?;
    failed_get(trial, shown, "a login where none is wanted", &server.url()).await
}

async fn lost_and_unanswered(trial: &Trial, shown: &mut Shown) -> Result<(), Broken> {
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    proxy.stall();
    failed_get(trial, shown, "a connect without an answer", &proxy.url()).await?;
    proxy.refuse(true);
    failed_get(trial, shown, "a refused connect", &proxy.url()).await
}

fn malformed_urls(shown: &mut Shown) -> Result<(), Broken> {
    for rest in [
        "@localhost:port/0",
        "@localhost/zero",
        "@/0",
        "@localhost?max_size=none",
    ] {
        for password in [PASSWORD, PASSWORD_IN_URL] {
            match PoolConfig::from_url(&format!("redis://:{password}{rest}")) {
                Err(error) => shown.pool_error("a malformed URL", error),
                Ok(config) => {
                    return Err(Broken::new("a refused URL", format!("{rest}: {config:?}")));
                }
            }
        }
    }
    Ok(())
}

async fn failed_get(trial: &Trial, shown: &mut Shown, what: &str, url: &str) -> Result<(), Broken> {
    let mut config = config_with_password(trial, url);
    config.get_timeout = Some(Duration::from_millis(200));
    config.connect_timeout = Some(Duration::from_millis(100));
    let pool = trial.pool(config)?;
    // Other libraries may try for long, whatever they were told, and then it isn't about secrets.
    let patience = match pool.is_bare() {
        false => Duration::MAX,
        true => Duration::from_secs(2),
    };
    let Ok(outcome) = tokio::time::timeout(patience, pool.get()).await else {
        return Ok(());
    };
    match outcome {
        Err(error) => shown.pool_error(what, error),
        // It may put up with what the server says of its login.
        Ok(_) if !trial.nature().speaks_the_contract => {}
        Ok(_) => return Err(Broken::new("get to fail", "a connection")),
    }
    let (ping, mut client) = (cmd("PING"), pool.client());
    let through_client = ping.query_async::<Value>(&mut client);
    if let Ok(Err(error)) = tokio::time::timeout(patience, through_client).await {
        shown.error(&format!("{what}, of a Client"), &error);
    }
    shown.pool(&pool);
    Ok(())
}

fn config_with_password(trial: &Trial, url: &str) -> PoolConfig {
    trial.config(&url.replace("redis://", &format!("redis://:{PASSWORD_IN_URL}@")))
}

fn error_of<T>(outcome: Result<T, PoolError>) -> Result<PoolError, Broken> {
    match outcome {
        Ok(_) => Err(Broken::new("get to fail", "a connection")),
        Err(error) => Ok(error),
    }
}
