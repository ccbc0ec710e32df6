use std::time::Duration;

use redis::{Cmd, Pipeline, RedisError, RedisResult, Value, cmd};
use respool_core::{CloseReason, Pool};
use respool_testserver::{Answer, FaultProxy, RedisServer, Script, ScriptedServer};

use crate::check::ensure;
use crate::checks::cmd::run;
use crate::checks::full_use::come_to_rest;
use crate::checks::way::Way;
use crate::trial::eventually;
use crate::{Broken, Finding, Trial};

const PATIENCE: Duration = Duration::from_secs(5);

/// LIFE-7: a node that is demoted while the address moves on to the new primary, one that has lost
/// its primary, and one that says so in every place where a reply can stand.
pub(crate) fn an_unfit_node_is_left(trial: &Trial) -> Finding {
    trial.block_on(async {
        let mut nodes = Nodes::start(trial).await?;
        for way in Way::BOTH {
            for (loss, request) in [
                (Loss::OfItsRank, Request::Command),
                (Loss::OfItsRank, Request::Pipeline),
                (Loss::OfItsRank, Request::Transaction),
                (Loss::OfItsPrimary, Request::Read),
            ] {
                let case = format!("loss {loss:?}, {request:?} {}", way.as_str());
                address_moves_on(trial, &nodes, loss, request, way)
                    .await
                    .map_err(|broken| broken.in_case(&case))?;
                nodes.change_places().await?;
            }
            for unfit in UNFIT {
                let said = unfit.reply.trim_end();
                let case = format!("{said:?} to {:?} {}", unfit.request, way.as_str());
                reply_says_so(trial, unfit, way)
                    .await
                    .map_err(|broken| broken.in_case(&case))?;
            }
            said_beside_another_error(trial, way)
                .await
                .map_err(|broken| broken.in_case(way.as_str()))?;
            said_by_an_exec_of_ones_own(trial, way)
                .await
                .map_err(|broken| broken.in_case(way.as_str()))?;
            other_errors_retire_nothing(trial, way)
                .await
                .map_err(|broken| broken.in_case(way.as_str()))?;
        }
        Ok(format!(
            "{} times an unfit node was left at its first reply that said so, which reached the \
             caller; other errors cost no connection",
            2 * (4 + UNFIT.len())
        ))
    })
}

/// What a node has lost, and is unfit for.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// It was demoted: READONLY.
    OfItsRank,
    /// It is a replica that serves nothing out of date: MASTERDOWN.
    OfItsPrimary,
}

impl Loss {
    fn code(self) -> &'static str {
        match self {
            Loss::OfItsRank => "READONLY",
            Loss::OfItsPrimary => "MASTERDOWN",
        }
    }
}

/// What is asked of a node.
#[derive(Clone, Copy, Debug)]
enum Request {
    /// All the others write.
    Read,
    Command,
    Pipeline,
    Transaction,
}

impl Request {
    async fn send(self, pool: &Pool, way: Way) -> RedisResult<Value> {
        match self {
            Request::Read => way.query(pool, cmd("GET").arg("one")).await,
            Request::Command => way.query(pool, &set("one")).await,
            Request::Pipeline => way.query_pipeline(pool, &two(false)).await,
            Request::Transaction => way.query_pipeline(pool, &two(true)).await,
        }
    }
}

fn set(key: &str) -> Cmd {
    let mut set = cmd("SET");
    set.arg(key).arg("value");
    set
}

fn two(atomic: bool) -> Pipeline {
    let mut pipeline = redis::pipe();
    if atomic {
        pipeline.atomic();
    }
    pipeline.add_command(set("one")).add_command(set("two"));
    pipeline
}

/// Two real nodes, of which `first` serves until something happens to it.
struct Nodes {
    first: RedisServer,
    second: RedisServer,
}

impl Nodes {
    async fn start(trial: &Trial) -> Result<Self, Broken> {
        Ok(Nodes {
            first: trial.server().await?,
            second: trial.server().await?,
        })
    }

    async fn strike_first(&self, loss: Loss) -> Result<(), Broken> {
        let primary = match loss {
            Loss::OfItsRank => self.second.port(),
            Loss::OfItsPrimary => {
                let serve_nothing = "CONFIG SET replica-serve-stale-data no";
                run(&self.first, serve_nothing, "").await?;
                // Nobody listens there.
                1
            }
        };
        run(&self.first, &format!("REPLICAOF 127.0.0.1 {primary}"), "").await?;
        Ok(())
    }

