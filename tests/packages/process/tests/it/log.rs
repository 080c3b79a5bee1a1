//! What is logged, by which subscriber.

use extension_process::{Program, Running, signed, signed_to};
use serde_json::{Value, json};

use super::{by_hand, echo, held, served, wishing};

#[test]
fn a_filter_that_cannot_be_read_is_info() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    let texts = ["kiket=loud", "[[", "warning", "inof", " "].map(OsStr::new);
    for filter in texts.into_iter().chain([OsStr::from_bytes(b"inf\xff")]) {
        let running = served().env("RUST_LOG", filter).start();
        assert_eq!(running.ask(&echo()).status, 200);
        running.logged("delivery handled");
        let log = running.stop().log();
        let warned = log.iter().any(|line| {
            line["level"] == "WARN" && line["message"].as_str().unwrap().starts_with("`RUST_LOG` is ignored")
        });
        assert!(warned, "{}: {log:?}", filter.display());
    }
}

#[test]
fn the_filter_info_is_the_default() {
    let logged = |program: Program| {
        let running = program.start();
        assert_eq!(running.ask(&echo()).status, 200);
        let log = running.stop().log();
        log.iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let default = logged(served());
    assert_eq!(logged(served().env("RUST_LOG", "info")), default);
    assert_eq!(logged(served().env("RUST_LOG", "")), default);
}

#[test]
fn a_subscriber_that_setup_sets_wins() {
    let process = wishing("subscriber").spawn();
    let listening = process.stdout().find(|line| line.contains("listening").then(|| line.to_owned()));
    let listening = listening.unwrap_or_else(|| panic!("{}", process.stdout().text()));
    assert!(!listening.starts_with('{') && listening.contains("addresses="), "{listening}");
    process.signal("TERM");
    let ended = process.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // Until it is set, the lines are in the usual log.
    let lines = |text: &str| ended.stdout.lines().filter(|line| line.contains(text)).collect::<Vec<_>>();
    assert!(matches!(*lines("setup speaks"), [line] if line.starts_with('{')), "{}", ended.stdout);
    assert!(matches!(*lines("setup ends"), [line] if !line.starts_with('{')), "{}", ended.stdout);
}

#[test]
fn a_logger_that_setup_sets_stays() {
    let running = wishing("logger").start();
    assert_eq!(running.ask(&echo()).status, 200);
    running.logged("delivery handled");
    let ended = running.stop();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("own logger: setup speaks\n"), "{}", ended.stderr);
}

#[test]
fn a_delivery_without_a_version_is_logged_with_versions() {
    let running = served().start();
    let check = |number: usize, path: &str, versions: &str| {
        let response = running.ask(&signed_to(path, &json!({})));
        assert_eq!((response.status, &response.json()["code"]), (400, &"version_missing".into()), "{path}");
        let found = running.log().find_nth(number, |line| {
            let line = serde_json::from_str::<Value>(line).ok()?;
            line["message"].as_str()?.starts_with("a delivery names no version").then_some(line)
        });
        let line = found.unwrap_or_else(|| panic!("{}", running.log().text()));
        assert_eq!((&line["level"], &line["versions"]), (&"WARN".into(), &versions.into()), "{line}");
        assert!(line["message"].as_str().unwrap().contains("`KIKET_DEFAULT_EVENT_VERSION`"), "{line}");
    };
    check(1, "/webhooks/echo.strict", "v1");
    // By its other name, and where the body names the event.
    check(2, "/webhooks/sla_status?version=", "v2");
    check(3, "/webhook", "v1, v2");
}

