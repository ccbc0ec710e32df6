//! What lanes promise beyond the rules that all backends keep.

mod division;
mod held_up;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{AsyncCommands, RedisResult, Value, cmd, pipe};
use respool_core::{
    Client, CommandError, Pool, PoolConfig, PoolError, READ_ONLY, Retry, TimeoutKind,
};
use respool_testserver::{Answer, FaultProxy, RedisServer, Script, ScriptedServer};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

fn pool(url: &str, set: impl FnOnce(&mut PoolConfig)) -> Pool {
    let mut config = PoolConfig::from_url(url).expect("the URL is one");
    set(&mut config);
    respool_native::build(config).expect("the settings are good")
}

async fn server() -> RedisServer {
    RedisServer::start().await.expect("redis-server starts")
}

async fn proxy(server: &RedisServer) -> FaultProxy {
    FaultProxy::start(server.address())
        .await
        .expect("a port is free")
}

fn one_thread() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

/// Has a lane opened, with nothing under way on it.
async fn warm(client: &Client) {
    let _: Value = cmd("PING").query_async(&mut client.clone()).await.unwrap();
}

/// Polls a future once: it must not be ready.
async fn begin(future: std::pin::Pin<&mut impl Future<Output = RedisResult<Value>>>) {
    let mut future = future;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Pending => Poll::Ready(()),
        Poll::Ready(outcome) => panic!("ready at once: {outcome:?}"),
    })
    .await;
}

/// Long enough for whatever should happen.
const PATIENCE: Duration = Duration::from_secs(10);

/// 32 tasks that ask all the time, until it is dropped.
struct Load(JoinSet<()>);

impl Load {
    fn on(pool: &Pool) -> Self {
        let mut tasks = JoinSet::new();
        for number in 0..32 {
            let mut client = pool.client();
            tasks.spawn(async move {
                loop {
                    let echo: RedisResult<i64> =
                        cmd("ECHO").arg(number).query_async(&mut client).await;
                    assert_eq!(echo.unwrap(), number);
                }
            });
        }
        Load(tasks)
    }

    /// Until its pool has `count` connections open; never more.
    async fn has_opened(&mut self, pool: &Pool, count: u64) {
        let opened = async {
            while pool.status().opened < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, opened)
            .await
            .expect("in time");
        assert_eq!(pool.status().opened, count);
        assert!(self.0.try_join_next().is_none(), "a command went wrong");
    }
}

fn may_have_been_executed(outcome: &RedisResult<Value>) -> Option<bool> {
    let error = CommandError::find_in(outcome.as_ref().err()?)?;
    Some(error.may_have_been_executed())
}

#[tokio::test]
async fn a_command_that_is_given_up_before_it_is_written_never_is() {
    let server = server().await;
    let pool = pool(&server.url(), |_| {});
    let (mut one, mut other) = (pool.client(), pool.client());
    warm(&one).await;
    let (ping, incr) = (cmd("PING"), cmd("INCR").arg("counter").to_owned());
    {
        let mut written = pin!(one.req_packed_command(&ping));
        begin(written.as_mut()).await;
        {
            let mut unwritten = pin!(other.req_packed_command(&incr));
            begin(unwritten.as_mut()).await;
        }
        written.await.unwrap();
    }
    assert_eq!(server.command_calls("incr").await, 0);
    let counted: i64 = incr.query_async(&mut other).await.unwrap();
    assert_eq!(counted, 1);
}

#[tokio::test]
async fn a_command_that_is_given_up_after_it_was_written_costs_nobody_anything() {
    let server = server().await;
    let pool = pool(&server.url(), |_| {});
    let mut client = pool.client();
    warm(&client).await;
    for number in 0..100 {
        let lost = cmd("ECHO").arg(format!("lost {number}")).to_owned();
        let mut other = client.clone();
        {
            let mut given_up = pin!(other.req_packed_command(&lost));
            begin(given_up.as_mut()).await;
        }
        let echo: String = cmd("ECHO")
            .arg(number)
            .query_async(&mut client)
            .await
            .unwrap();
        assert_eq!(echo, number.to_string());
    }
    assert_eq!(server.command_calls("echo").await, 200);
    assert_eq!(pool.status().opened, 1);
}

