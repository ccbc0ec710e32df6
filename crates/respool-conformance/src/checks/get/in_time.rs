use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use respool_core::{ConnectErrorKind, Pool, PoolError, TimeoutKind};
use respool_testserver::{Answer, RedisServer, Script, ScriptedServer};

use super::refusal::{
    Failure, PATIENCE, last_connect_error, refusal, refused_at_once, with_password,
};
use crate::check::ensure;
use crate::checks::full_use::hold_all;
use crate::trial::{eventually, within};
use crate::{Broken, Finding, Trial};

/// GET-3, a case for each way in which a `get` can fail.
pub(crate) fn ends_in_time_and_says_why(trial: &Trial) -> Finding {
    macro_rules! cases {
        ($($name:literal: $case:ident;)*) => {
            trial.block_on(async {
                $($case(trial).await.map_err(|broken| broken.in_case($name))?;)*
                Ok::<_, Broken>([$($name),*].join(", "))
            })
        };
    }
    // Where nobody holds a connection, not all can be in use.
    let wait = match trial.nature().lends {
        true => cases! { "all in use": all_in_use; }? + ", ",
        false => String::new(),
    };
    let connects = cases! {
        "nobody listening": nobody_listening;
        "wrong password": wrong_password;
        "no password": no_password;
        "too many clients": too_many_clients;
        "no such database": no_such_database;
        "still loading": still_loading;
        "busy with a script": busy_with_a_script;
        "silent server": silent_server;
        "server that closes at once": server_that_closes;
        "server that closes in the handshake": server_that_closes_in_the_handshake;
        "not a Redis server": not_a_redis_server;
    }?;
    Ok(wait + &connects)
}

async fn all_in_use(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    let mut config = trial.config(&server.url());
    config.get_timeout = Some(Duration::from_millis(300));
    let pool = trial.pool(config)?;
    let held = hold_all(&pool).await?;
    if pool.is_bare() {
        return all_in_use_in_other_words(&pool).await;
    }
    let unlimited = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get_within(None).await.map(drop) }
    });
    all_in_use_refusal(&pool).await?;
    drop(held);
    within(
        PATIENCE,
        "a get without a limit to outlast get_timeout",
        unlimited,
    )
    .await???;
    Ok(())
}

/// It has no limit for a single get, and it has waited for as long as it was told to.
async fn all_in_use_in_other_words(pool: &Pool) -> Result<(), Broken> {
    let started = Instant::now();
    let error = refusal(pool).await?;
    let took = started.elapsed();
    ensure!(
        took >= Duration::from_millis(300).mul_f64(0.8),
        expected: "a wait of 300ms",
        seen: "{error} after {took:?}"
    );
    Failure::of(error).ensure_kind(ConnectErrorKind::TimedOut, "")
}

async fn all_in_use_refusal(pool: &Pool) -> Result<(), Broken> {
    match refusal(pool).await? {
        PoolError::Timeout {
            phase: TimeoutKind::Wait,
            status,
            waited,
            last_connect_error: None,
            ..
        } => {
            ensure!(
                status.in_use == 4 && status.max_size == 4,
                expected: "an error that shows 4 of 4 in use",
                seen: "{status}"
            );
            ensure!(
                waited >= Duration::from_millis(300).mul_f64(0.8),
                expected: "a wait of 300ms in the error",
                seen: "{waited:?}"
            );
            Ok(())
        }
        other => Err(Broken::new("a timeout of the wait", format!("{other:?}"))),
    }
}

async fn nobody_listening(trial: &Trial) -> Result<(), Broken> {
    // The proxy keeps the port to itself while it refuses.
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    proxy.refuse(true);
    let failure = last_connect_error(trial, &with_password(&proxy.url()), |_| {}).await?;
    failure.ensure_kind(ConnectErrorKind::Refused, "refused")?;
    failure.ensure_names(&proxy.address().to_string())
}

async fn wrong_password(trial: &Trial) -> Result<(), Broken> {
    let server = RedisServer::builder().password("right").start().await?;
    let url = with_password(&server.url().replace(":right@", ""));
    let failure = refused_at_once(trial, &url).await?;
    failure.ensure_kind(ConnectErrorKind::Authentication, "login")
}

async fn no_password(trial: &Trial) -> Result<(), Broken> {
    let server = RedisServer::builder().password("right").start().await?;
    let failure = refused_at_once(trial, &server.url().replace(":right@", "")).await?;
    failure.ensure_kind(ConnectErrorKind::Authentication, "password")
}

