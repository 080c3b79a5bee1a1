//! Leases and the edges of the server: who drains, hangs up, is too late or turned away leaves no lease behind.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use extension_process::{Response, Running};
use kiket::testing::delivery;
use serde_json::{Value, json};
use stores::{Postgres, Redis};
use tempfile::TempDir;

use crate::{SECRET, fleet::Start, now};

/// Two processes that share a store.
struct Two {
    first: Running,
    second: Running,
    folder: TempDir,
    _redis: Redis,
}

impl Two {
    /// `None` where there is no store, which was printed.
    fn start() -> Option<Self> {
        let redis = Redis::start_own(&[])?;
        let folder = tempfile::tempdir().unwrap();
        let start = Start { store: redis.url().to_owned(), effects: folder.path().join("effects") };
        let first = start.program(1).env("FAULTS_IN_FLIGHT", "2").start();
        Some(Self { first, second: start.program(2).start(), folder, _redis: redis })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn signed(event: &str, payload: &Value) -> Vec<u8> {
    extension_process::post(&delivery(event, "v1", payload).sign(SECRET, now()))
}

/// A delivery that runs until a file exists.
pub(crate) fn held(id: &str, until: &Path, fails: bool) -> Vec<u8> {
    signed("work.held", &json!({ "id": id, "until": until, "fails": fails }))
}

/// It got 200 in this process: now, or before.
#[track_caller]
fn check(response: &Response, process: &str, replayed: bool) {
    assert_eq!(response.status, 200, "{response:?}");
    assert!(response.json()["run"].as_str().unwrap().starts_with(process), "{response:?}");
    assert_eq!(response.header("x-kiket-replayed").is_some(), replayed, "{response:?}");
}

#[track_caller]
pub(crate) fn check_refused(response: &Response, status: u16, code: &str) {
    assert_eq!((response.status, &response.json()["code"]), (status, &code.into()), "{response:?}");
}

#[test]
fn a_process_that_drains_leaves_no_lease_behind() {
    let Some(two) = Two::start() else { return };
    let (until, first, second) = (two.file("go_on"), &two.first, &two.second);
    let (done, failed) = (held("done", &until, false), held("failed", &until, true));
    let (mut does, mut fails) = (first.send(&done), first.send(&failed));
    let began = |line: &str| line.contains("work began").then_some(());
    assert!(first.log().find_nth(2, began).is_some(), "{}", first.log().text());
    first.signal("TERM");
    first.wait_until_draining();
    // Shed without a lease: another process with a permit for it may run it at once.
    let other = held("other", &two.folder.path().join("."), false);
    check_refused(&first.ask(&other), 503, "draining");
    check(&second.ask(&other), "2-", false);
    check_refused(&second.ask(&done), 503, "still_running");

    fs::write(&until, "").unwrap();
    check(&does.response().unwrap(), "1-", false);
    check_refused(&fails.response().unwrap(), 500, "handler_failed");
    assert_eq!(two.first.end().code, Some(0));
    check(&second.ask(&done), "1-", true);
    check_refused(&second.ask(&failed), 500, "handler_failed");
    assert_eq!(two.second.stop().code, Some(0));
}

#[test]
fn a_sender_that_hangs_up_stops_no_handler_and_no_reply() {
    let Some(two) = Two::start() else { return };
    let until = two.file("go_on");
    let request = held("hung-up", &until, false);
    drop(two.first.send(&request));
    let logged = two.first.logged("work began");
    assert_eq!(logged["span"]["delivery_id"], "hung-up", "{logged}");
    check_refused(&two.second.ask(&request), 503, "still_running");
    fs::write(&until, "").unwrap();
    two.first.logged("delivery handled");
    check(&two.second.ask(&request), "1-", true);
    check(&two.first.ask(&request), "1-", true);
}

#[test]
fn a_deadline_gives_the_lease_back() {
    let Some(two) = Two::start() else { return };
    let late = |attempt: u32| signed("work.late", &json!({ "id": "late", "attempt": attempt }));
    let from = Instant::now();
    check_refused(&two.first.ask(&late(1)), 504, "deadline_exceeded");
    assert!(from.elapsed() >= Duration::from_millis(200));
    check(&two.second.ask(&late(2)), "2-", false);
    check(&two.first.ask(&late(3)), "2-", true);
}

#[test]
fn a_delivery_without_a_permit_takes_no_lease() {
    let Some(two) = Two::start() else { return };
    let until = two.file("go_on");
    let mut running = ["a", "b"].map(|id| two.first.send(&held(id, &until, false)));
    let began = |line: &str| line.contains("work began").then_some(());
    assert!(two.first.log().find_nth(2, began).is_some());
    let third = held("third", &two.folder.path().join("."), false);
    let response = two.first.ask(&third);
    check_refused(&response, 503, "overloaded");
    assert!(response.header("retry-after").is_some(), "{response:?}");
    check(&two.second.ask(&third), "2-", false);
    fs::write(&until, "").unwrap();
    for connection in &mut running {
        check(&connection.response().unwrap(), "1-", false);
    }
}

#[test]
fn no_reply_is_logged_by_the_client_of_a_store() {
    /// The text of a reply, as it is and as the bytes that a driver prints.
    const TEXT: &str = "zqxjk";
    let spellings = [TEXT, "122, 113, 120, 106, 107", "7a71786a6b"];
    let (Some(redis), Some(postgres)) = (Redis::start_own(&[]), Postgres::start_own()) else { return };
    for store in [redis.url(), postgres.url()] {
        let folder = tempfile::tempdir().unwrap();
        let start = Start { store: store.to_owned(), effects: folder.path().join("effects") };
        let program = || start.program(1).env("FAULTS_PROCESS", TEXT).env("RUST_LOG", "trace");
        let request = held("logged", &folder.path().join("."), false);
        // It is stored by one process, and read by another.
        for replayed in [false, true] {
            let running = program().start();
            check(&running.ask(&request), TEXT, replayed);
            let log = running.stop().stdout;
            assert!(log.contains("\"TRACE\"") || log.contains("\"DEBUG\""), "{store}: no more than usual");
            for spelling in spellings {
                assert!(!log.contains(spelling), "{store}: `{spelling}` is in the log");
            }
        }
    }
}

#[test]
fn the_start_warns_of_a_redis_that_evicts_keys() {
    for policy in ["allkeys-lru", "volatile-ttl"] {
        let Some(redis) = Redis::start_own(&["--maxmemory", "100mb", "--maxmemory-policy", policy]) else {
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let start = Start { store: redis.url().to_owned(), effects: folder.path().join("effects") };
        let running = start.program(1).start();
        let warned = running.log().find(|line| {
            let line = serde_json::from_str::<Value>(line).ok()?;
            line["message"].as_str()?.starts_with("Redis may evict").then_some(line)
        });
        let line = warned.unwrap_or_else(|| panic!("{}", running.log().text()));
        assert_eq!((&line["level"], &line["policy"]), (&"WARN".into(), &policy.into()), "{line}");
    }
}