#[tokio::test]
async fn what_was_never_written_survives_the_loss_of_its_connection() {
    let server = server().await;
    let proxy = proxy(&server).await;
    let pool = pool(&proxy.url(), |_| {});
    let (mut one, mut other) = (pool.client(), pool.client());
    warm(&one).await;
    proxy.stall();
    // More than the way to the server holds, so that the rest has to wait.
    let first = cmd("SET").arg("large").arg("x".repeat(32 << 20)).to_owned();
    let second = cmd("INCR").arg("counter").to_owned();
    let mut written = pin!(one.req_packed_command(&first));
    begin(written.as_mut()).await;
    let mut unwritten = pin!(other.req_packed_command(&second));
    begin(unwritten.as_mut()).await;
    proxy.cut();
    proxy.resume();
    let (written, unwritten) = tokio::join!(written, unwritten);
    assert_eq!(may_have_been_executed(&written), Some(true), "{written:?}");
    assert_eq!(unwritten, Ok(Value::Int(1)));
}

/// By the scripted server, since a real one sends the replies to what it has read together.
#[tokio::test]
async fn a_reply_that_came_before_a_write_failed_is_given_to_who_asked() {
    let script = Script::new()
        .on("ECHO", Answer::Silence)
        .on("GET", Answer::Silence);
    let server = Arc::new(ScriptedServer::start_with(script).await.unwrap());
    let proxy = FaultProxy::start(server.address()).await.unwrap();
    let pool = pool(&proxy.url(), |_| {});
    let (mut one, mut other) = (pool.client(), pool.client());
    warm(&one).await;
    let says = server.clone();
    let first = tokio::spawn(async move {
        let echo: String = cmd("ECHO").arg("echo").query_async(&mut one).await?;
        // Nothing of the lane has a turn meanwhile.
        let value = b"$5\r\nvalue\r\n";
        let breaks = async move {
            // What came before is shorter, should the proxy not have counted it yet.
            let all = proxy.reply_bytes() + value.len() as u64;
            says.say(value).await;
            while proxy.reply_bytes() < all {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            proxy.reset();
            proxy.wait_until_open(0).await;
            // Until the system has passed it on.
            tokio::time::sleep(Duration::from_millis(50)).await;
            proxy
        };
        let breaking = std::thread::spawn(|| one_thread().block_on(breaks));
        let proxy = breaking.join().unwrap();
        let pong: String = cmd("PING").query_async(&mut one).await?;
        drop(proxy);
        RedisResult::Ok((echo, pong))
    });
    let second = tokio::spawn(async move { other.get::<_, String>("key").await });
    while server.command_calls("echo") + server.command_calls("get") < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    server.say(b"$4\r\necho\r\n").await;
    let (echo, pong) = first.await.unwrap().unwrap();
    assert_eq!((&*echo, &*pong), ("echo", "PONG"));
    assert_eq!(second.await.unwrap().unwrap(), "value");
    assert_eq!(pool.status().opened, 2);
}

/// It quotes what it was sent.
#[tokio::test]
async fn an_error_that_is_not_text_costs_others_nothing() {
    let server = server().await;
    let pool = pool(&server.url(), |_| {});
    let (mut one, mut other) = (pool.client(), pool.client());
    warm(&one).await;
    let unknown = cmd("NOSUCH").arg(b"\xff").to_owned();
    let ping = cmd("PING");
    let (refused, answered) = tokio::join!(
        unknown.query_async::<Value>(&mut one),
        ping.query_async::<Value>(&mut other)
    );
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Some("ERR"), "{refused}");
    assert!(refused.to_string().contains('\u{fffd}'), "{refused}");
    assert_eq!(answered, Ok(Value::SimpleString("PONG".to_owned())));
    assert_eq!(pool.status().opened, 1);
}

