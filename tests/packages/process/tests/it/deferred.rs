//! Processes that work on what waits in an inbox: how they end, and what others do then.

use std::{fs, path::Path, time::Instant};

use extension_process::{Program, Running, get};
use serde_json::Value;
use tempfile::TempDir;

use super::{held, quiet};

/// A folder with an inbox, and the file that ends the work.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A process with this inbox.
    fn process(&self) -> Program {
        let url = format!("sqlite:{}", self.0.path().join("inbox.db").display());
        quiet(env!("CARGO_BIN_EXE_deferred")).env("KIKET_INBOX_URL", url)
    }

    fn until(&self) -> std::path::PathBuf {
        self.0.path().join("go_on")
    }

    fn go_on(&self) {
        fs::write(self.until(), "").unwrap();
    }
}

#[track_caller]
fn accept(running: &Running, until: &Path) {
    assert_eq!(running.ask(&held(until)).status, 202);
}

/// The line of the end of an attempt; the fields of its span are in it.
#[track_caller]
fn done(running: &Running) -> Value {
    running.logged("deferred delivery done")
}

#[test]
fn a_signal_lets_deferred_work_end() {
    let folder = Folder::new();
    let running = folder.process().start();
    accept(&running, &folder.until());
    running.logged("work began");
    running.signal("TERM");
    running.wait_until_draining();
    folder.go_on();
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let log = ended.log();
    let done = log.iter().find(|line| line["message"] == "deferred delivery done").expect("it was done");
    assert_eq!(
        (&done["span"]["event"], &done["span"]["attempt"], &done["span"]["delivery_id"]),
        (&"work.held".into(), &1.into(), &"held".into())
    );
    assert!(done["duration_ms"].is_number() && done["waited_ms"].is_number(), "{done}");
}

#[test]
fn after_the_grace_period_another_process_works() {
    let folder = Folder::new();
    let running = folder.process().env("GRACE_MS", "100").start();
    accept(&running, &folder.until());
    running.logged("work began");
    let ended = running.stop();
    assert_eq!(ended.code, Some(0), "nothing is lost\n{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("deferred delivery given back"), "{}", ended.stdout);
    let next = folder.process().start();
    next.logged("work began");
    folder.go_on();
    assert_eq!(done(&next)["span"]["attempt"], 1, "the attempt that was cut off does not count");
    assert_eq!(next.stop().code, Some(0));
}

#[test]
fn what_a_killed_process_worked_on_runs_elsewhere() {
    let folder = Folder::new();
    let [killed, other] = [(); 2].map(|()| folder.process().env("WORKERS", "1"));
    let killed = killed.start();
    accept(&killed, &folder.until());
    killed.logged("work began");
    let other = other.start();
    killed.signal("KILL");
    let from = Instant::now();
    assert_eq!(killed.end().code, None);
    other.logged("work began");
    // Its lease was 10 s: 5 s for the handler, and 5 s more.
    println!("work of a killed process began again after {:?}", from.elapsed());
    folder.go_on();
    assert_eq!(done(&other)["span"]["attempt"], 2);
    assert_eq!(other.stop().code, Some(0));
}

#[test]
fn a_worker_without_deliveries_has_health_checks_alone() {
    let folder = Folder::new();
    let accepting = folder.process().env("WORKERS", "0").start();
    accept(&accepting, &folder.until());
    let working = folder.process().env("WORKERS", "0").arg("kiket").arg("work").start();
    working.logged("work began");
    assert_eq!(working.ask(&get("/health/ready")).status, 200);
    assert_eq!(working.ask(&get("/health")).status, 200);
    // Kiket sends a delivery again after a 503, and not after a 404.
    let refused = working.ask(&held(&folder.until()));
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    assert!(refused.body.contains("\"works_only\""), "{}", refused.body);
    assert_eq!(working.ask(&get("/other")).status, 404);
    let warning = working.logged(
        "delivery refused: this process only works (`kiket work`), and Kiket sends it again: let the service or load balancer \
         select the processes that take deliveries alone",
    );
    assert_eq!((&warning["level"], &warning["count"]), (&"WARN".into(), &1.into()));
    folder.go_on();
    done(&working);
    let log = working.stop();
    assert_eq!(log.code, Some(0), "{}{}", log.stdout, log.stderr);
    let ended = accepting.stop();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stdout.contains("work began"), "{}", ended.stdout);
}

#[test]
fn a_program_without_later_handlers_has_nothing_to_work_on() {
    let ended = super::served().arg("kiket").arg("work").run();
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("there is no `later` handler to work for"), "{}", ended.stderr);
}
