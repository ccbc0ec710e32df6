//! `respool compare` as a person and as a program meet it.

use std::process::{Command, Output, Stdio};

use respool_testserver::{Answer, RedisServer, Script, ScriptedServer};
use serde_json::Value;

const TINY: [&str; 9] = [
    "compare",
    "--rounds",
    "1",
    "--duration",
    "40ms",
    "--tasks",
    "4",
    "--keys",
    "20",
];

fn respool(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_respool"));
    command
        .args(arguments)
        .env_remove("REDIS_URL")
        .stdin(Stdio::null());
    command
}

fn tiny(more: &[&str]) -> Output {
    respool(&TINY).args(more).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What a failure says: one line on standard error, nothing on standard output.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(!output.status.success(), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("respool: "), "{text}");
    assert!(stdout(output).is_empty(), "{}", stdout(output));
    text
}

#[test]
fn json_is_one_document_with_every_promised_field() {
    let output = tiny(&["--json"]);
    assert!(output.status.success(), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["schema"], 1);
    assert!(["redis", "valkey"].contains(&document["server"]["kind"].as_str().unwrap()));
    assert!(document["server"]["version"].is_string());
    assert_eq!(document["workload"]["tasks"], 4);
    assert_eq!(document["rounds"], 1);
    let subjects = document["subjects"].as_array().unwrap();
    for subject in subjects {
        for field in ["name", "kind", "mode"] {
            assert!(subject[field].is_string(), "{field} of {subject}");
        }
        for field in [
            "tasks",
            "p50_us",
            "p99_us",
            "p999_us",
            "server_commands_per_op",
            "connections_opened",
            "least_to_most_served",
            "errors",
            "ratio_to_best",
        ] {
            assert!(subject[field].is_number(), "{field} of {subject}");
        }
        for field in ["min", "median", "max"] {
            assert!(
                subject["ops_per_s"][field].as_f64().unwrap() > 0.0,
                "{subject}"
            );
        }
        assert_eq!(subject["errors"], 0, "{subject}");
    }
    let is = |name: &str, kind: &str, mode: &str| {
        subjects.iter().any(|subject| {
            subject["name"] == name && subject["kind"] == kind && subject["mode"] == mode
        })
    };
    for name in ["mobc", "mobc-redis", "multiplexed"] {
        assert!(is(name, "backend", "checkout"), "{name}");
    }
    for name in ["native", "multiplexed", "deadpool"] {
        assert!(is(name, "backend", "shared"), "{name}");
    }
    let per_command = |name: &str| {
        let shared = subjects
            .iter()
            .find(|subject| subject["name"] == name && subject["mode"] == "shared");
        shared.unwrap()["per_command"].as_bool().unwrap()
    };
    assert!(per_command("deadpool") && !per_command("multiplexed"));
    for name in ["bb8-redis", "deadpool-redis", "mobc-redis"] {
        assert!(is(name, "stock", "checkout"), "{name}");
    }
    for name in ["ConnectionManager", "MultiplexedConnection"] {
        assert!(is(name, "stock", "shared"), "{name}");
    }
}

