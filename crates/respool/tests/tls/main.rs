//! rediss:// against a real Redis with TLS, over every backend that can.

mod authority;
mod refusals;
mod socket;

use respool::redis::{AsyncCommands, cmd};
use respool::{BackendEntry, Pool, PoolConfig};
use respool_testserver::{RedisServer, RedisServerBuilder};
use tokio::runtime::Runtime;

use authority::Authority;

/// The stock manager of mobc-redis opens its sockets itself, without TLS.
const WITHOUT_TLS: &str = "mobc-redis";

fn backends() -> Vec<&'static BackendEntry> {
    let able = |entry: &&BackendEntry| entry.info.name != WITHOUT_TLS;
    respool::backends().iter().filter(able).collect()
}

/// A server whose certificate is for 127.0.0.1.
async fn server_of(authority: &Authority) -> RedisServer {
    builder_of(authority).start().await.unwrap()
}

fn builder_of(authority: &Authority) -> RedisServerBuilder {
    let identity = authority.issue("127.0.0.1");
    RedisServer::builder().tls(identity.certificate, identity.key)
}

/// By TLS, trusting `authority`, over at most one connection.
fn config(server: &RedisServer, authority: &Authority, backend: &BackendEntry) -> PoolConfig {
    let mut config = PoolConfig::from_url(&server.tls_url().unwrap()).unwrap();
    config.tls_ca = Some(authority.ca());
    config.backend = Some(backend.info.name.to_owned());
    config.max_size = 1;
    config
}

async fn set_and_get(pool: &Pool, value: &str) {
    let mut connection = pool.get().await.unwrap();
    let () = connection.set("key", value).await.unwrap();
    let found: String = connection.get("key").await.unwrap();
    assert!(found == value);
    drop(connection);
    let found: String = pool.client().get("key").await.unwrap();
    assert!(found == value);
}

#[tokio::test]
async fn every_backend_but_the_stock_one_speaks_tls() {
    let authority = Authority::new();
    let server = server_of(&authority).await;
    for backend in backends() {
        let pool = respool::build(config(&server, &authority, backend)).unwrap();
        set_and_get(&pool, backend.info.name).await;
    }
}

#[tokio::test]
async fn a_url_alone_is_enough() {
    let authority = Authority::new();
    let server = server_of(&authority).await;
    let url = server.tls_url().unwrap();
    let pool = respool::connect(format!("{url}?tls_ca={}", authority.ca().display()))
        .await
        .unwrap();
    set_and_get(&pool, "value").await;
}

#[tokio::test]
async fn a_password_works_by_tls_as_well() {
    let authority = Authority::new();
    let server = builder_of(&authority)
        .password("s3cret")
        .start()
        .await
        .unwrap();
    for backend in backends() {
        let pool = respool::build(config(&server, &authority, backend)).unwrap();
        set_and_get(&pool, "value").await;
    }
}

#[tokio::test]
async fn a_value_of_a_megabyte_passes_both_ways() {
    let authority = Authority::new();
    for protocol in ["TLSv1.2", "TLSv1.3"] {
        let builder = builder_of(&authority).argument("--tls-protocols", protocol);
        let server = builder.start().await.unwrap();
        let value: String = (0..1 << 20)
            .map(|at| char::from(b'a' + (at % 23) as u8))
            .collect();
        for backend in backends() {
            let pool = respool::build(config(&server, &authority, backend)).unwrap();
            set_and_get(&pool, &value).await;
        }
    }
}

#[tokio::test]
async fn a_pipeline_of_many_commands_passes() {
    let authority = Authority::new();
    let server = server_of(&authority).await;
    for backend in backends() {
        let pool = respool::build(config(&server, &authority, backend)).unwrap();
        let mut pipeline = respool::redis::pipe();
        for number in 0..5000 {
            pipeline.cmd("ECHO").arg(number);
        }
        let mut connection = pool.get().await.unwrap();
        let echoed: Vec<u32> = pipeline.query_async(&mut connection).await.unwrap();
        assert!(echoed.into_iter().eq(0..5000), "{}", backend.info.name);
    }
}

#[tokio::test]
async fn one_connection_serves_for_as_long_as_it_is_good() {
    let authority = Authority::new();
    let server = server_of(&authority).await;
    for backend in backends() {
        let before = server.total_connections_received().await;
        let pool = respool::build(config(&server, &authority, backend)).unwrap();
        for _ in 0..20 {
            let mut connection = pool.get().await.unwrap();
            let () = cmd("PING").query_async(&mut connection).await.unwrap();
        }
        let opened = server.total_connections_received().await - before;
        assert_eq!(opened, 1, "{}", backend.info.name);
    }
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_it_was_idle_is_not_handed_out() {
    let authority = Authority::new();
    let server = server_of(&authority).await;
    for backend in backends() {
        let pool = respool::build(config(&server, &authority, backend)).unwrap();
        for _ in 0..10 {
            set_and_get(&pool, "value").await;
            let kill = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"];
            assert!(!server.command(&kill).await.unwrap().is_error());
            let mut connection = pool.get().await.unwrap();
            let () = connection.set("key", "value").await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_connection_that_ended_without_a_goodbye_is_not_handed_out() {
    let authority = Authority::new();
    let mut server = server_of(&authority).await;
    for backend in backends() {
        let pool = respool::build(config(&server, &authority, backend)).unwrap();
        set_and_get(&pool, "value").await;
        server.restart().await.unwrap();
        set_and_get(&pool, "value").await;
    }
}

#[tokio::test]
async fn a_dropped_pool_leaves_nothing_at_the_server() {
    let authority = Authority::new();
    let server = server_of(&authority).await;
    for backend in backends() {
        let pool = respool::build(config(&server, &authority, backend)).unwrap();
        set_and_get(&pool, "value").await;
        pool.close(std::time::Duration::from_secs(5)).await;
        assert_eq!(server.connected_clients().await, 0, "{}", backend.info.name);
    }
}

#[test]
fn one_connection_serves_two_runtimes_one_after_the_other() {
    let authority = Authority::new();
    let server = Runtime::new().unwrap().block_on(server_of(&authority));
    for backend in backends() {
        let before = block_on(server.total_connections_received());
        let pool = respool::build(config(&server, &authority, backend)).unwrap();
        for _ in 0..3 {
            // Each runtime ends before the next begins.
            block_on(async {
                let mut connection = pool.get().await.unwrap();
                let () = connection.set("key", "value").await.unwrap();
                let found: String = connection.get("key").await.unwrap();
                assert_eq!(found, "value");
            });
        }
        let opened = block_on(server.total_connections_received()) - before;
        assert_eq!(opened, 1, "{}", backend.info.name);
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    Runtime::new().unwrap().block_on(future)
}
