use std::time::{Duration, Instant};

use redis::{RedisResult, cmd};
use respool_core::{Pool, PoolError, TimeoutKind};
use respool_testserver::{Answer, RedisServer, Script, ScriptedServer};
use tokio::task::JoinSet;

use crate::{id_of, pool_of, until};

/// What a small pool may open in a second, and what it may open at once.
const A_SECOND: f64 = 20.0;
const MAX_SIZE: usize = 2;

/// A server that greets and then hangs up.
async fn greets_and_hangs_up() -> ScriptedServer {
    let script = Script::new().on("DBSIZE", Answer::BytesThenClose(b":0\r\n".to_vec()));
    ScriptedServer::start_with(script).await.unwrap()
}

async fn ping(pool: Pool) -> RedisResult<String> {
    let mut connection = pool.get().await?;
    cmd("PING").query_async(&mut connection).await
}

#[tokio::test]
async fn a_server_that_greets_and_hangs_up_is_not_dialled_without_end() {
    let server = greets_and_hangs_up().await;
    let pool = pool_of(&server.url(), MAX_SIZE);
    let started = Instant::now();
    let mut users = JoinSet::new();
    for _ in 0..4 {
        let pool = pool.clone();
        users.spawn(async move {
            loop {
                ping(pool.clone()).await.unwrap_err();
            }
        });
    }
    until(async || server.accepted() >= 40).await;
    // Asked before the time is, so that what comes in between is on the safe side.
    let accepted = server.accepted() as f64;
    let allowed = started.elapsed().as_secs_f64() * A_SECOND;
    // Each user may have one under way that he began before the others' broke.
    let at_once = (2 * MAX_SIZE + 4) as f64;
    assert!(accepted <= allowed + at_once, "{accepted} of {allowed}");
}

#[tokio::test]
async fn whoever_waits_for_such_a_server_is_told_that_it_was_to_be_connected() {
    let server = greets_and_hangs_up().await;
    let pool = pool_of(&server.url(), 1);
    let mut outcome = Ok(());
    until(async || {
        let limit = Some(Duration::from_millis(5));
        outcome = pool.get_within(limit).await.map(drop);
        outcome.is_err()
    })
    .await;
    match outcome.unwrap_err() {
        PoolError::Timeout { phase, .. } => assert_eq!(phase, TimeoutKind::Connect),
        other => panic!("expected a time-out, got {other:?}"),
    }
    assert!(pool.status().size() <= 1);
}

#[tokio::test]
async fn connections_that_were_of_use_are_replaced_as_often_as_they_break() {
    const TIMES: usize = 60;
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let started = Instant::now();
    for _ in 0..TIMES {
        let id = id_of(&mut pool.get().await.unwrap()).await.to_string();
        let kill = ["CLIENT", "KILL", "ID", &id];
        server.command(&kill).await.unwrap();
    }
    let at_the_rate = Duration::from_secs_f64((TIMES - 2) as f64 / A_SECOND);
    assert!(started.elapsed() < at_the_rate);
    assert_eq!(pool.status().opened, TIMES as u64);
}
