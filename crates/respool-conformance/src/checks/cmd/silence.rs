use std::time::{Duration, Instant};

use redis::{RedisError, RedisResult, Value, cmd, pipe};
use respool_core::{CloseReason, CommandError, Pool, PoolConfig, PooledConnection};
use respool_testserver::{Answer, FaultProxy, RedisServer, Script, ScriptedServer};
use tokio::task::JoinSet;

use super::server_side::is_connected;
use crate::check::ensure;
use crate::checks::client_id;
use crate::checks::full_use::{hold_all, lost_nothing};
use crate::checks::way::Way;
use crate::trial::{eventually, within};
use crate::{Broken, Finding, Trial};

const RESPONSE_TIMEOUT: Duration = Duration::from_millis(300);
/// Not a measure of `response_timeout`: proof that nobody waits without end.
const PATIENCE: Duration = Duration::from_secs(8);

/// CMD-4: servers and networks that fall silent, callers who wait for their error, and callers who
/// give up before it.
pub(crate) fn a_silent_server_costs_at_most_response_timeout(trial: &Trial) -> Finding {
    trial.block_on(async {
        let (network, server, crowd, half, gone_own, gone_shared) = tokio::join!(
            falls_silent(trial, Silent::Network),
            falls_silent(trial, Silent::Server),
            a_crowd_waits(trial),
            breaks_off_half_way(trial),
            swallows_without_a_word(trial, Way::Own),
            swallows_without_a_word(trial, Way::Shared),
        );
        network.map_err(|broken| broken.in_case("a network that stalls"))?;
        server.map_err(|broken| broken.in_case("a server that has stopped"))?;
        let crowd = crowd.map_err(|broken| broken.in_case("a crowd at a stalled network"))?;
        half.map_err(|broken| broken.in_case("a reply that breaks off half way"))?;
        let own = gone_own.map_err(|broken| broken.in_case("old connections swallowed"))?;
        let shared = gone_shared
            .map_err(|broken| broken.in_case("old connections swallowed, through a Client"))?;
        Ok(format!(
            "all had their errors, a crowd of {CROWD} within {crowd:?}; with callers who gave up \
             first, commands succeeded again after {own} attempts, {shared} through a Client"
        ))
    })
}

/// What falls silent.
#[derive(Clone, Copy)]
enum Silent {
    Network,
    Server,
}

impl Silent {
    fn begin(self, server: &RedisServer, proxy: &FaultProxy) {
        match self {
            Silent::Network => proxy.stall(),
            Silent::Server => server.pause(),
        }
    }

    /// What was held back arrives.
    fn end(self, server: &RedisServer, proxy: &FaultProxy) {
        match self {
            Silent::Network => proxy.resume(),
            Silent::Server => server.resume(),
        }
    }
}

fn impatient(trial: &Trial, url: &str) -> PoolConfig {
    let mut config = trial.config(url);
    config.response_timeout = Some(RESPONSE_TIMEOUT);
    config
}

async fn falls_silent(trial: &Trial, silent: Silent) -> Result<(), Broken> {
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    let url = proxy.url();
    for request in [Request::Command, Request::Pipeline, Request::Transaction] {
        let pool = trial.pool(impatient(trial, &url))?;
        let mut connection = pool.get().await?;
        let id = client_id(&mut connection).await?;
        silent.begin(&server, &proxy);
        ensure_times_out(&pool, request.send(&mut connection, "late")).await?;
        if !pool.is_bare() {
            ensure_refused_as_not_sent(&mut connection).await?;
        }
        drop(connection);
        silent.end(&server, &proxy);
        ensure_left_behind(&server, &pool, id).await?;
    }

    // With one connection it is known which one a client uses.
    let mut config = impatient(trial, &url);
    config.max_size = 1;
    let pool = trial.pool(config)?;
    let id = Way::Shared.query(&pool, cmd("CLIENT").arg("ID")).await?;
    silent.begin(&server, &proxy);
    let mut client = pool.client();
    let late = async {
        cmd("ECHO")
            .arg("late")
            .query_async::<Value>(&mut client)
            .await
    };
    ensure_times_out(&pool, late).await?;
    silent.end(&server, &proxy);
    ensure_left_behind(&server, &pool, id).await
}

async fn ensure_refused_as_not_sent(connection: &mut PooledConnection) -> Result<(), Broken> {
    let ping = cmd("PING");
    let again = ping.query_async::<Value>(connection);
    let again = within(PATIENCE, "the next command to be refused", again).await?;
    let refused = again
        .as_ref()
        .is_err_and(|error| executed_perhaps(error) == Some(false));
    ensure!(
        refused && connection.is_condemned(),
        expected: "the next command on that connection to be refused as not sent",
        seen: "{again:?}"
    );
    Ok(())
}

#[derive(Clone, Copy)]
enum Request {
    Command,
    Pipeline,
    Transaction,
}

impl Request {
    async fn send(self, connection: &mut PooledConnection, word: &str) -> RedisResult<Value> {
        let mut pipeline = pipe();
        pipeline.cmd("ECHO").arg(word).cmd("ECHO").arg(word);
        match self {
            Request::Command => cmd("ECHO").arg(word).query_async(connection).await,
            Request::Pipeline => pipeline.query_async(connection).await,
            Request::Transaction => pipeline.atomic().query_async(connection).await,
        }
    }
}

