//! A dependency must not add handlers in silence: the program starts when it names the crate, and not otherwise.

use extension_process::{Ended, Program, signed};
use serde_json::json;

#[track_caller]
fn check(program: &str, events: &[&str], missing: &str) {
    let running = Program::new(program).directory(env!("CARGO_TARGET_TMPDIR")).start();
    for event in events {
        assert_eq!(running.ask(&signed(event, "v1", &json!({}))).status, 200, "{event}");
    }
    assert_eq!(running.ask(&signed(missing, "v1", &json!({}))).status, 404);
    assert_eq!(running.stop().code, Some(0));
}

#[test]
fn a_foreign_handler_stops_the_start() {
    let program = Program::new(env!("CARGO_BIN_EXE_intruded")).directory(env!("CARGO_TARGET_TMPDIR"));
    let Ended { code, stdout, stderr } = program.run();
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    for part in ["the crate `foreign`", "`foreign::export_account`", "`kiket::main!(crates = [foreign])`"] {
        assert!(stderr.contains(part), "{part} is not in\n{stderr}");
    }
}

#[test]
fn a_named_crate_belongs_to_the_extension() {
    check(env!("CARGO_BIN_EXE_named"), &["issue.created", "account.export"], "issue.closed");
}

#[test]
fn the_shortest_program_serves_its_own_handlers() {
    check(env!("CARGO_BIN_EXE_plain"), &["issue.created", "issue.closed"], "account.export");
}