    async fn change_places(&mut self) -> Result<(), Broken> {
        run(&self.first, "REPLICAOF NO ONE", "").await?;
        run(&self.first, "CONFIG SET replica-serve-stale-data yes", "").await?;
        std::mem::swap(&mut self.first, &mut self.second);
        Ok(())
    }
}

async fn address_moves_on(
    trial: &Trial,
    nodes: &Nodes,
    loss: Loss,
    request: Request,
    way: Way,
) -> Result<(), Broken> {
    let proxy = trial.proxy(&nodes.first).await?;
    let pool = trial.pool(trial.config(&proxy.url()))?;
    request.send(&pool, way).await?;

    nodes.strike_first(loss).await?;
    proxy.lead_to(nodes.second.address());
    expect_error(request.send(&pool, way).await, loss.code())?;
    expect_unfit(trial, &pool, 1).await?;

    // Nobody but the node that the address leads to now would say yes.
    request.send(&pool, way).await?;
    expect_unfit(trial, &pool, 1).await?;
    let left = eventually(
        PATIENCE,
        "no connection left at the unfit node",
        async || nodes.first.connected_clients().await == 0,
    );
    left.await?;
    expect_opened(&proxy, 2)
}

/// What a node may say, and to what.
struct Unfit {
    to: &'static str,
    request: Request,
    reply: &'static str,
    /// What the caller must see.
    code: Option<&'static str>,
}

const UNFIT: [Unfit; 5] = [
    Unfit {
        to: "SET",
        request: Request::Command,
        reply: "-LOADING Redis is loading the dataset in memory\r\n",
        code: Some("LOADING"),
    },
    Unfit {
        to: "SET",
        request: Request::Pipeline,
        reply: "-MASTERDOWN Link with MASTER is down\r\n",
        code: Some("MASTERDOWN"),
    },
    Unfit {
        to: "SET",
        request: Request::Transaction,
        reply: "-LOADING Redis is loading the dataset in memory\r\n",
        code: Some("LOADING"),
    },
    // Demoted after the commands had been queued.
    Unfit {
        to: "EXEC",
        request: Request::Transaction,
        reply: "-EXECABORT Transaction discarded because of: READONLY You can't write\r\n",
        // The redis crate makes an error of its own of this reply.
        code: None,
    },
    // A script that wrote, among what EXEC executed.
    Unfit {
        to: "EXEC",
        request: Request::Transaction,
        reply: "*2\r\n+OK\r\n-READONLY You can't write against a read only replica.\r\n",
        code: Some("READONLY"),
    },
];

async fn reply_says_so(trial: &Trial, unfit: Unfit, way: Way) -> Result<(), Broken> {
    let once = Script::new().once(unfit.to, Answer::Bytes(unfit.reply.into()));
    let server = ScriptedServer::start_with(once).await?;
    let pool = trial.pool(trial.config(&server.url()))?;
    let outcome = unfit.request.send(&pool, way).await;
    match unfit.code {
        Some(code) => expect_error(outcome, code)?,
        None => expect_some_error(outcome)?,
    }
    expect_unfit(trial, &pool, 1).await?;
    unfit.request.send(&pool, way).await?;
    expect_unfit(trial, &pool, 1).await?;
    let opened = server.accepted();
    ensure!(opened == 2, expected: "one fresh connection", seen: "{opened} opened in all");
    Ok(())
}

/// A transaction of which one command is wrong, and the next one refused by a node that was demoted.
async fn said_beside_another_error(trial: &Trial, way: Way) -> Result<(), Broken> {
    let wrong = Answer::Bytes(b"-ERR unknown command 'WRONG'\r\n".into());
    let readonly = Answer::Bytes(b"-READONLY You can't write\r\n".into());
    let aborted = b"-EXECABORT Transaction discarded because of previous errors.\r\n";
    let script = Script::new()
        .once("WRONG", wrong)
        .once("SET", readonly)
        .once("EXEC", Answer::Bytes(aborted.into()));
    let server = ScriptedServer::start_with(script).await?;
    let pool = trial.pool(trial.config(&server.url()))?;
    let mut transaction = redis::pipe();
    transaction.atomic().cmd("WRONG").add_command(set("one"));
    expect_some_error(way.query_pipeline(&pool, &transaction).await)?;
    expect_unfit(trial, &pool, 1)
        .await
        .map_err(|broken| broken.in_case("READONLY after another error"))
}

