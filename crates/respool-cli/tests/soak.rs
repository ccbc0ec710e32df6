//! `respool soak` as a person and as a program meet it.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn respool(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_respool"));
    command
        .args(arguments)
        .env_remove("REDIS_URL")
        .stdin(Stdio::null());
    command.output().unwrap()
}

#[test]
fn the_default_backend_holds_through_ten_rough_seconds() {
    let output = respool(&["soak", "--quick", "--seed", "7", "--json"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success(), "{document:#}\n{errors}");
    assert!(document["operations"].as_u64() > Some(100), "{document:#}");
    assert_eq!(document["backend"], "native", "{document:#}");
    assert!(errors.contains("seed 7; repeat: respool soak"), "{errors}");
}

#[test]
fn a_wrapped_backend_holds_too_and_the_document_says_what_was_done() {
    let output = respool(&[
        "soak",
        "--quick",
        "--backend",
        "mobc",
        "--tasks",
        "16",
        "--clients",
        "4",
        "--seed",
        "7",
        "--json",
    ]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success(), "{document:#}");
    assert_eq!(document["schema"], 1);
    assert_eq!(document["seed"], 7);
    assert_eq!(document["backend"], "mobc");
    assert!(document["broken"].is_null(), "{document:#}");
    for count in ["operations", "cancelled", "quiet_moments"] {
        assert!(document[count].as_u64() > Some(0), "{count}: {document:#}");
    }
    let faults = document["faults"].as_object().unwrap();
    assert!(!faults.is_empty(), "{document:#}");
}

#[test]
fn an_unknown_backend_is_answered_with_those_there_are() {
    let output = respool(&["soak", "--backend", "bb9"]);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    assert!(complaint.contains("native, mobc"), "{complaint}");
}
