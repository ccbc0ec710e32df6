use std::thread;
use std::time::Duration;

use respool_core::{Pool, PoolError, TimeoutKind};
use respool_testserver::RedisServer;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::{PATIENCE, echo, pool_of, until};

/// A caller on a thread and a runtime of its own, which is driven by him alone.
fn caller(pool: &Pool, limit: Duration) -> thread::JoinHandle<Result<String, PoolError>> {
    let pool = pool.clone();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = pool.get_within(Some(limit)).await?;
            Ok(echo(&mut connection, "served").await.unwrap())
        })
    })
}

/// How long somebody waited who was given nothing because all connections stayed in use.
fn waited(outcome: Result<impl Sized, PoolError>) -> Duration {
    match outcome.err() {
        Some(PoolError::Timeout {
            phase: TimeoutKind::Wait,
            waited,
            ..
        }) => waited,
        other => panic!("expected a time-out, got {other:?}"),
    }
}

#[tokio::test]
async fn in_one_queue_each_caller_has_a_limit_of_his_own() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let held = pool.get().await.unwrap();
    // The patient one comes first, and an impatient one behind one that is less so.
    let patient = caller(&pool, PATIENCE);
    until(async || pool.status().waiting == 1).await;
    let mut impatient = JoinSet::new();
    for limit in [150, 20, 80] {
        let (pool, limit) = (pool.clone(), Duration::from_millis(limit));
        impatient.spawn(async move { (limit, pool.get_within(Some(limit)).await) });
    }
    while let Some(ended) = impatient.join_next().await {
        let (limit, outcome) = ended.unwrap();
        assert!(waited(outcome) >= limit);
    }
    assert_eq!(pool.status().waiting, 1);
    drop(held);
    until(async || patient.is_finished()).await;
    assert_eq!(patient.join().unwrap().unwrap(), "served");
}

#[tokio::test]
async fn callers_on_two_runtimes_are_served_from_a_third() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let held = pool.get().await.unwrap();
    let callers = [caller(&pool, PATIENCE), caller(&pool, PATIENCE)];
    until(async || pool.status().waiting == 2).await;
    drop(held);
    for caller in callers {
        until(async || caller.is_finished()).await;
        assert_eq!(caller.join().unwrap().unwrap(), "served");
    }
    assert!(pool.status().is_at_rest());
}

#[tokio::test]
async fn a_limit_on_one_runtime_is_kept_while_another_one_waits_for_longer() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let held = pool.get().await.unwrap();
    let patient = caller(&pool, PATIENCE);
    until(async || pool.status().waiting == 1).await;
    let limit = Duration::from_millis(20);
    let impatient = caller(&pool, limit);
    until(async || impatient.is_finished()).await;
    assert!(waited(impatient.join().unwrap()) >= limit);
    assert_eq!(pool.status().waiting, 1);
    drop(held);
    until(async || patient.is_finished()).await;
    assert_eq!(patient.join().unwrap().unwrap(), "served");
}

#[tokio::test]
async fn a_caller_is_served_after_the_runtime_of_the_one_before_him_has_gone() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let held = pool.get().await.unwrap();
    let gone = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    gone.spawn({
        let pool = pool.clone();
        async move { pool.get().await.map(drop) }
    });
    until(async || pool.status().waiting == 1).await;
    let last = caller(&pool, PATIENCE);
    until(async || pool.status().waiting == 2).await;
    gone.shutdown_background();
    drop(held);
    until(async || last.is_finished()).await;
    assert_eq!(last.join().unwrap().unwrap(), "served");
}

#[tokio::test]
async fn a_holder_that_panics_in_the_middle_of_a_command_loses_neither_slot_nor_connection() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let holder = tokio::spawn({
        let pool = pool.clone();
        async move {
            let mut connection = pool.get().await.unwrap();
            tokio::select! {
                biased;
                _ = echo(&mut connection, "half way") => {}
                () = async { panic!("a holder's panic, on purpose") } => {}
            }
        }
    });
    assert!(holder.await.unwrap_err().is_panic());
    assert!(pool.status().is_at_rest());
    let mut connection = pool.get().await.unwrap();
    assert_eq!(echo(&mut connection, "mine").await.unwrap(), "mine");
    assert_eq!(pool.status().opened, 1);
}

#[tokio::test]
async fn whoever_waits_is_told_at_once_why_no_connection_can_be_had() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let mut held = pool.get().await.unwrap();
    let mut crowd = JoinSet::new();
    for _ in 0..100 {
        let pool = pool.clone();
        crowd.spawn(async move { pool.get().await.map(drop) });
    }
    until(async || pool.status().waiting == 100).await;
    for words in [
        &["CLIENT", "KILL", "TYPE", "normal"][..],
        &["CONFIG", "SET", "requirepass", "secret"],
    ] {
        server.command(words).await.unwrap();
    }
    echo(&mut held, "lost").await.unwrap_err();
    drop(held);
    let all = async {
        while let Some(outcome) = crowd.join_next().await {
            let outcome = outcome.unwrap();
            assert!(
                matches!(outcome, Err(PoolError::Connect { .. })),
                "{outcome:?}"
            );
        }
    };
    let told = tokio::time::timeout(PATIENCE / 4, all).await;
    assert!(told.is_ok(), "somebody waits on");
}
