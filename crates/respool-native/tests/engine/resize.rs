use redis::{AsyncCommands, cmd};
use respool_core::{CloseReason, PoolError};
use respool_testserver::{FaultProxy, RedisServer};

use crate::{echo, pool_of, until};

#[tokio::test]
async fn a_larger_pool_serves_at_once_who_waits() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 1);
    let _held = pool.get().await.unwrap();
    let waiter = tokio::spawn({
        let pool = pool.clone();
        async move { echo(&mut pool.get().await.unwrap(), "served").await }
    });
    until(async || pool.status().waiting == 1).await;
    pool.set_max_size(2).unwrap();
    assert_eq!(waiter.await.unwrap().unwrap(), "served");
    assert_eq!(pool.status().max_size, 2);
}

#[tokio::test]
async fn a_smaller_pool_closes_what_is_idle_and_nobody_loses_what_he_holds() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 4);
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(pool.get().await.unwrap());
    }
    held.truncate(2);
    pool.set_max_size(1).unwrap();
    assert_eq!(pool.status().closed.of(CloseReason::Resized), 2);
    for connection in &mut held {
        assert_eq!(echo(connection, "still mine").await.unwrap(), "still mine");
    }
    drop(held);
    assert_eq!(pool.status().closed.of(CloseReason::Resized), 3);
    until(async || server.connected_clients().await == 1).await;
    assert!(pool.try_get().is_some());
}

#[tokio::test]
async fn a_smaller_pool_lends_no_more_than_it_may_when_callers_wait() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 2);
    let (first, second) = (pool.get().await.unwrap(), pool.get().await.unwrap());
    pool.set_max_size(1).unwrap();
    let waiter = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get().await }
    });
    until(async || pool.status().waiting == 1).await;
    drop(first);
    assert_eq!(pool.status().waiting, 1);
    drop(second);
    let _served = waiter.await.unwrap().unwrap();
    assert_eq!(pool.status().size(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resizing_under_load_loses_no_command_and_keeps_every_size() {
    const TASKS: usize = 8;
    const ROUNDS: usize = 200;
    let server = RedisServer::start().await.unwrap();
    let proxy = FaultProxy::start(server.address()).await.unwrap();
    let pool = pool_of(&proxy.url(), 4);
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for _ in 0..ROUNDS {
                    let mut connection = pool.get().await.unwrap();
                    let _: u64 = connection.incr("count", 1).await.unwrap();
                }
            })
        })
        .collect();
    let mut sizes = [5, 1, 3, 2, 5, 4].into_iter().cycle();
    while !tasks.iter().all(|task| task.is_finished()) {
        let size = sizes.next().unwrap();
        pool.set_max_size(size).unwrap();
        let used: String = cmd("PING").query_async(&mut pool.client()).await.unwrap();
        assert_eq!(used, "PONG");
    }
    for task in tasks {
        task.await.unwrap();
    }
    let count: usize = pool.client().get("count").await.unwrap();
    assert_eq!(count, TASKS * ROUNDS);
    assert!(proxy.most_open() <= 5, "{}", proxy.most_open());
    pool.set_max_size(2).unwrap();
    until(async || proxy.open() <= 2).await;
    assert!(pool.status().is_at_rest());
}

#[tokio::test]
async fn a_size_out_of_bounds_is_refused_and_changes_nothing() {
    let pool = pool_of("redis://127.0.0.1:1/0", 3);
    match pool.set_max_size(0) {
        Err(PoolError::Config { field, .. }) => assert_eq!(field, "max_size"),
        other => panic!("expected a refusal, got {other:?}"),
    }
    assert_eq!(pool.status().max_size, 3);
}
