//! `respool check` as a person and as a program meet it.

use std::process::{Command, Stdio};

use serde_json::Value;

fn respool(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_respool"));
    command.args(arguments).stdin(Stdio::null());
    command
}

#[test]
fn json_is_one_document_with_every_promised_field() {
    let output = respool(&["check", "--backend", "mobc", "--rule", "get-1", "--json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["schema"], 1);
    let subject = &document["subjects"][0];
    assert_eq!(subject["name"], "mobc");
    assert_eq!(subject["kind"], "backend");
    let result = &subject["results"][0];
    assert_eq!(result["rule"], "GET-1");
    assert_eq!(result["severity"], "MUST");
    assert_eq!(result["outcome"], "kept");
    assert!(!result["evidence"].as_str().unwrap().is_empty());
}

#[test]
fn a_known_failure_is_shown_with_its_reason_and_is_no_error() {
    let output = respool(&["check", "--backend", "mobc-redis", "--rule", "LIFE-1"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("known failure")
            && text.contains("stock manager")
            && text.contains("repeat: respool check --backend mobc-redis --rule LIFE-1\n"),
        "{text}"
    );
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    for (arguments, words) in [
        (["check", "--backend", "bb9"], "multiplexed"),
        (["check", "--rule", "GET-99"], "GET-1"),
    ] {
        let output = respool(&arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn without_a_real_server_nothing_passes() {
    let output = respool(&["check", "--backend", "mobc", "--rule", "GET-1"])
        .env("PATH", "")
        .env_remove("REDIS_SERVER")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.contains("install") || text.contains("REDIS_SERVER"),
        "{text}"
    );
}
