use std::error::Error;
use std::fmt::{Debug, Display};
use std::time::Duration;

use redis::{Cmd, RedisError, RedisResult, Value, cmd};
use respool_core::{Pool, PoolConfig, PoolError};
use respool_testserver::{Answer, FaultProxy, RedisServer, Script, ScriptedServer};
use tokio::runtime::Builder;

use super::recorder::Recorder;
use crate::check::ensure;
use crate::checks::execute;
use crate::{Broken, Finding, Trial};

/// Every character that a URL needs encoded. The word in it survives any way of escaping the rest,
/// so that it alone has to be looked for.
const PASSWORD: &str = "hunter2 @/:#?%&\"\u{e9}";
const PASSWORD_IN_URL: &str = "hunter2%20%40%2F%3A%23%3F%25%26%22%C3%A9";
const SECRET: &str = "hunter2";
/// Ours need less; others may try for as long as they like.
const PATIENCE: Duration = Duration::from_secs(2);

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
    // Each failure takes others long: some try for seconds before they say so.
    let logins = match trial.nature().speaks_the_contract {
        true => &LOGINS[..],
        false => &LOGINS[..1],
    };
    for &login in logins {
        working_pool(trial, shown, login).await?;
        refused_login(trial, shown, login).await?;
        login_where_none_is_wanted(trial, shown, login).await?;
        // Pools of others are judged by what they say of their own accord.
        if trial.nature().speaks_the_contract {
            login_repeated_by_the_server(trial, shown, login).await?;
        }
        lost_and_unanswered(trial, shown, login).await?;
    }
    malformed_urls(shown)?;
    variables(shown)
}

/// How a URL says who logs in.
#[derive(Clone, Copy)]
struct Login {
    user: &'static str,
    /// The end of the URL: by HELLO rather than by AUTH.
    parameters: &'static str,
}

const LOGINS: [Login; 3] = [
    Login {
        user: "",
        parameters: "",
    },
    Login {
        user: "app",
        parameters: "",
    },
    Login {
        user: "app",
        parameters: "?protocol=resp3",
    },
];

impl Login {
    /// Settings with this login for a server without one in its URL.
    fn config(self, trial: &Trial, url: &str) -> PoolConfig {
        let login = format!("redis://{}:{PASSWORD_IN_URL}@", self.user);
        trial.config(&format!(
            "{}{}",
            url.replace("redis://", &login),
            self.parameters
        ))
    }
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

    /// What a command fails with. One of another library may go on trying, or put up with what
    /// ours refuses: that is for other rules.
    async fn failure(
        &mut self,
        trial: &Trial,
        what: &str,
        command: impl Future<Output = RedisResult<Value>>,
    ) -> Result<(), Broken> {
        let lenient = !trial.nature().speaks_the_contract;
        match tokio::time::timeout(PATIENCE, command).await {
            Ok(Err(error)) => self.error(what, &error),
            Ok(Ok(_)) | Err(_) if lenient => {}
            outcome => {
                let seen = format!("{outcome:?}");
                return Err(Broken::new(format!("the error of {what}"), seen));
            }
        }
        Ok(())
    }

    /// The error as it is, and as `?` makes it where a `RedisResult` is wanted.
    fn pool_error(&mut self, what: &str, error: PoolError) {
        self.error(what, &error);
        self.error(&format!("RedisError of {what}"), &RedisError::from(error));
    }
}

