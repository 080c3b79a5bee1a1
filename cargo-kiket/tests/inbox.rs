//! `inbox` as a process, over an inbox that has rows in every state: what is shown, and what is changed.

use std::{
    process::{Command, Output},
    time::Duration,
};

use bytes::Bytes;
use kiket_runtime::{
    dedupe::DedupeKey,
    inbox::{ClaimRequest, DeadReason, HandlerName, Inbox, InboxLimits, NewWork, SqliteInbox, WorkEnd},
};
use serde_json::{Value, json};

const SPACE: &str = "com.example.digest";

struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// Two deliveries of `issue.created`, of which the second one died, and one of `issue.updated`.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut limits = InboxLimits::default();
        limits.is_ephemeral = true;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let inbox = SqliteInbox::new(folder.path().join("inbox.db"), limits).unwrap();
            for (id, event, organisation) in
                [("1", "issue.created", "7"), ("2", "issue.created", "8"), ("3", "issue.updated", "7")]
            {
                let key = DedupeKey::new(SPACE, &format!("{event}:v1:id:{id}"));
                let content = Bytes::from_static(b"canary");
                let mut work = NewWork::new(SPACE, key, HandlerName::new(event, "v1"), content);
                organisation.clone_into(&mut work.organisation);
                inbox.accept(&work, None).await.unwrap();
            }
            let handlers = vec![HandlerName::new("issue.created", "v1")];
            let mut request = ClaimRequest::new(SPACE, handlers, 2, Duration::from_secs(30));
            request.is_idle = true;
            for claimed in inbox.claim(&request, None).await.unwrap() {
                if claimed.organisation == "8" {
                    let end =
                        WorkEnd::Dead { reason: DeadReason::Permanent, error: "no such project".to_owned() };
                    let _ = inbox.finish(&claimed.lease, &end, None).await.unwrap();
                } else {
                    let _ = inbox.release(&claimed.lease, Duration::from_secs(3600), None).await.unwrap();
                }
            }
        });
        std::fs::write(folder.path().join("extension.yaml"), format!("id: {SPACE}\n")).unwrap();
        Self { folder }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_cargo-kiket"));
        tool.arg("inbox").args(arguments).current_dir(self.folder.path()).env("NO_COLOR", "1");
        tool.env("KIKET_INBOX_URL", "sqlite:inbox.db").env_remove("KIKET_DEDUPE_NAMESPACE");
        tool.output().unwrap()
    }

    #[track_caller]
    fn text(&self, status: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {output:?}");
        let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains("canary"), "{text}");
        text
    }

    #[track_caller]
    fn json(&self, status: i32, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--json"]].concat();
        serde_json::from_str(&self.text(status, &arguments)).unwrap()
    }
}

#[test]
fn rows_are_listed_by_event_and_state() {
    let world = World::new();
    let listed = world.json(1, &["ls"]);
    assert_eq!(listed["events"][0]["event"], "issue.created");
    assert_eq!(listed["events"][0]["rows"], json!({ "dead": 1, "waiting": 1 }));
    assert_eq!(listed["events"][1]["rows"], json!({ "waiting": 1 }));
    assert_eq!(listed["rows"].as_array().unwrap().len(), 3);
    let text = world.text(1, &["ls", "--state", "dead"]);
    assert!(text.contains("no such project") && text.contains("issue.created@v1"), "{text}");
    let others = world.json(1, &["ls", "--organisation", "7", "--limit", "1"]);
    assert_eq!(others["rows"].as_array().unwrap().len(), 1);
}

#[test]
fn a_row_is_shown_with_why_it_is_dead() {
    let world = World::new();
    let dead = world.json(1, &["ls", "--state", "dead"])["rows"][0]["row"].to_string();
    let text = world.text(0, &["show", &dead]);
    assert!(
        text.contains("is dead") && text.contains("permanent") && text.contains("no such project"),
        "{text}"
    );
    let shown = world.json(0, &["show", &dead]);
    assert_eq!((&shown["attempts"], &shown["organisation"]), (&json!(1), &json!("8")));
    assert!(world.text(1, &["show", "99999"]).contains("there is no row 99999"));
}

#[test]
fn dead_rows_are_redriven_and_others_dropped() {
    let world = World::new();
    assert_eq!(
        world.json(0, &["redrive", "--event", "issue.created", "--spread", "10m"]),
        json!({ "rows": 1 })
    );
    assert_eq!(world.json(1, &["redrive", "--all"]), json!({ "rows": 0 }));
    assert_eq!(world.json(0, &["ls"])["events"][0]["rows"], json!({ "waiting": 2 }));
    assert!(world.text(0, &["retry", "--event", "issue.created"]).starts_with("made due: "));
    assert_eq!(world.json(0, &["drop", "--event", "issue.updated"]), json!({ "rows": 1 }));
    assert_eq!(world.json(0, &["forget", "--organisation", "7"]), json!({ "rows": 1 }));
    assert_eq!(world.json(0, &["ls"])["rows"].as_array().unwrap().len(), 1);
}

#[test]
fn an_event_is_paused_and_resumed() {
    let world = World::new();
    world.text(0, &["pause", "issue.created"]);
    assert_eq!(world.json(1, &["ls"])["events"][0]["paused"], true);
    assert!(world.text(1, &["ls"]).contains("paused"));
    world.text(0, &["resume", "issue.created"]);
    assert_eq!(world.json(1, &["ls"])["events"][0]["paused"], false);
    // A name that is misspelt is paused, and said.
    let output = world.run(&["pause", "issue.craeted"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("is this its name?"));
}

#[test]
fn what_cannot_be_looked_at_is_named() {
    let world = World::new();
    assert!(world.text(65, &["--sqlite", "other.db", "ls"]).contains("there is no inbox at `other.db`"));
    assert!(!world.folder.path().join("other.db").exists(), "looking creates nothing");
    assert!(world.text(64, &["drop"]).contains("--all"), "all rows must be asked for");
    assert!(world.text(64, &["redrive", "--all", "--spread", "1y"]).contains("`10m`"));
    std::fs::remove_file(world.folder.path().join("extension.yaml")).unwrap();
    assert!(world.text(65, &["ls"]).contains("--extension"));
    assert_eq!(world.json(1, &["ls", "--extension", SPACE])["rows"].as_array().unwrap().len(), 3);
}

#[test]
fn the_tables_are_printed_as_sql() {
    let world = World::new();
    let sqlite = world.text(0, &["schema"]);
    assert!(sqlite.contains("CREATE TABLE"), "{sqlite}");
}
