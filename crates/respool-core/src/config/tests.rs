use super::*;

fn refusal(result: Result<PoolConfig, PoolError>) -> (String, String) {
    match result {
        Err(PoolError::Config { field, reason }) => (field, reason),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn a_url_carries_settings_and_leaves_the_rest_to_the_redis_crate() {
    let config = PoolConfig::from_url(
        "redis://me:secret@example.org:7000/3?max_size=4&get_timeout=250ms&protocol=resp3",
    )
    .unwrap();
    assert_eq!(config.max_size, 4);
    assert_eq!(config.get_timeout, Some(Duration::from_millis(250)));
    assert_eq!(config.endpoint.database(), 3);
    assert_eq!(config.endpoint.to_string(), "example.org:7000");
    assert_eq!(
        config
            .endpoint
            .connection_info()
            .redis_settings()
            .protocol(),
        redis::ProtocolVersion::RESP3
    );
}

#[test]
fn a_password_with_special_characters_is_read_percent_encoded() {
    let config = PoolConfig::from_url("redis://:p%40ss%2Fw%23rd%3A%25@localhost").unwrap();
    assert_eq!(
        config
            .endpoint
            .connection_info()
            .redis_settings()
            .password(),
        Some("p@ss/w#rd:%")
    );
}

#[test]
fn wrong_numbers_are_refused_by_name() {
    for text in ["0", "-1", "ten", "", "1.5", "99999999999999999999"] {
        let (field, reason) = refusal(PoolConfig::from_url(&format!(
            "redis://localhost?max_size={text}"
        )));
        assert_eq!(field, "max_size", "{text:?}");
        assert!(reason.contains("1 to"), "{text:?}: {reason}");
    }
}

#[test]
fn a_time_without_a_unit_is_refused_with_an_example() {
    let (field, reason) = refusal(PoolConfig::from_url("redis://localhost?get_timeout=5"));
    assert_eq!(field, "get_timeout");
    assert!(reason.contains("5s"), "{reason}");
}

#[test]
fn zero_is_not_infinity() {
    let (field, reason) = refusal(PoolConfig::from_url(
        "redis://localhost?response_timeout=0s",
    ));
    assert_eq!(field, "response_timeout");
    assert!(reason.contains("none"), "{reason}");
}

#[test]
fn zero_in_code_is_refused_as_it_is_in_text() {
    type Set = fn(&mut PoolConfig);
    let fields: [(&str, Set); 6] = [
        ("get_timeout", |config| {
            config.get_timeout = Some(Duration::ZERO);
        }),
        ("connect_timeout", |config| {
            config.connect_timeout = Some(Duration::ZERO);
        }),
        ("response_timeout", |config| {
            config.response_timeout = Some(Duration::ZERO);
        }),
        ("idle_timeout", |config| {
            config.idle_timeout = Some(Duration::ZERO);
        }),
        ("max_lifetime", |config| {
            config.max_lifetime = Some(Duration::ZERO);
        }),
        ("validate_after", |config| {
            config.validate_after = Some(Duration::ZERO);
        }),
    ];
    for (field, set) in fields {
        let mut config = PoolConfig::default();
        set(&mut config);
        let in_code = refusal(config.checked());
        let url = format!("redis://localhost?{field}=0s");
        assert_eq!(in_code, refusal(PoolConfig::from_url(&url)));
        assert_eq!(in_code.0, field);
    }
}

#[test]
fn an_unknown_parameter_lists_the_known_ones() {
    let (field, reason) = refusal(PoolConfig::from_url("redis://localhost?maxsize=5"));
    assert_eq!(field, "maxsize");
    assert!(
        reason.contains("max_size") && reason.contains("protocol"),
        "{reason}"
    );
}

#[test]
fn a_malformed_url_is_refused_without_repeating_it() {
    for url in [
        "",
        "localhost:6379",
        "http://user:hunter2@localhost",
        "redis://user:hunter2@localhost:port",
        "redis://user:hunter2@localhost/notanumber",
        "redis://user:hunter2#x@localhost",
        "redis://user:hunter2/x@localhost",
        "rediss://user:hunter2@localhost/#insecure",
        "rediss://user:hunter2/x@localhost",
    ] {
        let (field, reason) = refusal(PoolConfig::from_url(url));
        assert_eq!(field, "url", "{url}");
        assert!(!reason.contains("hunter2"), "{reason}");
    }
}

#[test]
fn what_the_redis_crate_would_refuse_is_refused_by_name_with_what_is_right() {
    for (url, field, words) in [
        ("redis://", "url", "it names no host"),
        ("redis://?max_size=2", "url", "it names no host"),
        ("redis://0.0.0.0", "url", "no address to connect to"),
        ("redis://[::]:7000", "url", "no address to connect to"),
        ("redis+unix:///", "url", "it names no path"),
        ("redis+unix://run/redis.sock", "url", "a third /"),
        ("redis://h?protocol=9", "protocol", "resp2 or resp3"),
        ("redis+unix:///p?protocol=", "protocol", "resp2 or resp3"),
        ("redis+unix:///p?db=x", "db", "not the number"),
    ] {
        let (named, reason) = refusal(PoolConfig::from_url(url));
        assert_eq!(named, field, "{url}");
        assert!(reason.contains(words), "{url}: {reason}");
        assert!(!reason.contains("InvalidClientConfig"), "{reason}");
    }
    let error = Endpoint::new("redis://localhost?protocol=9").unwrap_err();
    assert_eq!(error.to_string(), "url: Invalid protocol version: 9");
}

#[test]
fn a_user_without_a_password_is_refused_instead_of_dropped() {
    for url in [
        "redis://app@localhost",
        "redis://app:@localhost",
        "rediss://app@localhost",
        "redis+unix:///run/redis.sock?user=app",
    ] {
        let (field, reason) = refusal(PoolConfig::from_url(url));
        assert_eq!(field, "url", "{url}");
        assert!(reason.contains("a user needs a password"), "{reason}");
    }
    for url in [
        "redis://localhost",
        "redis://:secret@localhost",
        "redis://app:secret@localhost",
        "redis+unix:///run/redis.sock?user=app&pass=secret",
    ] {
        assert!(PoolConfig::from_url(url).is_ok(), "{url}");
    }
}

#[test]
fn rediss_means_tls_with_its_own_settings() {
    for scheme in ["rediss", "valkeys"] {
        let config = PoolConfig::from_url(&format!(
            "{scheme}://me:hunter2@[::1]:7000/3?tls_ca=/ca.pem&tls_server_name=cache&max_size=2"
        ))
        .unwrap();
        assert!(config.endpoint.is_tls());
        assert_eq!(config.endpoint.to_string(), "[::1]:7000");
        assert_eq!(config.endpoint.database(), 3);
        assert_eq!(config.tls_ca.as_deref(), Some("/ca.pem".as_ref()));
        assert_eq!(config.tls_server_name.as_deref(), Some("cache"));
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}

#[test]
fn settings_of_tls_are_refused_without_it() {
    for name in ["tls_ca", "tls_cert", "tls_key", "tls_server_name"] {
        let (field, reason) = refusal(PoolConfig::from_url(&format!("redis://localhost?{name}=x")));
        assert_eq!(field, name);
        assert!(reason.contains("rediss://"), "{reason}");
    }
}

#[test]
fn a_name_that_servers_refuse_is_refused_by_field_name() {
    let config = PoolConfig::from_url("redis://localhost?client_name=billing-1").unwrap();
    assert_eq!(config.client_name.as_deref(), Some("billing-1"));
    for text in ["", "two%20words", "two%0Alines", "caf%C3%A9"] {
        let url = format!("redis://localhost?client_name={text}");
        let (field, reason) = refusal(PoolConfig::from_url(&url));
        assert_eq!(field, "client_name", "{text:?}");
        assert!(reason.contains("billing-1"), "{text:?}: {reason}");
    }
    let config = PoolConfig {
        client_name: Some("two words".to_owned()),
        ..PoolConfig::default()
    };
    assert_eq!(refusal(config.checked()).0, "client_name");
    let variable = |name: &str| (name == "REDIS_POOL_CLIENT_NAME").then(|| "a b".into());
    let (field, _) = refusal(PoolConfig::from_vars(variable));
    assert_eq!(field, "REDIS_POOL_CLIENT_NAME");
}

#[test]
fn verification_can_not_be_switched_off() {
    let (field, reason) = refusal(PoolConfig::from_url("rediss://localhost/#insecure"));
    assert_eq!(field, "url");
    assert!(reason.contains("tls_ca"), "{reason}");
}

#[test]
fn variables_win_over_the_url_and_errors_name_them() {
    let vars = |pairs: &'static [(&'static str, &'static str)]| {
        PoolConfig::from_vars(move |name| {
            let (_, value) = pairs.iter().find(|(key, _)| *key == name)?;
            Some(value.into())
        })
    };
    let config = vars(&[
        (
            "REDIS_URL",
            "redis://localhost:7001?max_size=3&idle_timeout=1m",
        ),
        ("REDIS_POOL_SIZE", "7"),
        ("REDIS_POOL_BACKEND", "mobc"),
        ("REDIS_POOL_MAX_LIFETIME", "none"),
        ("REDIS_POOL_GET_TIMEOUT", ""),
    ])
    .unwrap();
    assert_eq!(config.max_size, 7);
    assert_eq!(config.backend.as_deref(), Some("mobc"));
    assert_eq!(config.max_lifetime, None);
    assert_eq!(config.idle_timeout, Some(Duration::from_secs(60)));
    assert_eq!(config.get_timeout, PoolConfig::default().get_timeout);

    assert_eq!(
        refusal(vars(&[("REDIS_POOL_SIZE", "ten")])).0,
        "REDIS_POOL_SIZE"
    );
    let (field, reason) = refusal(vars(&[("REDIS_POOL_MAX_SIZE", "7")]));
    assert_eq!(field, "REDIS_POOL_MAX_SIZE");
    assert!(reason.contains("REDIS_POOL_SIZE"), "{reason}");
    assert_eq!(
        refusal(vars(&[("REDIS_POOL_SIZE", "0")])).0,
        "REDIS_POOL_SIZE"
    );
    assert_eq!(refusal(vars(&[("REDIS_URL", "nonsense")])).0, "REDIS_URL");
}

#[test]
fn settings_need_only_fit_together_once_the_variables_were_read() {
    let vars = |url: &str, name: &str, value: &str| {
        PoolConfig::from_vars(|asked| match asked {
            "REDIS_URL" => Some(url.into()),
            _ => (asked == name).then(|| value.into()),
        })
    };
    let config = vars("redis://h?min_idle=15&lanes=12", "REDIS_POOL_SIZE", "20").unwrap();
    assert_eq!((config.max_size, config.min_idle), (20, 15));
    assert_eq!(config.lanes, Some(12));

    for (name, value) in [
        ("REDIS_POOL_LANES", "20"),
        ("REDIS_POOL_MIN_IDLE", "20"),
        ("REDIS_POOL_TLS_CA", "/ca.pem"),
    ] {
        assert_eq!(refusal(vars("redis://h", name, value)).0, name);
    }
    let (field, reason) = refusal(vars("redis://h?min_idle=3", "REDIS_POOL_SIZE", "2"));
    assert_eq!(field, "REDIS_URL");
    assert!(reason.contains("parameter min_idle: 3"), "{reason}");
}

#[test]
fn debug_prints_no_password() {
    let config = PoolConfig::from_url("redis://me:hunter2@localhost").unwrap();
    assert!(!format!("{config:?} {config:#?}").contains("hunter2"));
}

#[test]
fn debug_prints_nothing_of_what_is_called() {
    let secret = "hunter2";
    let handler = PushHandler::new(move |_| assert!(!secret.is_empty()));
    assert_eq!(format!("{handler:?}"), "PushHandler { .. }");
}

#[test]
fn what_only_the_url_of_a_unix_socket_has_is_refused_of_others_by_name() {
    for name in ["db", "user", "pass"] {
        for scheme in ["redis", "rediss"] {
            let url = format!("{scheme}://localhost/?{name}=3");
            let (field, reason) = refusal(PoolConfig::from_url(&url));
            assert_eq!(field, name, "{reason}");
        }
    }
    let config = PoolConfig::from_url("redis+unix:///run/redis.sock?db=3").unwrap();
    assert_eq!(config.endpoint.database(), 3);
}

#[test]
fn no_backend_is_the_default() {
    let url = "redis://localhost/?backend=none";
    assert_eq!(PoolConfig::from_url(url).unwrap().backend, None);
}
