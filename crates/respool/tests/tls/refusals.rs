//! What goes wrong with certificates, and what is said of it.

use std::fs;
use std::path::Path;

use respool::{BackendEntry, ConnectErrorKind, PoolConfig, PoolError};
use respool_testserver::RedisServer;

use crate::authority::{Authority, Identity};
use crate::{WITHOUT_TLS, backends, builder_of, config, server_of, set_and_get};

/// The words of a failure of TLS that nobody should wait for.
async fn failure(config: PoolConfig) -> String {
    let pool = respool::build(config).unwrap();
    match pool.get().await {
        Err(PoolError::Connect { source, .. }) => {
            assert_eq!(source.kind(), ConnectErrorKind::Tls, "{source}");
            assert!(source.is_permanent(), "{source}");
            source.to_string()
        }
        outcome => panic!("{outcome:?}"),
    }
}

async fn assert_refused(words: &[&str], config: impl Fn(&BackendEntry) -> PoolConfig) {
    for backend in backends() {
        let text = failure(config(backend)).await;
        for word in words {
            assert!(text.contains(word), "{}: {text}", backend.info.name);
        }
    }
}

fn with_certificate(mut config: PoolConfig, identity: &Identity) -> PoolConfig {
    config.tls_cert = Some(identity.certificate.clone());
    config.tls_key = Some(identity.key.clone());
    config
}

#[tokio::test]
async fn a_server_of_another_ca_is_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = server_of(&authority).await;
    assert_refused(&["none of the CAs in tls_ca"], |backend| {
        config(&server, &stranger, backend)
    })
    .await;
}

#[tokio::test]
async fn without_tls_ca_a_ca_of_ones_own_is_not_trusted() {
    let authority = Authority::new();
    let server = server_of(&authority).await;
    // On a machine that trusts nobody, the pool can't be built.
    let error = respool::connect(server.tls_url().unwrap())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("tls_ca"), "{error}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_unless_that_is_expected() {
    let authority = Authority::new();
    let identity = authority.issue("cache.internal");
    let server = RedisServer::builder()
        .tls(identity.certificate, identity.key)
        .start()
        .await
        .unwrap();
    assert_refused(
        &["127.0.0.1", "cache.internal", "tls_server_name"],
        |backend| config(&server, &authority, backend),
    )
    .await;
    for backend in backends() {
        let mut config = config(&server, &authority, backend);
        config.tls_server_name = Some("cache.internal".to_owned());
        set_and_get(&respool::build(config).unwrap(), "value").await;
    }
}

