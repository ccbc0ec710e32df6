//! A GET of 100 bytes against a real Redis: get + command + drop for respool's backends and the
//! stock pools with their defaults, and one command through the shared clients.
//!
//! `cargo bench -p respool-benches --bench round_trip`. It starts a redis-server of its own. For what
//! many tasks do at once, and for your own server, use `respool compare`.

use criterion::{Criterion, criterion_group, criterion_main};
use redis::AsyncCommands;
use respool_testserver::RedisServer;
use tokio::runtime::Runtime;

const CONNECTIONS: usize = 10;
const KEY: &str = "respool:bench";

fn round_trip(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let server = runtime
        .block_on(RedisServer::start())
        .expect("a real Redis is needed for this bench");
    let value = "x".repeat(100);
    runtime.block_on(async {
        server.command(&["SET", KEY, &value]).await.expect("SET");
    });

    for entry in respool::backends() {
        let url = format!(
            "{}?backend={}&max_size={CONNECTIONS}",
            server.url(),
            entry.info.name
        );
        let pool = runtime.block_on(respool::connect(url)).expect("a pool");
        bench(
            criterion,
            &runtime,
            &format!("respool {}", entry.info.name),
            async || pool.get().await.unwrap().get(KEY).await.unwrap(),
        );
        if pool.capabilities().lanes {
            let client = pool.client();
            bench(
                criterion,
                &runtime,
                &format!("respool {} (shared client)", entry.info.name),
                async || client.clone().get(KEY).await.unwrap(),
            );
        }
    }

    let manager = bb8_redis::RedisConnectionManager::new(server.url()).expect("a manager");
    let pool = runtime
        .block_on(
            bb8::Pool::builder()
                .max_size(CONNECTIONS as u32)
                .build(manager),
        )
        .expect("a pool");
    bench(criterion, &runtime, "stock bb8-redis", async || {
        pool.get().await.unwrap().get(KEY).await.unwrap()
    });

    let pool = deadpool_redis::Config::from_url(server.url())
        .builder()
        .expect("a manager")
        .max_size(CONNECTIONS)
        .runtime(deadpool_redis::Runtime::Tokio1)
        .build()
        .expect("a pool");
    bench(criterion, &runtime, "stock deadpool-redis", async || {
        pool.get().await.unwrap().get(KEY).await.unwrap()
    });

    let client = mobc_redis::redis::Client::open(server.url()).expect("a client");
    let pool = mobc_redis::mobc::Pool::builder()
        .max_open(CONNECTIONS as u64)
        .build(mobc_redis::RedisConnectionManager::new(client));
    bench(criterion, &runtime, "stock mobc-redis", async || {
        let mut connection = pool.get().await.unwrap();
        mobc_redis::redis::AsyncCommands::get(&mut *connection, KEY)
            .await
            .unwrap()
    });

    let client = redis::Client::open(server.url()).expect("a client");
    let manager = runtime
        .block_on(redis::aio::ConnectionManager::new(client))
        .expect("a connection");
    bench(
        criterion,
        &runtime,
        "stock ConnectionManager (shared)",
        async || manager.clone().get(KEY).await.unwrap(),
    );
}

fn bench(criterion: &mut Criterion, runtime: &Runtime, name: &str, get: impl AsyncFn() -> Vec<u8>) {
    // Outside the timed loop: the first one connects.
    assert_eq!(runtime.block_on(get()).len(), 100, "{name}");
    criterion.bench_function(&format!("GET/{name}"), |bencher| {
        bencher.to_async(runtime).iter(|| get());
    });
}

criterion_group!(benches, round_trip);
criterion_main!(benches);
