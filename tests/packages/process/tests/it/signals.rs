//! Signals as supervisors send them.

use std::{fs, path::Path, thread, time::Duration};

use extension_process::{Connection, Ended, NoResponse, Running, get, signed};
use serde_json::json;

use super::{by_hand, echo, held, quiet, served};

/// Sends signals beside a running delivery, which gets its response; then the process ends with 0.
#[track_caller]
fn check(running: Running, signal: impl FnOnce(&Running)) -> Ended {
    let directory = tempfile::tempdir().unwrap();
    let until = directory.path().join("go_on");
    let held = running.send(&held(&until));
    running.logged("work began");
    signal(&running);
    running.wait_until_draining();
    assert_eq!(running.ask(&echo()).status, 503);
    completes(running, held, &until)
}

#[test]
fn every_signal_that_stops_a_process_drains_it() {
    for name in ["TERM", "INT", "HUP", "QUIT"] {
        check(served().start(), |running| running.signal(name));
        let idle = served().start();
        idle.signal(name);
        assert_eq!(idle.end().code, Some(0), "{name} while it is idle");
    }
}

#[test]
fn a_doubled_signal_is_one_signal() {
    for apart in [0, 2, 10, 100, 500] {
        check(served().start(), |running| {
            running.signal("INT");
            thread::sleep(Duration::from_millis(apart));
            running.signal("INT");
        });
    }
}

#[test]
fn a_process_and_its_group_may_be_signalled() {
    check(served().in_group_of_its_own().start(), |running| {
        running.signal("TERM");
        running.signal_group("TERM");
        running.signal_group("CONT");
        running.signal("HUP");
    });
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    if !cfg!(target_os = "linux") {
        return; // other systems do not say what is ignored
    }
    let shell = concat!("trap '' HUP INT QUIT; exec ", env!("CARGO_BIN_EXE_served"));
    check(quiet("/bin/sh").arg("-c").arg(shell).start(), |running| {
        for name in ["HUP", "INT", "QUIT"] {
            running.signal(name);
        }
        assert_eq!(running.ask(&get("/health/ready")).status, 200);
        assert_eq!(running.ask(&echo()).status, 200);
        running.signal("TERM");
    });
}

#[test]
fn an_app_of_ones_own_drains_as_main_does() {
    // Also where the app was not built to leave the signals alone.
    for handles_signals in [false, true] {
        let app = if handles_signals { "signals" } else { "no signals" };
        let app = || by_hand().env("SUBSCRIBER", "").env("APP", app);
        for name in ["TERM", "HUP"] {
            let ended = check_app(app().start(), name, handles_signals);
            assert!(ended.stdout.contains("\"draining\""), "{}", ended.stdout);
        }
        let idle = app().start();
        idle.logged("handler"); // it says that it listens before it waits for signals
        idle.signal("TERM");
        assert_eq!(idle.end().code, Some(0));
    }
}

/// Lets the held delivery go on: it gets its response, and the process ends with 0.
#[track_caller]
fn completes(running: Running, mut held: Connection, until: &Path) -> Ended {
    assert!(held.is_silent());
    fs::write(until, "").unwrap();
    assert_eq!(held.response().unwrap().status, 200);
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    ended
}

/// As [`check`], over connections that were open before: an app that handles signals accepts no more.
#[track_caller]
fn check_app(running: Running, signal: &str, closes_idle_connections: bool) -> Ended {
    let directory = tempfile::tempdir().unwrap();
    let until = directory.path().join("go_on");
    let mut other = Connection::open(running.address()).unwrap();
    other.send(&get("/health/ready")).unwrap();
    assert_eq!(other.response().unwrap().status, 200);
    let held = running.send(&held(&until));
    running.logged("work began");
    running.signal(signal);
    running.logged("draining");
    let _ = other.send(&signed("echo.strict", "v1", &json!({ "a": 2 })));
    match other.response() {
        Ok(response) => assert_eq!(response.status, 503),
        // The app closed a connection that was idle when the signal came.
        Err(NoResponse::Ended | NoResponse::Reset) => assert!(closes_idle_connections),
        Err(error) => panic!("{error:?}"),
    }
    completes(running, held, &until)
}

#[test]
fn the_mounted_example_drains_and_exits_with_0() {
    let process = quiet(env!("CARGO_BIN_EXE_mounted")).spawn();
    let listens = process.stdout().find(|line| line.contains("the app listens").then_some(()));
    assert!(listens.is_some(), "{}", process.stdout().text());
    let reported = process.stdout().find(|line| line.contains("\"listening\"").then_some(()));
    assert!(reported.is_some(), "{}", process.stdout().text());
    process.signal("TERM");
    let ended = process.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.stdout.contains("\"draining\""), "{}", ended.stdout);
}
