//! What lives beside the deliveries of a process: own routes, background tasks, telemetry, and clients of
//! other services.

use std::{fs, path::Path, time::Instant};

use extension_process::{Connection, PATIENCE, Program, Running, get, signed};
use kiket::testing::{Failure, FakePlatform};
use serde_json::{Value, json};

use super::{echo, served, wishing};

/// A request for the own route, which takes until the file at `until` exists.
fn page(until: &Path) -> Vec<u8> {
    get(&format!("/page?until={}", until.display()))
}

/// With an own route, and a background task that takes until the file at `task` exists.
fn beside(wish: &str, task: &Path) -> Program {
    wishing(wish).env("TASK", task)
}

/// A request for the own route that runs.
#[track_caller]
fn begun(running: &Running, until: &Path) -> Connection {
    let connection = running.send(&page(until));
    let began = until.with_extension("began");
    // Nothing else says that it runs.
    let deadline = Instant::now() + PATIENCE;
    while !began.exists() {
        assert_eq!(running.ask(&get("/health")).status, 200);
        assert!(Instant::now() < deadline, "the route does not run");
    }
    connection
}

#[test]
fn a_drain_waits_for_own_routes_and_background_tasks() {
    let folder = tempfile::tempdir().unwrap();
    let [route, task] = ["route", "task"].map(|name| folder.path().join(name));
    let running = beside("beside", &task).start();
    running.logged("task began");
    assert_eq!(running.ask(&echo()).status, 200);
    let mut held = begun(&running, &route);
    running.signal("TERM");
    running.logged("task was notified");
    running.wait_until_draining();
    assert_eq!(running.ask(&page(folder.path())).status, 503, "new requests are shed");
    assert!(held.is_silent());
    fs::write(&route, "").unwrap();
    let response = held.response().unwrap();
    assert_eq!((response.status, response.body.as_str()), (200, "page"));
    fs::write(&task, "").unwrap();
    running.logged("task ends");
    let ended = running.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
}

#[test]
fn what_is_cut_off_beside_deliveries_is_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let [route, task] = ["route", "task"].map(|name| folder.path().join(name)); // neither appears
    let ended = beside("beside, for 300 ms", &task).start().stop();
    assert_eq!(ended.code, Some(1), "the task: {}", ended.stdout);
    assert!(!ended.stdout.contains("task ends"), "{}", ended.stdout);

    let running = wishing("beside, for 300 ms").start();
    let _held = begun(&running, &route);
    let ended = running.stop();
    assert_eq!(ended.code, Some(1), "the request: {}", ended.stdout);
    assert_eq!(wishing("beside, for 300 ms").start().stop().code, Some(0), "nothing runs");
}

#[test]
fn no_background_task_starts_before_the_checks() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join(".");
    for (variable, value) in [("KIKET_WORKSPACE_TOKEN", "canary\n"), ("PORT", "none")] {
        let ended = beside("beside", &there).env(variable, value).run();
        assert_eq!(ended.code, Some(1), "{variable}");
        assert!(!ended.stdout.contains("task began"), "{variable}: {}", ended.stdout);
    }
    // After them, and after the lines of the start.
    let running = beside("beside", &there).start();
    running.logged("task began");
    let log = running.stop().log();
    let at = |message: &str| log.iter().position(|line| line["message"] == message).unwrap();
    assert!(at("handler") < at("task began"), "{log:?}");
}

#[test]
fn clients_of_other_services_can_be_made_in_setup() {
    // `setup` makes a client of reqwest and a configuration of rustls, neither with a provider of its own.
    for program in [served(), wishing("provider")] {
        let running = program.start();
        assert_eq!(running.ask(&signed("echo.strict", "v1", &json!({ "a": 2 }))).json(), json!({ "a": 2 }));
        assert_eq!(running.stop().code, Some(0));
    }
}

/// The program with telemetry, which goes to `platform`.
fn reporting_to(platform: &FakePlatform) -> Program {
    let program = served().without_env("KIKET_SDK_TELEMETRY_OPTOUT").env("KIKET_BASE_URL", platform.url());
    let program = program.env("KIKET_WORKSPACE_TOKEN", platform.token());
    program.env("KIKET_EXTENSION_API_KEY", platform.api_key())
}

#[test]
fn telemetry_is_sent_before_the_process_ends() {
    let platform = FakePlatform::builder().extension_id("com.example.served").start().unwrap();
    let running = reporting_to(&platform).start();
    for number in 0..20 {
        assert_eq!(running.ask(&signed("echo.strict", "v1", &json!({ "id": number, "a": 1 }))).status, 200);
    }
    assert_eq!(running.stop().code, Some(0));
    let records = platform.telemetry();
    assert_eq!(records.len(), 20, "{records:?}");
    assert!(records.iter().all(|record| record["event"] == "echo.strict" && record["status"] == "ok"));
}

#[test]
fn telemetry_above_its_rate_is_not_waited_for_at_the_end() {
    let platform = FakePlatform::builder().extension_id("com.example.served").start().unwrap();
    let running = reporting_to(&platform).start();
    for number in 0..1400 {
        assert_eq!(running.ask(&signed("echo.strict", "v1", &json!({ "id": number, "a": 1 }))).status, 200);
    }
    let ended = running.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let log = ended.log();
    let of_telemetry = |line: &&Value| line["message"].as_str().unwrap_or_default().contains("telemetry");
    let lines: Vec<_> = log.iter().filter(of_telemetry).collect();
    let [line] = lines[..] else { panic!("{lines:?}") };
    assert!(line["message"].as_str().unwrap().contains("the rate limit"), "{line}");
    let sent = platform.telemetry().len() as u64;
    assert!(sent >= 300, "{sent}");
    assert!(line["dropped"].as_u64().unwrap() + sent <= 1400, "{line} {sent}");
}

#[test]
fn telemetry_that_hangs_does_not_keep_a_process_from_its_end() {
    let platform = FakePlatform::builder().extension_id("com.example.served").start().unwrap();
    platform.fail(Failure::hang());
    let running = reporting_to(&platform).start();
    for number in 0..20 {
        assert_eq!(running.ask(&signed("echo.strict", "v1", &json!({ "id": number, "a": 1 }))).status, 200);
    }
    let ended = running.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("telemetry is not sent in full"), "{}", ended.stdout);
}