/// A script that wrote, in a transaction that its caller has spelled out: in one pipeline, and on a
/// connection of his own also command by command.
async fn said_by_an_exec_of_ones_own(trial: &Trial, way: Way) -> Result<(), Broken> {
    for in_one in [true, false] {
        if way == Way::Shared && !in_one {
            continue;
        }
        let executed = b"*1\r\n-READONLY You can't write against a read only replica.\r\n";
        let script = Script::new()
            .once("EVAL", Answer::Bytes(b"+QUEUED\r\n".into()))
            .once("EXEC", Answer::Bytes(executed.into()));
        let server = ScriptedServer::start_with(script).await?;
        let pool = trial.pool(trial.config(&server.url()))?;
        let mut eval = cmd("EVAL");
        eval.arg("return redis.call('set', KEYS[1], 1)")
            .arg(1)
            .arg("one");
        if in_one {
            let mut pipeline = redis::pipe();
            pipeline.cmd("MULTI").add_command(eval).cmd("EXEC");
            let _ = way.query_pipeline::<Value>(&pool, &pipeline).await;
        } else {
            let mut held = pool.get().await?;
            for command in [cmd("MULTI"), eval, cmd("EXEC")] {
                let _ = command.query_async::<Value>(&mut held).await;
            }
        }
        expect_unfit(trial, &pool, 1).await.map_err(|broken| {
            broken.in_case("READONLY to a script, in a transaction that was spelled out")
        })?;
    }
    Ok(())
}

/// Errors of the caller's own making, and a value that looks like one of the node's.
async fn other_errors_retire_nothing(trial: &Trial, way: Way) -> Result<(), Broken> {
    let server = trial.server().await?;
    let proxy = trial.proxy(&server).await?;
    let pool = trial.pool(trial.config(&proxy.url()))?;
    let text = "READONLY You can't write against a read only replica.";
    let echo: String = way.query(&pool, cmd("ECHO").arg(text)).await?;
    ensure!(echo == text, expected: "{text:?}", seen: "{echo:?}");
    run(&server, "RPUSH list element", "").await?;

    expect_error(way.query(&pool, cmd("INCR").arg("list")).await, "WRONGTYPE")?;
    expect_error(way.query(&pool, &cmd("NOSUCHCOMMAND")).await, "ERR")?;
    let mut unknown = two(true);
    unknown.cmd("NOSUCHCOMMAND");
    expect_some_error(way.query_pipeline(&pool, &unknown).await)?;
    Request::Transaction.send(&pool, way).await?;
    expect_unfit(trial, &pool, 0).await?;
    expect_opened(&proxy, 1)
}

fn expect_error(outcome: RedisResult<Value>, code: &str) -> Result<(), Broken> {
    match outcome {
        Err(error) if has_code(&error, code) => Ok(()),
        Err(error) => Err(Broken::new(
            format!("the error {code}, as the server gave it"),
            error.to_string(),
        )),
        Ok(reply) => Err(Broken::new(
            format!("the error {code}, as the server gave it"),
            format!("the reply {reply:?}"),
        )),
    }
}

fn expect_some_error(outcome: RedisResult<Value>) -> Result<(), Broken> {
    match outcome {
        Err(_) => Ok(()),
        Ok(reply) => Err(Broken::new("an aborted transaction", format!("{reply:?}"))),
    }
}

/// Whether it is this error: alone, among those of a pipeline, or as what EXEC was refused for, in the
/// words that a server has for that.
fn has_code(error: &RedisError, code: &str) -> bool {
    let cause = format!("discarded because of: {code} ");
    let detail = error.detail().unwrap_or_default();
    error.code() == Some(code)
        || (error.code() == Some("EXECABORT") && detail.contains(&cause))
        || error
            .clone()
            .into_server_errors()
            .is_some_and(|errors| errors.iter().any(|(_, error)| error.code() == code))
}

async fn expect_unfit(trial: &Trial, pool: &Pool, count: u64) -> Result<(), Broken> {
    if !trial.nature().shows.reasons {
        return Ok(());
    }
    come_to_rest(pool).await?;
    let unfit = pool.status().closed.of(CloseReason::NodeUnfit);
    ensure!(
        unfit == count,
        expected: "{count} connections closed and counted as node_unfit",
        seen: "{unfit}"
    );
    Ok(())
}

fn expect_opened(proxy: &FaultProxy, count: u64) -> Result<(), Broken> {
    let opened = proxy.accepted();
    ensure!(opened == count, expected: "{count} connections opened in all", seen: "{opened}");
    Ok(())
}
