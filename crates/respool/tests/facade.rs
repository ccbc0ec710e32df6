//! The facade as a newcomer uses it, against a real Redis.

use std::time::Duration;

use respool::redis::{AsyncCommands, cmd};
use respool::{CloseReason, PoolConfig, PoolError, PushHandler};
use respool_testserver::{Answer, RedisServer, Script, ScriptedServer};

#[tokio::test]
async fn connect_gives_a_pool_whose_connections_speak_redis() {
    let server = RedisServer::start().await.unwrap();
    for backend in respool::backends() {
        let url = format!("{}?backend={}&max_size=2", server.url(), backend.info.name);
        let pool = respool::connect(url).await.unwrap();
        let mut connection = pool.get().await.unwrap();
        let () = connection.set("key", "value").await.unwrap();
        let value: String = pool.client().get("key").await.unwrap();
        assert_eq!(value, "value", "{}", backend.info.name);
    }
}

#[tokio::test]
async fn connect_says_that_a_password_is_wrong_without_repeating_it() {
    let server = RedisServer::builder()
        .password("right")
        .start()
        .await
        .unwrap();
    let url = format!("redis://:hunter2@{}", server.address());
    let error = respool::connect(url).await.unwrap_err();
    assert!(
        matches!(error, respool::PoolError::Connect { .. }),
        "{error}"
    );
    let text = format!("{error} {error:?}");
    assert!(
        text.contains("login") && !text.contains("hunter2"),
        "{text}"
    );
}

#[tokio::test]
async fn connect_says_that_a_password_is_missing() {
    let server = RedisServer::builder()
        .password("right")
        .start()
        .await
        .unwrap();
    let url = format!("redis://{}", server.address());
    for backend in respool::backends() {
        let url = format!("{url}?backend={}", backend.info.name);
        let error = respool::connect(url).await.unwrap_err();
        assert!(
            error.to_string().contains("the URL has none"),
            "{}: {error}",
            backend.info.name
        );
    }
}

/// The words for why no connection could be had where a server answers with `bytes` and hangs up.
async fn refusals(bytes: Vec<u8>) -> Vec<(&'static str, String)> {
    let script = Script::any(Answer::BytesThenClose(bytes));
    let server = ScriptedServer::start_with(script).await.unwrap();
    let mut refusals = Vec::new();
    for backend in respool::backends() {
        let name = backend.info.name;
        let mut config = PoolConfig::from_url(&server.url()).unwrap();
        config.backend = Some(name.to_owned());
        config.get_timeout = Some(Duration::from_millis(600));
        let error = respool::build(config).unwrap().get().await.unwrap_err();
        refusals.push((name, error.to_string()));
    }
    refusals
}

#[tokio::test]
async fn protected_mode_is_told_although_the_server_takes_a_thousand_bytes_for_it() {
    let because = "because protected mode is enabled ".repeat(40);
    let denied = format!("-DENIED Redis is running in protected mode {because}\r\n");
    for (backend, text) in refusals(denied.into_bytes()).await {
        assert!(text.contains("protected mode: "), "{backend}: {text}");
    }
}