#[tokio::test]
async fn a_good_certificate_for_another_name_than_expected_is_refused() {
    let authority = Authority::new();
    let server = server_of(&authority).await;
    assert_refused(&["cache.internal", "tls_server_name"], |backend| {
        let mut config = config(&server, &authority, backend);
        config.tls_server_name = Some("cache.internal".to_owned());
        config
    })
    .await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let authority = Authority::new();
    let identity = authority.issue_expired("127.0.0.1");
    let server = RedisServer::builder()
        .tls(identity.certificate, identity.key)
        .start()
        .await
        .unwrap();
    assert_refused(&["expired"], |backend| config(&server, &authority, backend)).await;
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_it() {
    let authority = Authority::new();
    let client = authority.issue("client");
    for protocol in ["TLSv1.2", "TLSv1.3"] {
        let server = builder_of(&authority)
            .tls_clients_of(authority.ca())
            .argument("--tls-protocols", protocol)
            .start()
            .await
            .unwrap();
        for backend in backends() {
            let config = with_certificate(config(&server, &authority, backend), &client);
            set_and_get(&respool::build(config).unwrap(), "value").await;
        }
        // Time and again: what the server says races with what it is sent.
        for _ in 0..20 {
            assert_refused(&["asks for a client certificate", "tls_cert"], |backend| {
                config(&server, &authority, backend)
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_certificate_that_the_server_refuses_is_named() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let client = stranger.issue("client");
    let server = builder_of(&authority)
        .tls_clients_of(authority.ca())
        .start()
        .await
        .unwrap();
    assert_refused(&["refused the certificate of tls_cert"], |backend| {
        with_certificate(config(&server, &authority, backend), &client)
    })
    .await;
}

#[tokio::test]
async fn a_server_without_tls_is_named_as_such() {
    let authority = Authority::new();
    let server = RedisServer::start().await.unwrap();
    assert_refused(&["speaks no TLS", "redis://"], |backend| {
        let url = format!("rediss://{}", server.address());
        let mut config = PoolConfig::from_url(&url).unwrap();
        config.tls_ca = Some(authority.ca());
        config.backend = Some(backend.info.name.to_owned());
        config
    })
    .await;
}

#[tokio::test]
async fn a_plain_url_of_a_server_with_tls_is_answered_with_the_scheme_that_it_wants() {
    let authority = Authority::new();
    let server = server_of(&authority).await;
    let url = server.tls_url().unwrap().replace("rediss://", "redis://");
    for backend in backends() {
        let mut config = PoolConfig::from_url(&url).unwrap();
        config.get_timeout = Some(std::time::Duration::from_millis(600));
        config.backend = Some(backend.info.name.to_owned());
        let error = respool::build(config).unwrap().get().await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("rediss://"), "{}: {text}", backend.info.name);
    }
}

#[tokio::test]
async fn a_server_that_stands_still_is_not_taken_for_one_without_tls() {
    let authority = Authority::new();
    let server = server_of(&authority).await;
    server.pause();
    for backend in backends() {
        let mut config = config(&server, &authority, backend);
        config.get_timeout = Some(std::time::Duration::from_millis(600));
        config.connect_timeout = Some(std::time::Duration::from_millis(400));
        let error = respool::build(config).unwrap().get().await.unwrap_err();
        match error {
            PoolError::Timeout {
                last_connect_error: Some(cause),
                ..
            } => assert_eq!(cause.kind(), ConnectErrorKind::TimedOut, "{cause}"),
            error => panic!("{error:?}"),
        }
    }
    server.resume();
}

#[test]
fn files_that_can_not_be_used_are_refused_when_the_pool_is_built() {
    let authority = Authority::new();
    let (mine, other) = (authority.issue("mine"), authority.issue("other"));
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent.pem");
    let text = folder.path().join("text.pem");
    fs::write(&text, "no PEM at all").unwrap();

    let ca = authority.ca();
    let refused = |field: &str, ca: &Path, certificate: Option<&Path>, key: Option<&Path>| {
        for backend in backends() {
            let mut config = PoolConfig::from_url("rediss://localhost").unwrap();
            config.backend = Some(backend.info.name.to_owned());
            config.tls_ca = Some(ca.to_owned());
            config.tls_cert = certificate.map(Path::to_owned);
            config.tls_key = key.map(Path::to_owned);
            match respool::build(config) {
                Err(PoolError::Config { field: found, .. }) => assert_eq!(found, field),
                outcome => panic!("{field}: {outcome:?}"),
            }
        }
    };
    let (certificate, key) = (Some(&*mine.certificate), Some(&*mine.key));
    for wrong in [&*absent, &*text] {
        refused("tls_ca", wrong, certificate, key);
        refused("tls_cert", &ca, Some(wrong), key);
        refused("tls_key", &ca, certificate, Some(wrong));
    }
    refused("tls_key", &ca, certificate, None);
    refused("tls_cert", &ca, None, key);
    refused("tls_key", &ca, certificate, Some(&other.key));
}

#[test]
fn a_name_that_no_certificate_can_have_is_refused_when_the_pool_is_built() {
    let authority = Authority::new();
    let mut config = PoolConfig::from_url("rediss://localhost?tls_server_name=a%20b").unwrap();
    config.tls_ca = Some(authority.ca());
    match respool::build(config) {
        Err(PoolError::Config { field, .. }) => assert_eq!(field, "tls_server_name"),
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn the_stock_backend_says_that_it_can_not() {
    for backend in respool::backends() {
        if backend.info.name != WITHOUT_TLS {
            continue;
        }
        let config = PoolConfig::from_url("rediss://localhost").unwrap();
        match (backend.build)(config) {
            Err(PoolError::Config { field, reason, .. }) => {
                assert_eq!(field, "url");
                assert!(reason.contains(WITHOUT_TLS), "{reason}");
            }
            outcome => panic!("{outcome:?}"),
        }
    }
}
