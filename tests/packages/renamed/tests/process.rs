//! Nothing in a program has to be called `kiket`.

use extension_process::{Program, signed};
use serde_json::json;

#[track_caller]
fn check(program: &str, events: &[&str]) {
    let running = Program::new(program).directory(env!("CARGO_TARGET_TMPDIR")).start();
    for event in events {
        assert_eq!(running.ask(&signed(event, "v1", &json!({}))).status, 200, "{event}");
    }
    assert_eq!(running.ask(&signed("issue.closed", "v1", &json!({}))).status, 404);
    assert_eq!(running.stop().code, Some(0));
}

#[test]
fn the_dependency_may_be_renamed() {
    check(env!("CARGO_BIN_EXE_renamed"), &["issue.created", "issue.updated", "account.export"]);
}

#[test]
fn the_dependency_may_be_re_exported() {
    check(env!("CARGO_BIN_EXE_reexported"), &["issue.created", "issue.updated"]);
}

#[test]
fn a_renamed_crate_is_named_by_both_its_names() {
    let program = env!("CARGO_BIN_EXE_called_by_its_name_here");
    let ended = Program::new(program).directory(env!("CARGO_TARGET_TMPDIR")).run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    for part in ["`kiket::main!(crates = [foreign])`", "`crates = [name_here = \"foreign\"]`"] {
        assert!(ended.stderr.contains(part), "{part} is not in\n{}", ended.stderr);
    }
}
