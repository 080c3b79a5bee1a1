//! What rows of the inbox are named by: their ids, the versions of their handlers, their organisations, and their lanes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use kiket::{
    Context, Error, Extension, ExtensionBuilder, Handler, Payload,
    dedupe::{DedupeKey, MemoryStore},
    handler::Later,
    inbox::{Acceptance, Inbox, NewWork, RowState},
    testing::{DeferredRun, MemoryInbox, TestExtension, delivery},
};
use serde_json::{Value, json};
use tracing::Level;

use crate::{
    once::{Lines, Shared},
    running::{Running, until, within},
    watched_inbox::WatchedInbox,
};

const SPACE: &str = "com.example.names";

fn builder() -> ExtensionBuilder {
    Extension::builder().without_collected().without_manifest().id(SPACE)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn later() -> Later {
    Later::new().attempts(3).backoff(seconds(10), seconds(60))
}

fn ends(runs: &[DeferredRun]) -> Vec<&str> {
    runs.iter().map(|run| run.end).collect()
}

async fn deliver(extension: &TestExtension, event: &str, body: &Value) {
    assert_eq!(extension.deliver(delivery(event, "v1", body)).await.status(), 202);
}

/// A handler of `reminder.due` that schedules the reminder again for tomorrow, as `body` has it.
fn snoozing(body: impl Fn(&Payload) -> Value + Clone + Send + Sync + 'static) -> TestExtension {
    let handler = Handler::new("reminder.due", "v1", move |payload: Payload, context: Context| {
        let body = body(&payload);
        async move {
            let tomorrow = context.now() + seconds(24 * 60 * 60);
            context.inbox().schedule(tomorrow, "reminder.due", body).await
        }
    });
    TestExtension::new(builder().handler(handler.later(later()))).unwrap()
}

#[tokio::test]
async fn work_with_the_id_of_its_own_delivery_is_refused() {
    let extension = snoozing(|payload| json!({ "id": payload["id"] }));
    deliver(&extension, "reminder.due", &json!({ "id": 7 })).await;
    assert_eq!(ends(&extension.inbox().run_until_idle().await), ["permanent"]);
    let row = extension.inbox().rows().await.remove(0);
    assert!(row.error.as_ref().is_some_and(|error| error.contains("give it another one")), "{row:?}");
    // Without an id it is another one.
    let extension = snoozing(|payload| json!({ "of": payload["id"] }));
    deliver(&extension, "reminder.due", &json!({ "id": 7 })).await;
    assert_eq!(ends(&extension.inbox().run_until_idle().await), ["done"]);
    assert_eq!(extension.inbox().rows().await.len(), 2);
}

#[tokio::test]
async fn work_that_the_inbox_had_before_is_named_in_the_log() {
    let warnings = Lines::new("delivery::schedule", Level::WARN);
    let _log = tracing::subscriber::set_default(warnings.clone());
    let handler = Handler::new("reminder.due", "v1", async || {}).later(later());
    let extension = TestExtension::new(builder().handler(handler)).unwrap();
    let schedule = async || {
        let (inbox, now) = (extension.extension().inbox(), extension.clock().now());
        inbox.schedule(now, "reminder.due", json!({ "id": "reminder-42" })).await.unwrap();
    };
    for _ in 0..2 {
        schedule().await;
    }
    assert_eq!(warnings.count(), 0, "it waits");
    assert_eq!(ends(&extension.inbox().run_until_idle().await), ["done"]);
    schedule().await;
    assert_eq!(warnings.count(), 1, "nothing is scheduled");
    extension.clock().advance(seconds(24 * 60 * 60));
    extension.inbox().run_until_idle().await;
    schedule().await;
    assert_eq!((warnings.count(), extension.inbox().rows().await.len()), (1, 1));
}

#[tokio::test]
async fn a_delivery_that_is_known_is_named_in_the_log() {
    let lines = Lines::new("pipeline::accept", Level::INFO);
    let _log = tracing::subscriber::set_default(lines.clone());
    let handler = Handler::new("issue.created", "v1", async || {}).later(later());
    let extension = TestExtension::new(builder().handler(handler)).unwrap();
    for (issue, count) in [(1, 0), (2, 1)] {
        deliver(&extension, "issue.created", &json!({ "id": 7, "issue": { "id": issue } })).await;
        assert_eq!(lines.count(), count);
    }
}

/// An extension on `inbox` whose handler writes its version so.
fn versioned(inbox: &MemoryInbox, version: &'static str) -> TestExtension {
    let handler = Handler::new("issue.created", version, async || {}).later(later());
    let options = builder().handler(handler);
    TestExtension::new(options.inbox(|options| options.store(inbox.clone()).without_secrets())).unwrap()
}

#[tokio::test]
async fn a_version_in_another_spelling_is_the_same_handler() {
    let inbox = MemoryInbox::default();
    let (before, after) = (versioned(&inbox, "1.0"), versioned(&inbox, "v1"));
    deliver(&before, "issue.created", &json!({ "id": 7 })).await;
    deliver(&after, "issue.created", &json!({ "id": 7 })).await;
    assert_eq!(after.inbox().rows().await.len(), 1, "a redelivery is known");
    assert_eq!(ends(&after.inbox().run_until_idle().await), ["done"]);
    // A release before this one has written its version as it was.
    let (key, handler) =
        (DedupeKey::new(SPACE, "issue.created:1.0:id:8"), "issue.created@1.0".parse().unwrap());
    let old = NewWork::new(SPACE, key, handler, "another build reads it".into());
    let accepted = inbox.accept(&old, Some(before.clock().now())).await.unwrap();
    assert!(matches!(accepted, Acceptance::Accepted(_)), "{accepted:?}");
    assert_eq!(ends(&before.inbox().run_until_idle().await), ["unreadable"], "it is found");
}

#[tokio::test]
async fn effects_come_once_when_a_version_is_spelt_otherwise() {
    let (store, runs) = (Shared(Arc::new(MemoryStore::new())), Arc::new(AtomicUsize::new(0)));
    for version in ["1", "v1", "V1.0"] {
        let (store, runs) = (store.clone(), Arc::clone(&runs));
        let handler = Handler::new("issue.created", version, move || {
            runs.fetch_add(1, Ordering::SeqCst);
            async {}
        });
        let options = builder().handler(handler).dedupe(|dedupe| dedupe.store(store));
        let extension = TestExtension::new(options).unwrap();
        let delivery = delivery("issue.created", "v1", &json!({ "id": 7 }));
        assert_eq!(extension.deliver(delivery).await.status(), 200);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_project_is_no_organisation() {
    let handler = Handler::new("issue.created", "v1", async || {}).later(later());
    let extension = TestExtension::new(builder().handler(handler)).unwrap();
    let bodies = [
        json!({ "id": 1, "project_id": 7 }),
        json!({ "id": 2, "project": { "id": 7 } }),
        json!({ "id": 3, "organization_id": 7, "project_id": 8 }),
        json!({ "id": 4 }),
    ];
    for body in &bodies {
        deliver(&extension, "issue.created", body).await;
    }
    let rows = extension.inbox().rows().await;
    let names: Vec<_> = rows.iter().map(|row| &*row.organisation).collect();
    assert_eq!(names, ["project:7", "project:7", "7", ""]);
    let store = extension.inbox().store();
    assert_eq!(store.forget(SPACE, "7", Some(UNIX_EPOCH)).await.unwrap(), 1);
}

#[tokio::test]
async fn lanes_of_different_paths_are_different_lanes() {
    let handler = |event: &'static str, path: &'static str| {
        Handler::new(event, "v1", async || {}).later(later().lane(path))
    };
    let options = builder()
        .handler(handler("issue.created", "issue.id"))
        .handler(handler("issue.closed", "issue.id"))
        .handler(handler("project.created", "project.id"));
    let extension = TestExtension::new(options).unwrap();
    for (id, event) in (1..).zip(["issue.created", "issue.closed", "project.created"]) {
        deliver(&extension, event, &json!({ "id": id, "issue": { "id": 7 }, "project": { "id": 7 } })).await;
    }
    let rows = extension.inbox().rows().await;
    let states: Vec<_> = rows.iter().map(|row| row.state).collect();
    assert_eq!(states, [RowState::Waiting, RowState::Behind, RowState::Waiting]);
}

#[tokio::test]
async fn a_start_checks_the_inbox() {
    let inbox = WatchedInbox::default();
    let handler = Handler::new("issue.created", "v1", async || Ok::<(), Error>(())).later(later());
    let options = crate::running::builder().id(SPACE).handler(handler);
    let options = options.inbox(|options| options.store(inbox.clone()).without_secrets().workers(0));
    let running = Running::start(options);
    within(until(|| inbox.take_operations() > 0)).await;
    running.stop().await;
}
