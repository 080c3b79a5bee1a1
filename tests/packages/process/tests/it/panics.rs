//! Panics are printed once, redacted, with their place. `Process::end` sees to it that no secret is.

use extension_process::signed;
use serde_json::{Value, json};

use super::{by_hand, served, wishing};

fn delivery(event: &str) -> Vec<u8> {
    signed(event, "v1", &json!({ "id": "p" }))
}

#[test]
fn a_panic_of_a_handler_is_in_its_log_line_alone() {
    let running = served().start();
    assert_eq!(running.ask(&delivery("panic.secret")).status, 500);
    let line = running.logged("delivery failed");
    let error = line["error"].as_str().unwrap();
    assert!(error.starts_with("panicked: failed with … (") && error.contains("served.rs:"), "{error}");
    assert_eq!((&line["code"], &line["level"]), (&"handler_panicked".into(), &"ERROR".into()));
    let ended = running.stop();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(ended.stdout.matches("failed with").count(), 1);
}

#[test]
fn a_backtrace_has_no_text_of_the_delivery() {
    let running = served().env("RUST_BACKTRACE", "1").start();
    assert_eq!(running.ask(&delivery("panic.secret")).status, 500);
    let ended = running.stop();
    for part in ["served.rs:", "it is in the log line of the delivery", "served::panics"] {
        assert!(ended.stderr.contains(part), "{part} is not in\n{}", ended.stderr);
    }
}

#[test]
fn panics_beside_a_delivery_are_printed_and_redacted() {
    let running = served().start();
    let brings =
        signed("panic.beside", "v1", &json!({ "id": "q", "secrets": { "API_KEY": "canary \"of\" it" } }));
    for request in [delivery("panic.beside"), brings] {
        assert_eq!(running.ask(&request).json(), json!([true, true]));
    }
    let ended = running.stop();
    for part in ["the thread failed with …\n", "the task failed with …\n"] {
        assert_eq!(ended.stderr.matches(part).count(), 2, "{part}\n{}", ended.stderr);
    }
    assert_eq!(ended.stderr.matches("panicked at ").count(), 4, "{}", ended.stderr);
    assert!(ended.log().iter().all(|line: &Value| line["level"] == "INFO"), "{}", ended.stdout);
}

#[test]
fn a_hook_of_the_program_stays() {
    for (wish, name) in [("init hook", "init's hook\n"), ("setup hook", "setup's hook\n")] {
        let running = wishing(wish).start();
        assert_eq!(running.ask(&delivery("panic.secret")).status, 500);
        let ended = running.stop();
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), name));
    }
}

#[test]
fn a_setup_that_panics_is_printed_with_its_place() {
    let ended = wishing("setup panics").run();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(101), ""));
    assert!(ended.stderr.contains("thread 'main' panicked at ") && ended.stderr.ends_with("\nsetup fails\n"));
}

/// The extension is not built then: its secrets are those of the environment, and of files.
#[test]
fn a_setup_that_fails_with_a_secret_does_not_show_it() {
    let text = "no response from https://key:…@example.com";
    for (wish, code) in [
        ("setup panics with a secret", 101),
        ("setup fails with a secret", 1),
        ("routes panic with a secret", 1),
    ] {
        let ended = wishing(wish).run();
        assert_eq!(ended.code, Some(code), "{wish}");
        assert!(ended.stderr.contains(text), "{wish}: {}", ended.stderr);
    }
}

#[test]
fn a_program_of_ones_own_installs_the_hook_itself() {
    for (hook, printed) in [(false, 1), (true, 0)] {
        let program = by_hand().env("SUBSCRIBER", "");
        let running = if hook { program.env("HOOK", "") } else { program }.start();
        assert_eq!(running.ask(&delivery("panic.plain")).status, 500);
        let line = running.logged("delivery failed");
        assert!(line["error"].as_str().unwrap().starts_with("panicked: by hand"), "{line}");
        // The hook of the standard library prints it beside the log.
        assert_eq!(running.stop().stderr.matches("by hand").count(), printed, "hook: {hook}");
    }
}