async fn too_many_clients(trial: &Trial) -> Result<(), Broken> {
    let server = RedisServer::builder().max_clients(1).start().await?;
    let mut other = TcpStream::connect(server.address())?;
    other.write_all(b"PING\r\n")?;
    other.read_exact(&mut [0; 7])?;
    let failure = last_connect_error(trial, &with_password(&server.url()), |_| {}).await?;
    failure.ensure_kind(ConnectErrorKind::TooManyClients, "client")
}

async fn no_such_database(trial: &Trial) -> Result<(), Broken> {
    let server = RedisServer::builder().databases(1).start().await?;
    let url = server.url().replace("/0", "/7");
    let failure = refused_at_once(trial, &url).await?;
    failure.ensure_kind(ConnectErrorKind::Setup, "settings")
}

async fn still_loading(trial: &Trial) -> Result<(), Broken> {
    let loading = b"-LOADING Redis is loading the dataset in memory\r\n".to_vec();
    let server = ScriptedServer::start_with(Script::any(Answer::Bytes(loading))).await?;
    let failure = last_connect_error(trial, &server.url(), |_| {}).await?;
    failure.ensure_kind(ConnectErrorKind::NotReady, "ready")
}

/// It answers everything else with -BUSY, so that a handshake is refused at its first step that
/// the server has to run.
async fn busy_with_a_script(trial: &Trial) -> Result<(), Broken> {
    let server = trial.server().await?;
    server
        .command(&["CONFIG", "SET", "lua-time-limit", "10"])
        .await?;
    let mut other = TcpStream::connect(server.address())?;
    other.write_all(b"EVAL \"while true do end\" 0\r\n")?;
    let what = "the server to call itself busy";
    eventually(PATIENCE, what, async || {
        let reply = server.command(&["PING"]).await;
        format!("{reply:?}").contains("BUSY")
    })
    .await?;

    let url = server.url().replace("/0", "/1");
    let failure = last_connect_error(trial, &url, |_| {}).await?;
    failure.ensure_kind(ConnectErrorKind::NotReady, "ready")?;
    let failure = last_connect_error(trial, &server.url(), |config| {
        config.client_name = Some("busy".to_owned());
    })
    .await?;
    failure.ensure_kind(ConnectErrorKind::NotReady, "ready")?;

    let mut config = trial.config(&url);
    config.get_timeout = Some(PATIENCE);
    let pool = trial.pool(config)?;
    let waiter = pool.clone();
    let waiter = tokio::spawn(async move { waiter.get().await.map(drop) });
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.command(&["SCRIPT", "KILL"]).await?;
    let what = "a get to be served once the script has ended";
    let served = within(PATIENCE, what, waiter).await??;
    if !pool.is_bare() {
        served?;
    }
    Ok(())
}

async fn silent_server(trial: &Trial) -> Result<(), Broken> {
    let server = ScriptedServer::start_with(Script::new().on_connect(Answer::Silence)).await?;
    let failure = last_connect_error(trial, &with_password(&server.url()), |config| {
        config.connect_timeout = Some(Duration::from_millis(150));
    })
    .await?;
    failure.ensure_kind(ConnectErrorKind::TimedOut, "no answer")
}

async fn server_that_closes(trial: &Trial) -> Result<(), Broken> {
    let server = ScriptedServer::start_with(Script::new().on_connect(Answer::Close)).await?;
    let failure = last_connect_error(trial, &with_password(&server.url()), |_| {}).await?;
    failure.ensure_kind(ConnectErrorKind::Closed, "closed")
}

/// The first reply is an error that a client puts up with: an older server doesn't know CLIENT
/// SETINFO. What failed is the connection, and that may pass.
async fn server_that_closes_in_the_handshake(trial: &Trial) -> Result<(), Broken> {
    let unknown = b"-ERR unknown subcommand 'SETINFO'. Try CLIENT HELP.\r\n".to_vec();
    let script = Script::any(Answer::Close).on("CLIENT|SETINFO", Answer::BytesThenClose(unknown));
    let server = ScriptedServer::start_with(script).await?;
    let failure = last_connect_error(trial, &server.url(), |_| {}).await?;
    failure.ensure_kind(ConnectErrorKind::Closed, "closed")
}

async fn not_a_redis_server(trial: &Trial) -> Result<(), Broken> {
    let answer = Answer::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
    let server = ScriptedServer::start_with(Script::any(answer)).await?;
    let failure = refused_at_once(trial, &server.url()).await?;
    failure.ensure_kind(ConnectErrorKind::Protocol, "not a Redis server")
}