#[tokio::test]
async fn a_server_that_answers_by_tls_is_answered_with_the_scheme_that_it_wants() {
    let alert = vec![0x15, 3, 1, 0, 2, 2, 70];
    for (backend, text) in refusals(alert).await {
        assert!(text.contains("rediss://"), "{backend}: {text}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_does_as_well() {
    let server = RedisServer::builder().unix_socket().start().await.unwrap();
    let path = server.unix_socket().unwrap().display().to_string();
    for backend in respool::backends() {
        let url = format!("redis+unix://{path}?backend={}", backend.info.name);
        let pool = respool::connect(url).await.unwrap();
        let pong: String = respool::redis::cmd("PING")
            .query_async(&mut pool.get().await.unwrap())
            .await
            .unwrap();
        assert_eq!(pong, "PONG", "{}", backend.info.name);
    }
}

#[tokio::test]
async fn a_detached_connection_lives_on_without_its_pool() {
    let server = RedisServer::start().await.unwrap();
    for backend in respool::backends() {
        let url = format!("{}?backend={}&max_size=1", server.url(), backend.info.name);
        let pool = respool::connect(url).await.unwrap();
        let mut detached = pool.get().await.unwrap().detach().unwrap();
        let _slot_is_free = pool.get().await.unwrap();
        drop(pool);
        let () = detached.set("key", "value").await.unwrap();
    }
}

#[tokio::test]
async fn every_connection_has_its_name_whoever_changed_the_one_before() {
    let server = RedisServer::start().await.unwrap();
    for backend in respool::backends() {
        for protocol in ["resp2", "resp3"] {
            let settings = format!("max_size=1&client_name=orders-api&protocol={protocol}");
            let url = format!("{}?backend={}&{settings}", server.url(), backend.info.name);
            let pool = respool::connect(url).await.unwrap();
            for _ in 0..2 {
                let mut connection = pool.get().await.unwrap();
                let mut ask = cmd("CLIENT");
                let name: String = ask
                    .arg("GETNAME")
                    .query_async(&mut connection)
                    .await
                    .unwrap();
                assert_eq!(name, "orders-api", "{} {protocol}", backend.info.name);
                let mut change = cmd("CLIENT");
                let change = change.arg("SETNAME").arg("mine");
                let () = change.query_async(&mut connection).await.unwrap();
            }
            let _: () = pool.client().set("key", "value").await.unwrap();
            let list = server.command(&["CLIENT", "LIST"]).await.unwrap();
            let list = list.text().unwrap();
            assert!(
                list.contains("name=orders-api"),
                "{}: {list}",
                backend.info.name
            );
        }
    }
}

#[tokio::test]
async fn a_server_that_refuses_the_name_refuses_the_connection_with_that_cause() {
    let server = RedisServer::start().await.unwrap();
    let rules = ["ACL", "SETUSER", "default", "-client|setname"];
    server.command(&rules).await.unwrap();
    for backend in respool::backends() {
        let settings = "get_timeout=500ms&client_name=orders-api";
        let url = format!("{}?backend={}&{settings}", server.url(), backend.info.name);
        let error = respool::connect(url).await.unwrap_err().to_string();
        assert!(error.contains("setname"), "{}: {error}", backend.info.name);
    }
}

type Set = fn(&mut PoolConfig, Option<Duration>);

#[tokio::test]
async fn the_longest_time_that_there_is_is_as_good_as_none() {
    let fields: [(&str, Set); 6] = [
        ("get_timeout", |config, time| config.get_timeout = time),
        ("connect_timeout", |config, time| {
            config.connect_timeout = time;
        }),
        ("response_timeout", |config, time| {
            config.response_timeout = time;
        }),
        ("idle_timeout", |config, time| {
            config.max_lifetime = Some(Duration::from_millis(50));
            config.idle_timeout = time;
        }),
        ("max_lifetime", |config, time| {
            config.idle_timeout = Some(Duration::from_millis(50));
            config.max_lifetime = time;
        }),
        ("validate_after", |config, time| {
            config.validate_after = time;
        }),
    ];
    let server = RedisServer::start().await.unwrap();
    for backend in respool::backends() {
        for (field, set) in fields {
            let case = format!("{field}, {}", backend.info.name);
            let mut config = PoolConfig::from_url(&server.url()).unwrap();
            config.backend = Some(backend.info.name.to_owned());
            config.max_lifetime_jitter = 0.0;
            set(&mut config, Some(Duration::MAX));
            let pool = respool::build(config.clone()).expect(&case);
            for limit in [config.get_timeout, Some(Duration::MAX)] {
                let mut connection = pool.get_within(limit).await.expect(&case);
                let () = connection.set("key", "value").await.expect(&case);
            }
            // What keeps the other time goes on.
            let is_short = [config.idle_timeout, config.max_lifetime]
                .contains(&Some(Duration::from_millis(50)));
            while is_short && pool.status().closed.of(CloseReason::Expired) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let value: String = pool.client().get("key").await.expect(&case);
            assert_eq!(value, "value", "{case}");
            pool.close(Duration::MAX).await;
        }
    }
}

#[tokio::test]
async fn a_handler_of_pushes_is_taken_or_refused_by_field_name() {
    for backend in respool::backends() {
        let mut config = PoolConfig::default();
        config.backend = Some(backend.info.name.to_owned());
        config.on_push = Some(PushHandler::new(drop));
        match respool::build(config) {
            Ok(pool) => assert!(pool.capabilities().messages, "{}", backend.info.name),
            Err(PoolError::Config { field, .. }) => assert_eq!(field, "on_push"),
            Err(other) => panic!("{}: {other:?}", backend.info.name),
        }
    }
}