#[test]
fn a_token_that_is_not_read_is_in_the_log_of_the_refusal() {
    let running = served().start();
    let body = json!({ "id": "1", "authentication": { "runtime_token": "canary.b.c" } }).to_string();
    let head = "POST /v/v1/webhooks/echo.strict HTTP/1.1\r\nhost: test\r\ncontent-length";
    assert_eq!(running.ask(format!("{head}: {}\r\n\r\n{body}", body.len()).as_bytes()).status, 401);
    let line = running.log().find(|line| line.contains("signature refused").then(|| line.to_owned()));
    let line = line.unwrap_or_else(|| panic!("{}", running.log().text()));
    for part in [r#""level":"WARN""#, "runtime token", "`KIKET_AUTHENTICATION`"] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn what_setup_logs_is_in_the_log() {
    let log = served().start().stop().log();
    let messages: Vec<_> = log.iter().map(|line| line["message"].as_str().unwrap()).take(2).collect();
    assert_eq!(messages, ["setup speaks", "setup ends"]);
}

#[test]
fn every_way_of_starting_reports_the_start() {
    const WARNING: &str = "has fewer than 16 bytes";
    let by_hand = || by_hand().env("KIKET_WEBHOOK_SECRET", "canary");
    let warned = |running: &Running| {
        let warning = running.log().find(|line| line.contains(WARNING).then(|| line.to_owned()));
        let warning = warning.unwrap_or_else(|| panic!("{}", running.log().text()));
        assert_eq!(serde_json::from_str::<Value>(&warning).unwrap()["level"], "WARN", "{warning}");
    };
    let running = by_hand().env("SUBSCRIBER", "").start();
    assert_eq!(running.logged("handler")["event"], "echo.strict");
    warned(&running);
    assert_eq!(running.stop().code, Some(0));

    let process = by_hand().spawn();
    for part in ["by_hand::echo", WARNING] {
        let reported = process.stdout().find(|line| line.contains(part).then_some(()));
        assert!(reported.is_some(), "{part}: {}", process.stdout().text());
    }
    process.signal("TERM");
    let ended = process.end();
    assert!(ended.stdout.contains("listens on http://127.0.0.1:"), "{}", ended.stdout);

    let running = by_hand().env("SUBSCRIBER", "").env("APP", "no signals").start();
    assert_eq!(running.logged("handler")["event"], "echo.strict");
    warned(&running);
}

#[test]
fn fields_of_a_user_never_replace_those_of_the_line() {
    let running = served().start();
    assert_eq!(running.ask(&signed("fields.own", "v1", &json!({ "id": "f" }))).status, 200);
    let line = running.logged("fields of a user");
    assert_eq!((&line["level"], &line["field.level"]), (&"INFO".into(), &"loud".into()));
    assert_eq!((&line["span"]["event"], &line["field.span"]), (&"fields.own".into(), &1.into()));
}

#[test]
fn a_duplicate_that_still_runs_is_no_alarm() {
    let directory = tempfile::tempdir().unwrap();
    let until = directory.path().join("go_on");
    let running = served().start();
    let _first = running.send(&held(&until));
    running.logged("work began");
    assert_eq!(running.ask(&held(&until)).json()["code"], "still_running");
    let line = running.logged("delivery rejected");
    assert_eq!((&line["level"], &line["status"]), (&"INFO".into(), &503.into()));
}

#[test]
fn long_ids_are_cut_in_the_log_and_in_responses() {
    let long = "x".repeat(900_000);
    let running = served().start();
    let cut = Value::from(format!("{}…", "x".repeat(256)));
    for (event, code) in [("echo.strict", "undecodable_payload"), ("no.handler", "no_handler")] {
        let response = running.ask(&signed(event, "v1", &json!({ "id": long })));
        assert!(response.body.len() < 8_192, "{event}: {} bytes", response.body.len());
        assert_eq!((&response.json()["code"], &response.json()["delivery_id"]), (&code.into(), &cut));
    }
    assert_eq!(running.ask(&signed("echo.strict", "v1", &json!({ "id": long, "a": 1 }))).status, 200);
    let ended = running.stop();
    let longest = ended.stdout.lines().map(str::len).max();
    assert!(longest < Some(8_192), "{longest:?}");
}
