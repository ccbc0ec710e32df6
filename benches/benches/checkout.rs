//! get + drop without a network: respool's backends over a connection in memory, and the stock
//! pools with managers that do nothing, uncontended and with 64 tasks on 10 connections.
//!
//! `cargo bench -p respool-benches --bench checkout`; `-- --quick` for a first look, `-- --test` to
//! see only that it runs. Pools are built and filled outside the timed loops.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use respool_benches::{Bb8Manager, DeadpoolManager, MemoryDial, MobcManager};
use respool_core::{Pool, PoolConfig};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const CONNECTIONS: usize = 10;
const TASKS: u64 = 64;

/// Takes one, drops it, for each subject: `$bench!(name, pool, take)`, where `take` is an async
/// block that may use `pool`.
macro_rules! each_subject {
    ($bench:ident, $criterion:expr, $runtime:expr) => {{
        let (criterion, runtime): (&mut Criterion, &Runtime) = ($criterion, $runtime);
        for (name, pool) in respool_pools() {
            $bench!(criterion, runtime, name, pool, pool.get().await.unwrap());
        }
        let pool = bb8_pool(runtime);
        $bench!(
            criterion,
            runtime,
            "stock bb8",
            pool,
            pool.get_owned().await.unwrap()
        );
        let pool = deadpool_pool();
        $bench!(
            criterion,
            runtime,
            "stock deadpool",
            pool,
            pool.get().await.unwrap()
        );
        let pool = mobc_pool();
        $bench!(
            criterion,
            runtime,
            "stock mobc",
            pool,
            pool.get().await.unwrap()
        );
    }};
}

fn uncontended(criterion: &mut Criterion) {
    let runtime = current_thread();
    macro_rules! bench {
        ($criterion:ident, $runtime:ident, $name:expr, $pool:ident, $take:expr) => {
            // Filled here: the first get connects.
            $runtime.block_on(async { drop($take) });
            $criterion.bench_function(&format!("get+drop/{}", $name), |bencher| {
                bencher
                    .to_async($runtime)
                    .iter(|| async { drop(black_box($take)) });
            });
        };
    }
    each_subject!(bench, criterion, &runtime);
}

fn contended(criterion: &mut Criterion) {
    let runtime = two_workers();
    let criterion_config = std::mem::take(criterion);
    let mut quick = criterion_config
        .sample_size(10)
        .measurement_time(Duration::from_secs(3));
    macro_rules! bench {
        ($criterion:ident, $runtime:ident, $name:expr, $pool:ident, $take:expr) => {
            let mut group = $criterion.benchmark_group("64 tasks on 10");
            group.throughput(Throughput::Elements(TASKS));
            group.bench_function($name, |bencher| {
                bencher.to_async($runtime).iter_custom(|rounds| {
                    let $pool = $pool.clone();
                    async move {
                        let mut tasks = JoinSet::new();
                        let started = Instant::now();
                        for _ in 0..TASKS {
                            let $pool = $pool.clone();
                            tasks.spawn(async move {
                                for _ in 0..rounds {
                                    let taken = $take;
                                    tokio::task::yield_now().await;
                                    drop(black_box(taken));
                                }
                            });
                        }
                        tasks.join_all().await;
                        started.elapsed()
                    }
                });
            });
            group.finish();
        };
    }
    each_subject!(bench, &mut quick, &runtime);
}

fn respool_pools() -> Vec<(&'static str, Pool)> {
    let mut config = PoolConfig::default();
    config.max_size = CONNECTIONS;
    let dial = || MemoryDial::new(&config);
    let build = "a pool of connections in memory can be built";
    vec![
        (
            "respool mobc",
            respool_mobc::over(dial(), config.clone()).expect(build),
        ),
        (
            "respool bb8",
            respool_bb8::over(dial(), config.clone()).expect(build),
        ),
        (
            "respool deadpool",
            respool_deadpool::over(dial(), config.clone()).expect(build),
        ),
        (
            "respool mobc-redis",
            respool_mobc_redis::over(dial(), config.clone()).expect(build),
        ),
        (
            "respool multiplexed",
            respool_multiplexed::over(dial(), config.clone()).expect(build),
        ),
    ]
}

fn bb8_pool(runtime: &Runtime) -> bb8::Pool<Bb8Manager> {
    runtime
        .block_on(
            bb8::Pool::builder()
                .max_size(CONNECTIONS as u32)
                .test_on_check_out(false)
                .build(Bb8Manager),
        )
        .expect("a pool of connections in memory can be built")
}

fn deadpool_pool() -> deadpool::managed::Pool<DeadpoolManager> {
    deadpool::managed::Pool::builder(DeadpoolManager)
        .max_size(CONNECTIONS)
        .build()
        .expect("a pool of connections in memory can be built")
}

/// With `max_idle` at the pool's size: mobc's default of two would measure reconnecting.
fn mobc_pool() -> mobc::Pool<MobcManager> {
    mobc::Pool::builder()
        .max_open(CONNECTIONS as u64)
        .max_idle(CONNECTIONS as u64)
        .build(MobcManager)
}

fn current_thread() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built")
}

fn two_workers() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built")
}

criterion_group!(benches, uncontended, contended);
criterion_main!(benches);