#[test]
fn the_table_names_the_server_first_and_has_no_colours_in_a_file() {
    let output = tiny(&["--subject", "mobc"]);
    let text = stdout(&output);
    assert!(output.status.success(), "{output:?}");
    assert!(text.starts_with("Server: "), "{text}");
    assert!(text.contains("mobc") && text.contains("p999"), "{text}");
    let [taken, shared] = ["A connection taken", "One client shared"].map(|title| text.find(title));
    assert!(taken.unwrap() < shared.unwrap(), "{text}");
    assert!(
        text.contains("Repeat it: respool compare --server local"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text}");
    for line in text.lines().filter(|line| !line.starts_with("Repeat it:")) {
        assert!(line.chars().count() <= 100, "{line}");
        assert_eq!(line, line.trim_end());
    }
}

#[test]
fn without_a_redis_the_first_line_says_that_it_is_no_measure_of_redis() {
    let output = respool(&TINY)
        .args(["--subject", "mobc"])
        .env("PATH", "")
        .env_remove("REDIS_SERVER")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = stdout(&output);
    let first = text.lines().next().unwrap();
    assert!(
        first.contains("scripted") && first.contains("no measure of Redis"),
        "{first}"
    );
}

#[test]
fn a_redis_server_that_is_not_where_it_was_said_to_be_is_replaced_by_no_other() {
    for command in ["compare", "check", "soak"] {
        let output = respool(&[command])
            .env("REDIS_SERVER", "/no/such/server")
            .output()
            .unwrap();
        let text = complaint(&output);
        assert_eq!(output.status.code(), Some(2), "{command}: {text}");
        assert!(
            text.contains("REDIS_SERVER is set to /no/such/server"),
            "{command}: {text}"
        );
    }
}

#[test]
fn a_missing_server_is_one_line_with_the_remedy() {
    let text = complaint(&tiny(&["--url", "redis://me:hunter2@127.0.0.1:1"]));
    assert!(
        text.contains("127.0.0.1:1") && text.contains("is Redis running"),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_wrong_password_is_one_line_without_the_password() {
    let server = RedisServer::builder()
        .password("right")
        .start()
        .await
        .unwrap();
    for login in [":hunter2@", ""] {
        let url = format!("redis://{login}{}", server.address());
        let text = complaint(&tiny(&["--url", &url]));
        assert!(text.contains("the login was refused"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_turns_everybody_away_is_one_line_that_says_so() {
    let full = Script::new().on_connect(Answer::BytesThenClose(
        b"-ERR max number of clients reached\r\n".to_vec(),
    ));
    for (script, words) in [
        (full, "client"),
        (Script::new().on_connect(Answer::Close), "closed"),
        (
            Script::any(Answer::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())),
            "Redis",
        ),
    ] {
        let server = ScriptedServer::start_with(script).await.unwrap();
        let text = complaint(&tiny(&["--url", &server.url()]));
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[tokio::test]
async fn a_user_who_may_not_write_is_told_so_in_one_line() {
    let server = RedisServer::start().await.unwrap();
    let reader = [
        "ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@read", "+info",
    ];
    server.command(&reader).await.unwrap();
    let url = format!("redis://reader:pw@{}", server.address());
    let output = tiny(&["--url", &url, "--json"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let last = text.lines().last().unwrap();
    assert!(
        last.contains("may this user write?") && last.len() < 400,
        "{text}"
    );
}

#[tokio::test]
async fn keys_that_could_not_be_deleted_are_a_failure_after_the_figures() {
    let server = RedisServer::start().await.unwrap();
    let keeper = [
        "ACL", "SETUSER", "keeper", "on", ">pw", "~*", "+@all", "-del",
    ];
    server.command(&keeper).await.unwrap();
    let url = format!("redis://keeper:pw@{}", server.address());
    let output = tiny(&["--url", &url, "--subject", "mobc"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(stdout(&output).contains("Repeat it:"), "{output:?}");
    let last = text.lines().last().unwrap();
    assert!(last.contains("the keys respool:compare:"), "{text}");
}

#[tokio::test]
async fn a_subject_of_whose_operations_none_succeeded_is_named_after_the_figures() {
    let refusal = Answer::Bytes(b"-ERR not today\r\n".to_vec());
    let script = Script::new().on("GET", refusal);
    let server = ScriptedServer::start_with(script).await.unwrap();
    let output = respool(&TINY)
        .args(["--url", &server.url(), "--subject", "mobc"])
        .args(["--read-share", "1", "--json"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let last = text.lines().last().unwrap();
    assert!(last.contains("mobc (backend, checkout)"), "{text}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(document["subjects"][0]["errors"].as_u64() > Some(0));
}

#[tokio::test]
async fn a_server_that_does_not_show_its_counters_is_measured_without_them() {
    let server = RedisServer::start().await.unwrap();
    let user = [
        "ACL", "SETUSER", "user", "on", ">p@:/", "~*", "+@all", "-info",
    ];
    server.command(&user).await.unwrap();
    let url = format!("redis://user:p%40%3A%2F@{}", server.address());
    let output = tiny(&["--url", &url, "--json"]);
    assert!(output.status.success(), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    for subject in document["subjects"].as_array().unwrap() {
        assert!(subject["server_commands_per_op"].is_null(), "{subject}");
        assert!(subject["connections_opened"].is_null(), "{subject}");
        assert_eq!(subject["errors"], 0, "{subject}");
    }
}

#[tokio::test]
async fn a_server_that_ends_meanwhile_is_one_line_that_says_so() {
    let mut server = RedisServer::start().await.unwrap();
    let child = respool(&["compare", "--rounds", "500", "--duration", "20ms", "--json"])
        .args(["--subject", "mobc", "--url", &server.url()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while server.command_calls("get").await < 500 {
        tokio::task::yield_now().await;
    }
    server.kill().await;
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(output.stdout.is_empty(), "{text}");
    let complaints: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("respool: "))
        .collect();
    assert_eq!(complaints.len(), 1, "{text}");
    assert!(
        complaints[0].contains("could not connect") && complaints[0].contains("the keys"),
        "{text}"
    );
}

#[test]
fn wrong_arguments_name_the_argument_and_what_would_be_right() {
    for (arguments, words) in [
        (["--pool-size", "0"], "--pool-size"),
        (["--pool-size", "-1"], "--pool-size"),
        (["--pool-size", "ten"], "--pool-size"),
        (["--keys", "-1"], "--keys"),
        (["--value-size", "-1"], "--value-size"),
        (["--subject", "bb9"], "deadpool-redis"),
        (["--url", "localhost:6379"], "redis://[user:password@]host"),
        (["--url", "redis://me:hunter2@localhost:port"], "--url"),
        (["--url", "redis://localhost?max_size=ten"], "max_size"),
    ] {
        let output = tiny(&arguments);
        let text = complaint(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(words) && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn help_shows_examples() {
    for arguments in [
        &["--help"][..],
        &["compare", "--help"],
        &["check", "--help"],
    ] {
        let output = respool(arguments).output().unwrap();
        assert!(output.status.success());
        assert!(stdout(&output).contains("Examples:"), "{arguments:?}");
    }
}

#[tokio::test]
async fn no_key_is_left_on_the_users_server() {
    let server = RedisServer::start().await.unwrap();
    server.command(&["SET", "theirs", "kept"]).await.unwrap();
    let output = tiny(&["--url", &server.url(), "--subject", "mobc"]);
    assert!(output.status.success(), "{output:?}");
    let keys = server.command(&["DBSIZE"]).await.unwrap();
    assert_eq!(keys.integer(), Some(1));
}

#[cfg(unix)]
#[tokio::test]
async fn an_interrupt_prints_what_there_is_and_leaves_no_key() {
    use rustix::process::{Pid, Signal, kill_process};

    let server = RedisServer::start().await.unwrap();
    let child = respool(&["compare", "--rounds", "500", "--duration", "20ms", "--json"])
        .args(["--subject", "bb8-redis", "--url", &server.url()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Some rounds are over once it has done so many operations.
    while server.command_calls("get").await < 500 {
        tokio::task::yield_now().await;
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["interrupted"], true);
    assert!(document["rounds"].as_u64().unwrap() < 500);
    assert_eq!(document["subjects"].as_array().unwrap().len(), 1);
    let notice = String::from_utf8_lossy(&output.stderr);
    assert!(
        notice.contains("deleting the keys respool:compare:")
            && notice.contains("a second Ctrl-C leaves them there"),
        "{notice}"
    );
    let keys = server.command(&["DBSIZE"]).await.unwrap();
    assert_eq!(keys.integer(), Some(0));
}

#[cfg(unix)]
#[tokio::test]
async fn an_interrupt_while_the_server_stalls_ends_as_an_interrupt() {
    use rustix::process::{Pid, Signal, kill_process};

    let at_login = Script::any(Answer::Silence);
    let at_the_first_key = Script::new().on("SET", Answer::Silence);
    for (script, command) in [(at_login, "client|setinfo"), (at_the_first_key, "set")] {
        let server = ScriptedServer::start_with(script).await.unwrap();
        let url = format!("{}?connect_timeout=none", server.url());
        let child = respool(&["compare", "--json", "--url", &url])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while server.command_calls(command) == 0 {
            tokio::task::yield_now().await;
        }
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{command}: {output:?}");
        if command == "set" {
            let document: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(document["interrupted"], true);
            assert_eq!(document["subjects"].as_array().unwrap().len(), 0);
        }
    }
}
