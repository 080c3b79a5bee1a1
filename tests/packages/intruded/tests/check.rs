//! `kiket handlers` and `kiket check` of a program: without secrets, network and `setup`, and nothing is served.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};

const PLAIN: &str = env!("CARGO_BIN_EXE_plain");

/// What `program` prints in a folder with this manifest, or with none.
fn run(program: &str, manifest: Option<&str>, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    if let Some(manifest) = manifest {
        fs::write(folder.path().join("extension.yaml"), manifest).unwrap();
    }
    Command::new(program).current_dir(&folder).env_clear().args(arguments).output().unwrap()
}

/// The status of `kiket check --json`, and its problems as severity, id, place and fix.
#[track_caller]
fn check(program: &str, manifest: Option<&str>, status: i32, expected: &[Value]) {
    let output = run(program, manifest, &["kiket", "check", "--json"]);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let problems = value["problems"].as_array().unwrap();
    let found: Vec<_> = problems
        .iter()
        .map(|problem| {
            let place = &problem["place"];
            let place = place.as_object().map(|place| {
                let file = Path::new(place["file"].as_str().unwrap()).file_name().unwrap();
                format!("{}:{}", file.to_string_lossy(), place["line"])
            });
            json!([problem["severity"], problem["id"], place, problem["fix"]])
        })
        .collect();
    assert_eq!(found, expected, "{value:#}");
    assert_eq!(output.status.code(), Some(status), "{value:#}");
    assert_eq!(value["manifest"], json!(manifest.map(|_| "extension.yaml")));
    assert!(output.stderr.is_empty());
}

#[test]
fn a_program_that_fits_its_manifest_has_no_problem() {
    check(PLAIN, Some("id: a\nhooks: [issue.created, issue.closed]\n"), 0, &[]);
    check(PLAIN, Some("id: a\n"), 0, &[]);
    check(PLAIN, None, 0, &[]);
}

#[test]
fn what_a_start_would_say_is_found_with_its_fix() {
    check(
        PLAIN,
        Some("id: a\nversoin: 1\nhooks: [issue.created, issue.closd]\n"),
        1,
        &[
            json!(["error", "KIKET-E0301", "plain.rs:11", null]),
            json!(["error", "KIKET-E0302", "extension.yaml:3", {
                "kind": "rename_hook", "from": "issue.closd", "to": "issue.closed"
            }]),
            json!(["warning", "KIKET-E0107", "extension.yaml:2", {
                "kind": "rename_key", "from": "versoin", "to": "version"
            }]),
        ],
    );
    check(
        PLAIN,
        Some("hooks: [issue.created]"),
        1,
        &[json!(["error", "KIKET-E0301", "plain.rs:11", { "kind": "add_hook", "event": "issue.closed" }])],
    );
    check(PLAIN, Some("a: ["), 1, &[json!(["error", "KIKET-E0103", "extension.yaml:1", null])]);
    let named = "hooks: [issue.created, account.export]";
    check(env!("CARGO_BIN_EXE_named"), Some(named), 0, &[]);
    let foreign = json!(["error", "KIKET-E0208", "foreign.rs:4", null]);
    check(env!("CARGO_BIN_EXE_intruded"), Some(named), 1, &[foreign]);
}

#[test]
fn a_main_of_its_own_answers_for_all_its_handlers() {
    const OWN: &str = env!("CARGO_BIN_EXE_own_main");
    check(OWN, Some("hooks: [issue.created, crm.sync]"), 0, &[]);
    let unhandled = json!(["error", "KIKET-E0302", "extension.yaml:1", null]);
    check(OWN, Some("hooks: [issue.created, crm.sync, issue.deleted]"), 1, &[unhandled]);
    let output = run(OWN, None, &["kiket", "handlers", "--json"]);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let events: Vec<_> =
        value["handlers"].as_array().unwrap().iter().map(|handler| &handler["event"]).collect();
    assert_eq!(events, ["crm.sync", "issue.created"]);
    assert_eq!(value["setup"], false);
    for arguments in [&[][..], &["serve", "kiket"]] {
        assert_eq!(run(OWN, None, arguments).stdout, b"serves\n");
    }
}

#[test]
fn no_secret_is_printed() {
    let manifest = "delivery_secret: ' canary'\nsettings: [{ key: A, secret: true, default: 'your-canary' }]\n\
                    hooks: [{ event: issue.closd, secret: canary }]\n";
    for arguments in [&["kiket", "check"][..], &["kiket", "check", "--json"], &["kiket", "handlers"]] {
        let output = run(PLAIN, Some(manifest), arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn the_handlers_are_listed() {
    let output =
        run(PLAIN, Some("hooks: [{ event: issue.closed, timeout: 5s }]"), &["kiket", "handlers", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let mut value: Value = serde_json::from_slice(&output.stdout).unwrap();
    for handler in value["handlers"].as_array_mut().unwrap() {
        let file = handler["file"].take();
        assert!(file.as_str().unwrap().ends_with("plain.rs"), "{file}");
    }
    // Where the workspace is built with the feature `inbox`, there is a list of them.
    value.as_object_mut().unwrap().remove("schedules");
    let handler = |event: &str, function: &str, line: u32, timeout: u32| {
        json!({
            "event": event, "version": "v1", "function": format!("plain::{function}"), "file": null, "line": line,
            "timeout_ms": timeout, "scopes": [], "deduplicated": true, "deferred": false
        })
    };
    let handlers = [
        handler("issue.closed", "on_issue_closed", 11, 5_000),
        handler("issue.created", "on_issue_created", 5, 10_000),
    ];
    assert_eq!(
        value,
        json!({ "format": 1, "manifest": "extension.yaml", "setup": false, "handlers": handlers })
    );
    let table = run(PLAIN, None, &["kiket", "handlers"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("issue.closed   v1       plain::on_issue_closed   10s"), "{table}");
}

#[test]
fn without_handlers_the_reason_is_given() {
    let output = run(env!("CARGO_BIN_EXE_intruded"), None, &["kiket", "handlers", "--json"]);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &value["handlers"]), (Some(1), &json!([])));
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(why.starts_with("error[KIKET-E0208]: the crate `foreign` has handlers"), "{why}");
}

#[test]
fn other_arguments_are_a_mistake() {
    for arguments in
        [&["kiket"][..], &["kiket", "serve"], &["kiket", "check", "--yaml"], &["kiket", "check", "a", "b"]]
    {
        let output = run(PLAIN, None, arguments);
        let why = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{why}");
        assert!(why.contains("`kiket handlers [--json]`") && why.contains("`cargo kiket`"), "{why}");
        assert!(output.stdout.is_empty());
    }
}