async fn working_pool(trial: &Trial, shown: &mut Shown, login: Login) -> Result<(), Broken> {
    let server = RedisServer::builder().password(PASSWORD).start().await?;
    let password = format!(">{PASSWORD}");
    let app = ["ACL", "SETUSER", "app", "on", &password, "~*", "+@all"];
    execute(&server, &app).await?;
    let proxy = trial.proxy(&server).await?;
    let mut config = login.config(trial, &proxy.url());
    config.max_size = 1;
    config.response_timeout = Some(Duration::from_millis(100));
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
    drop(connection);

    for loss in [Loss::Unanswered, Loss::Lost] {
        for command in secret_commands() {
            let mut connection = pool.get().await?;
            // One that ends before its holder has used it may be replaced unseen.
            if trial.nature().speaks_the_contract {
                let _: String = cmd("PING").query_async(&mut connection).await?;
            }
            loss.come(&proxy);
            let mut pipeline = redis::pipe();
            pipeline.add_command(command.clone()).cmd("PING");
            let lost = command.query_async(&mut connection);
            shown.failure(trial, "a lost command", lost).await?;
            shown.debug("PooledConnection that was lost", &connection);
            // Refused, because the connection has ended.
            let refused = command.query_async(&mut connection);
            shown.failure(trial, "a refused command", refused).await?;
            let refused = pipeline.query_async(&mut connection);
            shown.failure(trial, "a refused pipeline", refused).await?;
            loss.go(&proxy);
            let mut client = pool.client();
            let refused = command.query_async(&mut client);
            shown
                .failure(trial, "a command that a Client refuses", refused)
                .await?;
        }
    }
    if pool.is_bare() {
        return Ok(());
    }
    // It logs in again.
    let mut connection = pool.get().await?;
    let _: Value = secret_commands()[0].query_async(&mut connection).await?;
    shown.debug("PooledConnection that has logged in", &connection);
    shown.pool(&pool);
    if pool.capabilities().detach {
        shown.debug("DetachedConnection", &connection.detach()?);
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Loss {
    Unanswered,
    Lost,
}

impl Loss {
    fn come(self, proxy: &FaultProxy) {
        match self {
            Loss::Unanswered => proxy.stall(),
            Loss::Lost => proxy.cut(),
        }
    }

    fn go(self, proxy: &FaultProxy) {
        match self {
            Loss::Unanswered => {
                proxy.cut();
                proxy.resume();
            }
            Loss::Lost => {}
        }
    }
}

/// Commands among whose arguments is a secret.
fn secret_commands() -> Vec<Cmd> {
    let mut auth = cmd("AUTH");
    auth.arg(PASSWORD);
    let mut hello = cmd("HELLO");
    hello.arg(2).arg("AUTH").arg("app").arg(PASSWORD);
    vec![auth, hello]
}

/// A password that is wrong, also for a user whom the server doesn't know.
async fn refused_login(trial: &Trial, shown: &mut Shown, login: Login) -> Result<(), Broken> {
    let server = RedisServer::builder().password("another").start().await?;
    let url = server.url().replace(":another@", "");
    failed_get(trial, shown, "a login of an unknown user", &url, login).await?;
    execute(&server, &["ACL", "SETUSER", "app", "on", ">another"]).await?;
    failed_get(trial, shown, "a wrong password", &url, login).await
}

/// The server's answer talks of the password that it was given.
async fn login_where_none_is_wanted(
    trial: &Trial,
    shown: &mut Shown,
    login: Login,
) -> Result<(), Broken> {
    let server = trial.server().await?;
    failed_get(
        trial,
        shown,
        "a login where none is wanted",
        &server.url(),
        login,
    )
    .await
}

/// What a server that is too old for a command says of it, or one that isn't Redis.
async fn login_repeated_by_the_server(
    trial: &Trial,
    shown: &mut Shown,
    login: Login,
) -> Result<(), Broken> {
    for command in ["AUTH", "HELLO"] {
        for words in [
            "unknown command `it`, with args beginning with: ",
            "who is ",
        ] {
            let line = format!("-ERR {words}`{PASSWORD}`, \r\n");
            let script = Script::new().on(command, Answer::Bytes(line.into_bytes()));
            let server = ScriptedServer::start_with(script).await?;
            let pool = trial.pool(impatient(login.config(trial, &server.url())))?;
            // Whoever doesn't need the command is served.
            if let Ok(Err(error)) = tokio::time::timeout(PATIENCE, pool.get()).await {
                shown.pool_error("a login that the server repeats", error);
            }
            shown.pool(&pool);
        }
    }
    Ok(())
}

async fn lost_and_unanswered(trial: &Trial, shown: &mut Shown, login: Login) -> Result<(), Broken> {
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    let url = proxy.url();
    proxy.stall();
    failed_get(trial, shown, "a connect without an answer", &url, login).await?;
    proxy.refuse(true);
    failed_get(trial, shown, "a refused connect", &url, login).await
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
    // A ? that was not encoded: what follows looks like a parameter.
    for url in [
        format!("redis://app:6379?{SECRET}@localhost/0"),
        format!("redis://app:6379/0?{SECRET}@localhost/0"),
        format!("redis://app:6379?max_size={SECRET}@localhost/0"),
        format!("redis+unix:///socket?pass={PASSWORD_IN_URL}&db=zero"),
        format!("redis+unix:///socket?pass={PASSWORD_IN_URL}&unknown=1"),
        format!("http://app:{PASSWORD_IN_URL}@localhost/0"),
        format!("rediss://app:{PASSWORD_IN_URL}@localhost/0#insecure"),
    ] {
        shown.pool_error("a malformed URL", error_of(PoolConfig::from_url(&url))?);
    }
    Ok(())
}

async fn failed_get(
    trial: &Trial,
    shown: &mut Shown,
    what: &str,
    url: &str,
    login: Login,
) -> Result<(), Broken> {
    let pool = trial.pool(impatient(login.config(trial, url)))?;
    let lenient = !trial.nature().speaks_the_contract;
    match tokio::time::timeout(PATIENCE, pool.get()).await {
        Ok(Err(error)) => shown.pool_error(what, error),
        // Others may try for long, whatever they were told, or put up with what the server says.
        Ok(Ok(_)) | Err(_) if lenient => {}
        outcome => {
            return Err(Broken::new(
                format!("the error of {what}"),
                format!("{outcome:?}"),
            ));
        }
    }
    let (ping, mut client) = (cmd("PING"), pool.client());
    let through_client = ping.query_async(&mut client);
    let what = format!("{what}, of a Client");
    shown.failure(trial, &what, through_client).await?;
    shown.pool(&pool);
    Ok(())
}

fn impatient(mut config: PoolConfig) -> PoolConfig {
    config.get_timeout = Some(Duration::from_millis(200));
    config.connect_timeout = Some(Duration::from_millis(100));
    config
}

/// A URL out of the environment, which is refused by the variable's name.
fn variables(shown: &mut Shown) -> Result<(), Broken> {
    let url = format!("redis://app:{PASSWORD_IN_URL}@localhost:port/0");
    let variable = |name: &str| (name == "REDIS_URL").then(|| url.clone().into());
    shown.pool_error(
        "a malformed variable",
        error_of(PoolConfig::from_vars(variable))?,
    );
    Ok(())
}

fn error_of<T>(outcome: Result<T, PoolError>) -> Result<PoolError, Broken> {
    match outcome {
        Ok(_) => Err(Broken::new("an error", "none")),
        Err(error) => Ok(error),
    }
}
