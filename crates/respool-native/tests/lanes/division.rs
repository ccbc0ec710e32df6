//! How many lanes a runtime has, and who uses which.

use std::pin::pin;

use redis::aio::ConnectionLike;
use redis::{AsyncCommands, Value, cmd, pipe};
use respool_core::PooledConnection;
use tokio::task::JoinSet;

use crate::{Load, PATIENCE, begin, one_thread, pool, server, warm};

/// How many lanes a runtime has for much: on a single core the server doesn't work while the client does.
pub(crate) fn lanes_for_much() -> u64 {
    match std::thread::available_parallelism() {
        Ok(cores) if cores.get() > 1 => 2,
        _ => 1,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_of_many_tasks_travel_on_two_connections() {
    let server = server().await;
    for (lanes, expected) in [(Some(1), 1), (None, lanes_for_much())] {
        let pool = pool(&server.url(), |config| config.lanes = lanes);
        let mut tasks = JoinSet::new();
        let mut load = Load::on(&pool);
        for number in 0..500 {
            let mut client = pool.client();
            tasks.spawn(async move {
                client.set::<_, _, ()>(number, number).await?;
                client.get::<_, i64>(number).await.map(|got| (number, got))
            });
        }
        while let Some(outcome) = tasks.join_next().await {
            let (asked, got) = outcome.unwrap().unwrap();
            assert_eq!(asked, got);
        }
        load.has_opened(&pool, expected).await;
    }
}

#[tokio::test]
async fn a_few_share_one_connection() {
    let server = server().await;
    let pool = pool(&server.url(), |_| {});
    for _ in 0..100 {
        let mut tasks = JoinSet::new();
        for _ in 0..7 {
            let client = pool.client();
            tasks.spawn(async move { warm(&client).await });
        }
        tasks.join_all().await;
    }
    assert_eq!(pool.status().opened, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_lane_makes_room_for_who_wants_a_connection() {
    let server = server().await;
    let pool = pool(&server.url(), |config| {
        config.max_size = 2;
        config.lanes = Some(2);
    });
    let mut load = Load::on(&pool);
    load.has_opened(&pool, lanes_for_much()).await;
    for _ in 0..20 {
        let held = tokio::time::timeout(PATIENCE, pool.get()).await;
        let mut held = held.expect("in time").unwrap();
        held.set::<_, _, ()>("mine", 1).await.unwrap();
    }
    load.has_opened(&pool, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_answered_beside_a_line_that_never_ends() {
    let server = server().await;
    let pool = pool(&server.url(), |config| config.max_size = 2);
    let mut line = JoinSet::new();
    for _ in 0..10 {
        let pool = pool.clone();
        line.spawn(async move {
            loop {
                warm_own(&mut pool.get().await.unwrap()).await;
            }
        });
    }
    for _ in 0..100 {
        let answered = tokio::time::timeout(PATIENCE, warm(&pool.client())).await;
        answered.expect("in time");
    }
    assert!(
        line.try_join_next().is_none(),
        "somebody in line got nothing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_has_a_lane_where_another_has_two() {
    let server = server().await;
    let pool = pool(&server.url(), |config| config.lanes = Some(2));
    let mut load = Load::on(&pool);
    load.has_opened(&pool, lanes_for_much()).await;
    let client = pool.client();
    let other = std::thread::spawn(move || {
        one_thread().block_on(async { tokio::time::timeout(PATIENCE, warm(&client)).await })
    });
    let answered = tokio::task::spawn_blocking(|| other.join()).await.unwrap();
    answered.unwrap().expect("in time");
    assert!(load.0.try_join_next().is_none(), "a command went wrong");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_caller_asks_stays_in_order_after_something_was_given_up() {
    let server = server().await;
    let pool = pool(&server.url(), |_| {});
    let mut load = Load::on(&pool);
    load.has_opened(&pool, lanes_for_much()).await;
    let mut held = pool.get().await.unwrap();
    let mut client = pool.client();
    for number in 0..500 {
        let early = cmd("SET")
            .arg("word")
            .arg(format!("early {number}"))
            .to_owned();
        {
            let mut given_up = pin!(client.req_packed_command(&early));
            begin(given_up.as_mut()).await;
        }
        let late = format!("late {number}");
        // Alternately as a command and as a pipeline.
        match number % 2 {
            0 => client.set::<_, _, ()>("word", &late).await.unwrap(),
            _ => pipe()
                .set("word", &late)
                .exec_async(&mut client)
                .await
                .unwrap(),
        }
        let word: String = held.get("word").await.unwrap();
        assert_eq!(word, late);
    }
}

async fn warm_own(connection: &mut PooledConnection) {
    let _: Value = cmd("PING").query_async(connection).await.unwrap();
}