#[tokio::test]
async fn a_lane_that_stalls_is_replaced_and_its_callers_hear_of_it() {
    let server = server().await;
    let proxy = proxy(&server).await;
    let pool = pool(&proxy.url(), |config| {
        config.response_timeout = Some(Duration::from_millis(200));
    });
    let client = pool.client();
    warm(&client).await;
    proxy.stall_open_connections();
    let mut tasks = JoinSet::new();
    for number in 0..10 {
        let mut client = client.clone();
        tasks.spawn(async move {
            let command = cmd("ECHO").arg(number).to_owned();
            client.req_packed_command(&command).await
        });
    }
    while let Some(outcome) = tasks.join_next().await {
        let outcome = outcome.unwrap();
        assert_eq!(may_have_been_executed(&outcome), Some(true), "{outcome:?}");
    }
    warm(&client).await;
}

#[test]
fn a_lane_outlives_the_runtime_that_drove_it() {
    let (here, there) = (one_thread(), one_thread());
    let (server, proxy, pool) = here.block_on(async {
        let server = server().await;
        let proxy = proxy(&server).await;
        let pool = pool(&proxy.url(), |config| config.lanes = Some(1));
        (server, proxy, pool)
    });
    there.block_on(warm(&pool.client()));
    // Something is under way there, so that the lane can't move by itself.
    proxy.stall();
    let mut client = pool.client();
    there.spawn(async move { warm(&client).await });
    there.block_on(tokio::task::yield_now());
    client = pool.client();
    let asked = here.spawn(async move { client.set::<_, _, String>("key", "value").await });
    here.block_on(tokio::task::yield_now());
    drop(there);
    proxy.resume();
    let reply = here.block_on(async {
        tokio::time::timeout(Duration::from_secs(2), asked)
            .await
            .expect("somebody drives")
    });
    assert_eq!(reply.unwrap().unwrap(), "OK");
    assert_eq!(pool.status().opened, 1);
    drop(server);
}

#[test]
fn a_runtime_that_nobody_drives_holds_up_no_other() {
    let (here, there) = (one_thread(), one_thread());
    let server = here.block_on(server());
    let pool = pool(&server.url(), |config| {
        config.max_size = 1;
        config.lanes = Some(1);
    });
    there.block_on(warm(&pool.client()));
    let mut client = pool.client();
    there.spawn(async move {
        let _ = client.set::<_, _, ()>("left", "behind").await;
        std::future::pending::<()>().await;
    });
    there.block_on(tokio::task::yield_now());
    // Nobody drives it from here on, and its reply has not been read.
    let mut client = pool.client();
    let reply: String = here.block_on(async {
        let set = client.set("key", "value");
        tokio::time::timeout(Duration::from_secs(2), set)
            .await
            .expect("somebody drives")
            .unwrap()
    });
    assert_eq!(reply, "OK");
    drop(there);
}

#[tokio::test]
async fn more_than_a_lane_takes_waits_and_fails_by_name() {
    let server = server().await;
    let proxy = proxy(&server).await;
    let pool = pool(&proxy.url(), |config| {
        config.max_size = 1;
        config.get_timeout = Some(Duration::from_millis(500));
        config.response_timeout = None;
    });
    let client = pool.client();
    warm(&client).await;
    proxy.stall();
    let mut tasks = JoinSet::new();
    const MORE_THAN_ENOUGH: usize = 33_000;
    for number in 0..MORE_THAN_ENOUGH {
        let mut client = client.clone();
        tasks.spawn(async move {
            let command = cmd("ECHO").arg(number).to_owned();
            command
                .query_async::<usize>(&mut client)
                .await
                .map(|echo| (number, echo))
        });
    }
    let mut refused = 0;
    while let Some(outcome) = tasks.join_next().await {
        match outcome.unwrap() {
            Ok((asked, echo)) => assert_eq!(asked, echo),
            Err(error) => {
                let timeout = PoolError::find_in(&error);
                let is_for_room = |it: &PoolError| matches!(it, PoolError::Timeout { phase, .. } if *phase == TimeoutKind::Room);
                assert!(timeout.is_some_and(is_for_room), "{error}");
                refused += 1;
            }
        }
        // Those that are under way get their replies once somebody was refused.
        proxy.resume();
    }
    assert!(
        (1..MORE_THAN_ENOUGH / 2).contains(&refused),
        "{refused} refused"
    );
}