async fn ensure_times_out(
    pool: &Pool,
    request: impl Future<Output = RedisResult<Value>>,
) -> Result<(), Broken> {
    let started = Instant::now();
    let outcome = within(PATIENCE, "the command to time out", request).await?;
    let took = started.elapsed();
    let timed_out = outcome.as_ref().is_err_and(|error| {
        error.is_timeout() && (pool.is_bare() || executed_perhaps(error) == Some(true))
    });
    ensure!(
        timed_out && took >= RESPONSE_TIMEOUT.mul_f64(0.9),
        expected: "a time-out after {RESPONSE_TIMEOUT:?}, with a command that may be executed",
        seen: "{outcome:?} after {took:?}"
    );
    Ok(())
}

fn executed_perhaps(error: &RedisError) -> Option<bool> {
    CommandError::find_in(error).map(CommandError::may_have_been_executed)
}

/// The connection is closed and counted, nobody gets it again, and the late reply with it.
async fn ensure_left_behind(server: &RedisServer, pool: &Pool, id: u64) -> Result<(), Broken> {
    let what = "the connection whose command had its time-out to be closed";
    eventually(PATIENCE, what, async || !is_connected(server, id).await).await?;
    let closed = pool.status().closed;
    ensure!(
        pool.is_bare() || closed.of(CloseReason::TimedOut) == 1,
        expected: "one closed as timed out",
        seen: "{closed:?}"
    );
    for connection in &mut hold_all(pool).await? {
        let other = client_id(connection).await?;
        ensure!(other != id, expected: "other connections than client {id}", seen: "it again");
    }
    ensure_replies_are_right(pool).await
}

async fn ensure_replies_are_right(pool: &Pool) -> Result<(), Broken> {
    for number in 0..10 {
        for way in Way::BOTH {
            way.echo(pool, &format!("word {number}")).await?;
        }
    }
    Ok(())
}

const CROWD: usize = 12;

/// More callers than connections: those that wait for a slot have an end, too.
async fn a_crowd_waits(trial: &Trial) -> Result<Duration, Broken> {
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    let mut config = impatient(trial, &proxy.url());
    config.get_timeout = Some(Duration::from_secs(1));
    let pool = trial.pool(config)?;
    lost_nothing(&pool).await?;
    Way::Shared.echo(&pool, "warm").await?;

    proxy.stall();
    let started = Instant::now();
    let mut crowd = JoinSet::new();
    for number in 0..CROWD {
        let (pool, way) = (pool.clone(), Way::BOTH[number % 2]);
        crowd.spawn(async move {
            let ping = cmd("PING");
            let late = way.query::<Value>(&pool, &ping);
            let what = "everybody in the crowd to have an answer";
            within(PATIENCE, what, late)
                .await
                .map(|outcome| (way, outcome))
        });
    }
    while let Some(outcome) = crowd.join_next().await {
        let (way, outcome) = outcome??;
        // On a lane the first time-out ends what others have under way there.
        let fails = outcome.as_ref().is_err_and(|error| {
            pool.is_bare()
                || error.is_timeout()
                || way == Way::Shared && executed_perhaps(error) == Some(true)
        });
        ensure!(fails, expected: "a time-out for everybody", seen: "{outcome:?}, {way:?}");
    }
    let took = started.elapsed();
    proxy.resume();
    lost_nothing(&pool).await?;
    ensure_replies_are_right(&pool).await?;
    Ok(took)
}

async fn breaks_off_half_way(trial: &Trial) -> Result<(), Broken> {
    let half = Answer::Bytes(b"$10\r\nhalf".to_vec());
    let server = ScriptedServer::start_with(Script::new().on("GET", half)).await?;
    let pool = trial.pool(impatient(trial, &server.url()))?;
    for way in Way::BOTH {
        way.echo(&pool, "warm").await?;
        let accepted = server.accepted();
        ensure_times_out(&pool, way.query(&pool, cmd("GET").arg("key"))).await?;
        ensure_replies_are_right(&pool).await?;
        ensure!(
            server.accepted() > accepted,
            expected: "another connection after that {way:?}",
            seen: "the same again"
        );
    }
    Ok(())
}

/// The connections that are open lead nowhere, new ones work, and callers give up long before
/// `response_timeout`: none of them sees its error, and yet the pool must learn from them.
async fn swallows_without_a_word(trial: &Trial, way: Way) -> Result<usize, Broken> {
    const CALLERS_PATIENCE: Duration = Duration::from_millis(100);
    const IN_A_ROW: usize = 10;
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    let pool = trial.pool(impatient(trial, &proxy.url()))?;
    lost_nothing(&pool).await?;
    Way::Shared.echo(&pool, "warm").await?;
    proxy.stall_open_connections();

    let (mut attempts, mut in_a_row) = (0, 0);
    let what = "commands of callers who give up early to succeed again";
    eventually(PATIENCE, what, async || {
        attempts += 1;
        let attempt = way.echo(&pool, "word");
        match tokio::time::timeout(CALLERS_PATIENCE, attempt).await {
            Ok(Ok(())) => in_a_row += 1,
            _ => in_a_row = 0,
        }
        in_a_row == IN_A_ROW
    })
    .await?;
    Ok(attempts - IN_A_ROW)
}
