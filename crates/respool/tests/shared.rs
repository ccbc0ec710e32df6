//! The pool of the process, which is built from the environment: each case is a process of its own.

use std::process::{Command, Output};

use respool::redis::AsyncCommands;
use respool_testserver::RedisServer;

const CHILD: &str = "RESPOOL_TEST_CHILD";

/// Runs the test `name` once more as a process, with these variables.
fn run_as_child(name: &str, variables: &[(&str, &str)]) -> Output {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "yes");
    for unset in ["REDIS_URL", "REDIS_POOL_SIZE", "REDIS_POOL_BACKEND"] {
        child.env_remove(unset);
    }
    child.envs(variables.iter().copied()).output().unwrap()
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn several_runtimes_share_the_pool_one_after_another() {
    if is_child() {
        for round in 0..5 {
            runtime().block_on(async {
                let pool = respool::shared().unwrap();
                let () = pool.get().await.unwrap().set("key", round).await.unwrap();
                let seen: i32 = pool.client().get("key").await.unwrap();
                assert_eq!(seen, round);
            });
        }
        assert_eq!(respool::shared().unwrap().status().max_size, 3);
        return;
    }
    let server = runtime().block_on(RedisServer::start()).unwrap();
    for backend in respool::backends() {
        let output = run_as_child(
            "several_runtimes_share_the_pool_one_after_another",
            &[
                ("REDIS_URL", &server.url()),
                ("REDIS_POOL_SIZE", "3"),
                ("REDIS_POOL_BACKEND", backend.info.name),
            ],
        );
        assert!(output.status.success(), "{}: {output:?}", backend.info.name);
    }
}

#[test]
fn a_wrong_variable_is_named() {
    if is_child() {
        println!("{}", respool::shared().unwrap_err());
        return;
    }
    for (variable, value, words) in [
        ("REDIS_POOL_SIZE", "0", "REDIS_POOL_SIZE: "),
        ("REDIS_POOL_SIZE", "ten", "REDIS_POOL_SIZE: "),
        ("REDIS_POOL_BACKEND", "bb9", "REDIS_POOL_BACKEND: "),
        ("REDIS_POOL_LANES", "20", "REDIS_POOL_LANES: "),
        ("REDIS_URL", "localhost", "REDIS_URL: "),
        (
            "REDIS_URL",
            "redis://h?backend=bb9",
            "REDIS_URL: parameter backend: ",
        ),
    ] {
        let output = run_as_child("a_wrong_variable_is_named", &[(variable, value)]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(words), "{variable}={value}: {text}");
    }
}
