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

#[tokio::test]
async fn server_dies_with_a_killed_test_process() {
    // A killed process can't remove its folder: it gets one that we remove.
    let folder = tempfile::tempdir().unwrap();
    let mut parent = Command::new(env::current_exe().unwrap())
        .args(["--exact", "parent_of_a_server", "--ignored", "--nocapture"])
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

#[tokio::test]
#[ignore = "the test above runs it as a process of its own"]
async fn parent_of_a_server() {
    if env::var_os(PARENT).is_none() {
        return;
    }
    let server = RedisServer::start().await.unwrap();
    println!("\nserver at {}", server.address());
    std::future::pending::<()>().await;
}