#[tokio::test]
async fn a_pipeline_stays_in_one_piece_among_others() {
    let server = server().await;
    let pool = pool(&server.url(), |_| {});
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let mut client = pool.client();
        tasks.spawn(async move {
            let mut pipeline = pipe();
            pipeline.cmd("INCR").arg("one").cmd("INCR").arg("two");
            pipeline.query_async::<(i64, i64)>(&mut client).await
        });
    }
    while let Some(outcome) = tasks.join_next().await {
        let (one, two) = outcome.unwrap().unwrap();
        assert_eq!(one, two);
    }
}

#[tokio::test]
async fn only_a_client_that_was_told_so_sends_again_what_reads() {
    let server = server().await;
    let proxy = proxy(&server).await;
    let pool = pool(&proxy.url(), |_| {});
    let plain = pool.client();
    let again = pool.client().retry(Retry::ReadOnly);
    let get = cmd("GET").arg("key").to_owned();
    let set = cmd("SET").arg("key").arg("value").to_owned();
    for (mut client, command, survives) in [
        (plain, &get, false),
        (again.clone(), &get, true),
        (again.clone(), &set, false),
        (again.retry(Retry::Always), &set, true),
    ] {
        warm(&client).await;
        proxy.delay(Some(Duration::from_millis(200)));
        let mut asked = pin!(client.req_packed_command(command));
        begin(asked.as_mut()).await;
        proxy.cut();
        proxy.delay(None);
        let outcome = asked.await;
        assert_eq!(outcome.is_ok(), survives, "{command:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn what_was_lost_once_is_not_said_to_be_unsent_by_the_next_attempt() {
    let server = server().await;
    let proxy = proxy(&server).await;
    let pool = pool(&proxy.url(), |config| {
        config.get_timeout = Some(Duration::from_millis(300));
    });
    let mut client = pool.client().retry(Retry::Always);
    warm(&client).await;
    proxy.delay(Some(Duration::from_millis(200)));
    let incr = cmd("INCR").arg("counter").to_owned();
    let mut asked = pin!(client.req_packed_command(&incr));
    begin(asked.as_mut()).await;
    proxy.refuse(true);
    proxy.cut();
    let outcome = asked.await;
    assert_eq!(may_have_been_executed(&outcome), Some(true), "{outcome:?}");
    // And why it was not sent again.
    let words = outcome.unwrap_err().to_string();
    assert!(words.contains("nobody listens"), "{words}");
}

#[tokio::test]
async fn what_is_taken_for_reading_is_flagged_so_by_the_server() {
    let server = server().await;
    let pool = pool(&server.url(), |_| {});
    let mut client = pool.client();
    let mut known = 0;
    for name in READ_ONLY {
        let info: Value = cmd("COMMAND")
            .arg("INFO")
            .arg(name)
            .query_async(&mut client)
            .await
            .unwrap();
        let Value::Array(infos) = info else {
            panic!("{info:?}");
        };
        let Some(Value::Array(info)) = infos.first() else {
            continue;
        };
        known += 1;
        let flags = format!("{:?}", info[2]);
        let touches_no_data = ["ECHO", "PING", "TIME"].contains(name);
        assert!(
            touches_no_data || flags.contains("readonly"),
            "{name}: {flags}"
        );
    }
    assert!(known > 60, "{known} of them known to this server");
}

#[tokio::test]
async fn many_clients_are_told_at_once_that_the_login_is_refused() {
    let server = server().await;
    let require = ["CONFIG", "SET", "requirepass", "secret"];
    server.command(&require).await.unwrap();
    let pool = pool(&server.url(), |_| {});
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..5_000 {
        let mut client = pool.client();
        clients.spawn(async move { cmd("PING").query_async::<Value>(&mut client).await });
    }
    while let Some(outcome) = clients.join_next().await {
        let error = outcome.unwrap().unwrap_err();
        let why = respool_core::PoolError::find_in(&error);
        assert!(
            matches!(why, Some(respool_core::PoolError::Connect { .. })),
            "{error}"
        );
    }
    let tried = server.total_connections_received().await;
    assert!(tried < 20, "{tried} attempts");
}
