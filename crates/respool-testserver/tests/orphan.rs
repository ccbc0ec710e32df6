//! A server does not outlive a test process that is killed. Needs util-linux's
//! setpriv, as the promise does.
#![cfg(target_os = "linux")]

mod support;

use std::env;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use respool_testserver::RedisServer;
use support::Client;

const PARENT: &str = "RESPOOL_TESTSERVER_PARENT";

/// The test runs itself once more, as the process that is to be killed.
#[tokio::test]
async fn server_dies_with_a_killed_test_process() {
    if env::var_os(PARENT).is_some() {
        let server = RedisServer::start().await.unwrap();
        println!("\nserver at {}", server.address());
        return std::future::pending().await;
    }
    // A killed process can't remove its folder: it gets one that we remove.
    let folder = tempfile::tempdir().unwrap();
    let mut parent = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "server_dies_with_a_killed_test_process",
            "--nocapture",
        ])
        .env(PARENT, "yes")
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(parent.stdout.take().unwrap());
    let address: SocketAddr = output
        .lines()
        .find_map(|line| line.unwrap().split_once("server at ")?.1.parse().ok())
        .expect("the parent says where its server is");
    let mut client = Client::connect_through(address).await;

    parent.kill().unwrap();
    parent.wait().unwrap();

    client.expect_gone().await;
}
