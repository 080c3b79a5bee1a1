//! `later` handlers: deliveries are acknowledged first, and worked on afterwards.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use kiket::{
    Context, Error, EventVersion, Extension, ExtensionBuilder, Handler, HandlerError, Payload,
    config::Clock,
    handler::Later,
    http::StatusCode,
    inbox::{ClaimRequest, ClaimedWork, DeadReason, HandlerName, RowState, WorkEnd},
    telemetry::{Record, RecordStatus},
    testing::{DeferredRun, FakePlatform, MemoryInbox, TestExtension, TestResponse, delivery},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    running::{Connection, Running, request, within},
    watched_inbox::WatchedInbox,
};

fn builder() -> ExtensionBuilder {
    Extension::builder().without_collected().without_manifest().id("com.example.later")
}

fn later() -> Later {
    Later::new().attempts(3).backoff(seconds(10), seconds(60))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An extension with one `later` handler, which counts its runs and ends as `ends` says of the count.
fn counting<F>(later: Later, ends: F) -> (TestExtension, Arc<AtomicUsize>)
where
    F: Fn(usize) -> kiket::Result<()> + Clone + Send + Sync + 'static,
{
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let handler = Handler::new("issue.created", "v1", move || {
        let (run, ends) = (counted.fetch_add(1, Ordering::SeqCst) + 1, ends.clone());
        async move { ends(run) }
    });
    (TestExtension::new(builder().handler(handler.later(later))).unwrap(), runs)
}

async fn deliver(extension: &TestExtension, payload: &Value) -> TestResponse {
    extension.deliver(delivery("issue.created", "v1", payload)).await
}

fn ends(runs: &[DeferredRun]) -> Vec<&str> {
    runs.iter().map(|run| run.end).collect()
}

#[tokio::test]
async fn a_delivery_is_accepted_once_and_runs_later() {
    let (extension, runs) = counting(later(), |_| Ok(()));
    let response = deliver(&extension, &json!({ "id": 1 })).await;
    assert_eq!((response.status(), response.json()), (202, json!({ "ok": true, "accepted": true })));
    assert_eq!(response.headers().get("x-kiket-replayed"), None);
    for state in [RowState::Waiting, RowState::Done] {
        let again = deliver(&extension, &json!({ "id": 1 })).await;
        assert_eq!((again.status(), again.json()), (202, json!({ "ok": true, "accepted": true })));
        assert_eq!(again.headers().get("x-kiket-replayed"), Some("true"));
        assert_eq!(extension.inbox().rows().await[0].state, state);
        extension.inbox().run_until_idle().await;
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    extension.clock().advance(seconds(24 * 60 * 60));
    extension.inbox().run_until_idle().await;
    assert!(extension.inbox().rows().await.is_empty(), "its retention is over");
}

/// Kiket sends a delivery again whose response it did not get (wire contract, redelivery-schedule).
#[tokio::test(start_paused = true)]
async fn a_redelivery_of_the_platform_runs_once() {
    let platform = FakePlatform::builder().delivery_timeout(seconds(2)).start().unwrap();
    let (inbox, runs) = (WatchedInbox::default(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&runs);
    let handler = Handler::new("issue.created", "v1", move || {
        let run = counted.fetch_add(1, Ordering::SeqCst);
        async move { if run == 0 { Err(Error::retry("not yet")) } else { Ok(()) } }
    });
    let builder = platform.extension(builder()).handler(handler.later(later()));
    let builder = builder.clock(Clock::fixed(1_768_645_800)).inbox(|options| options.store(inbox.clone()));
    let extension = TestExtension::new(builder).unwrap();
    let created = delivery("issue.created", "v1", &json!({ "id": "evt_1" }));

    inbox.lose_an_acknowledgement();
    let attempts = platform.deliver_with_retries(&extension, created.clone()).await;
    let statuses: Vec<_> = attempts.iter().map(|attempt| attempt.status).collect();
    assert_eq!((statuses, attempts[1].at - attempts[0].at), (vec![None, Some(202)], 30));
    let replayed = |response: &Option<TestResponse>| {
        let replayed = response.as_ref().unwrap().headers().get("x-kiket-replayed").map(str::to_owned);
        assert_eq!(replayed.as_deref(), Some("true"));
    };
    replayed(&attempts[1].response);
    assert_eq!(runs.load(Ordering::SeqCst), 0, "it runs later");

    // The same again while it waits for its next attempt, and after it is done.
    for (end, attempt) in [("retry", 1), ("done", 2)] {
        let ran = extension.inbox().run_until_idle().await;
        assert_eq!((ends(&ran), ran[0].attempt), (vec![end], attempt));
        let again = platform.deliver_with_retries(&extension, created.clone()).await;
        assert_eq!((again.len(), again[0].status), (1, Some(202)));
        replayed(&again[0].response);
        assert!(extension.inbox().run_until_idle().await.is_empty(), "nothing is due");
        extension.clock().advance(seconds(20));
    }
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(extension.inbox().rows().await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_handled_is_refused_and_not_stored() {
    #[derive(Deserialize)]
    struct Created {
        #[allow(dead_code)] // it is decoded
        title: String,
    }
    let handler = Handler::new("issue.created", "v1", async |_: Payload<Created>| {}).later(later());
    let extension = TestExtension::new(builder().handler(handler)).unwrap();
    let response = deliver(&extension, &json!({ "id": 1, "title": 7 })).await;
    assert_eq!((response.status(), &response.json()["code"]), (500, &json!("undecodable_payload")));
    let response = deliver(&extension, &json!({ "event": "issue.closed", "title": "a" })).await;
    assert_eq!((response.status(), &response.json()["code"]), (400, &json!("event_mismatch")));
    let forged = delivery("issue.created", "v1", &json!({ "id": 1, "title": "a" })).secret("another");
    assert_eq!(extension.deliver(forged).await.status(), 401);
    assert!(extension.inbox().rows().await.is_empty());
    assert_eq!(deliver(&extension, &json!({ "id": 1, "title": "a" })).await.status(), 202);
}

#[tokio::test]
async fn without_room_or_inbox_a_delivery_is_503_and_retried() {
    let inbox = MemoryInbox::default();
    let handler = Handler::new("issue.created", "v1", async || {}).later(later());
    let builder = builder().handler(handler).inbox(|options| options.store(inbox.clone()));
    let extension = TestExtension::new(builder).unwrap();
    inbox.set_limit(0);
    let refused = async |code: &str| {
        let response = deliver(&extension, &json!({ "id": 1 })).await;
        assert_eq!((response.status(), &response.json()["code"]), (503, &json!(code)));
        response.headers().get("retry-after").unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(refused("inbox_full").await, 30);
    inbox.set_down(true);
    assert_eq!(refused("inbox_down").await, 5);
    inbox.set_down(false);
    inbox.set_limit(1);
    assert_eq!(deliver(&extension, &json!({ "id": 1 })).await.status(), 202);
    inbox.set_limit(0);
    let known = deliver(&extension, &json!({ "id": 1 })).await;
    assert_eq!(known.status(), 202, "what is stored needs no room");
}

#[tokio::test]
async fn a_failure_is_retried_with_backoff_until_attempts_end() {
    let (extension, runs) = counting(later(), |run| Err(format!("failure {run}").into()));
    deliver(&extension, &json!({ "id": 1 })).await;
    let inbox = extension.inbox();
    let mut from = extension.clock().now();
    for (attempt, longest) in [(1, 20), (2, 40)] {
        let ran = inbox.run_until_idle().await;
        assert_eq!((ends(&ran), ran[0].attempt), (vec!["retry"], attempt));
        let row = &inbox.rows().await[0];
        let delay = row.at.duration_since(from).unwrap();
        assert!((seconds(10)..=seconds(longest)).contains(&delay), "{attempt}: {delay:?}");
        let error = format!("handler_failed: failure {attempt}");
        assert_eq!((row.state, row.error.as_deref()), (RowState::Waiting, Some(&*error)));
        assert!(inbox.run_until_idle().await.is_empty(), "it is not due");
        extension.clock().advance(seconds(longest));
        from = extension.clock().now();
    }
    assert_eq!(ends(&inbox.run_until_idle().await), ["attempts"]);
    let row = &inbox.rows().await[0];
    assert_eq!((row.state, row.reason, row.attempts), (RowState::Dead, Some(DeadReason::Attempts), 3));
    extension.clock().advance(seconds(3600));
    assert!(inbox.run_until_idle().await.is_empty());
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    let known = deliver(&extension, &json!({ "id": 1 })).await;
    assert_eq!(known.headers().get("x-kiket-replayed"), Some("true"), "a dead row is known, too");
}

#[tokio::test]
async fn what_a_failure_asks_for_decides_the_next_attempt() {
    let failures: [fn() -> HandlerError; 6] = [
        || Error::retry_after(seconds(7200), "busy").into(),
        || Error::permanent("no such project").into(),
        || Error::reject(StatusCode::CONFLICT, "linked already").into(),
        || Error::reject(StatusCode::TOO_MANY_REQUESTS, "slowly").into(),
        || Error::retry("no connection").into(),
        || panic!("it panics"),
    ];
    let permanent = |error: &'static str| (RowState::Dead, Some(DeadReason::Permanent), error);
    let retried = |error: &'static str| (RowState::Waiting, None, error);
    let expected = [
        retried("handler_busy: busy"),
        permanent("handler_failed_permanently: no such project"),
        permanent("rejected: linked already"),
        retried("rejected: slowly"),
        retried("handler_failed: no connection"),
        retried("handler_panicked: panicked: it panics"),
    ];
    for (failure, (state, reason, error)) in failures.into_iter().zip(expected) {
        let (extension, _) = counting(later(), move |_| Err(failure()));
        deliver(&extension, &json!({ "id": 1 })).await;
        let from = extension.clock().now();
        extension.inbox().run_until_idle().await;
        let row = extension.inbox().rows().await.remove(0);
        assert_eq!((row.state, row.reason), (state, reason), "{row:?}");
        assert!(row.error.as_deref().unwrap().starts_with(error), "{row:?}");
        let delay = row.at.duration_since(from).unwrap();
        let at_least = if error.contains("busy") { 7200 } else { 10 };
        assert!(state == RowState::Dead || delay >= seconds(at_least), "{row:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_exceeds_its_timeout_is_retried() {
    let handler = Handler::new("issue.created", "v1", async || std::future::pending::<()>().await);
    let handler = handler.timeout(seconds(300)).later(later());
    let extension = TestExtension::new(builder().handler(handler)).unwrap();
    deliver(&extension, &json!({ "id": 1 })).await;
    let from = tokio::time::Instant::now();
    let runs = extension.inbox().run_to_end().await;
    assert_eq!(ends(&runs), ["retry", "retry", "attempts"]);
    assert_eq!(from.elapsed().as_secs(), 900);
    let error = extension.inbox().rows().await.remove(0).error.unwrap();
    assert!(error.starts_with("deadline_exceeded: "), "{error}");
}

#[tokio::test]
async fn the_handler_has_the_delivery_as_it_was_accepted() {
    let handler = Handler::new("issue.created", "v1", async |payload: Payload, context: Context| {
        assert_eq!(payload["title"], "a");
        assert_eq!(context.secret("API_KEY").unwrap().expose(), "canary-of-the-delivery");
        assert_eq!(context.headers().get("x-trace"), Some("7"));
        assert_eq!((&*context.delivery_key(), &*context.delivery_id().unwrap()), ("id:1", "1"));
        assert_eq!(context.now().duration_since(context.signed_at()).unwrap(), seconds(90));
        assert_eq!(context.secret_position(), Some(0));
    });
    let extension = TestExtension::new(builder().handler(handler.later(later()))).unwrap();
    let body = json!({ "id": 1, "title": "a", "secrets": { "API_KEY": "canary-of-the-delivery" } });
    let delivery = delivery("issue.created", "v1", &body).header("X-Trace", "7");
    assert_eq!(extension.deliver(delivery).await.status(), 202);
    extension.clock().advance(seconds(90));
    let runs = extension.inbox().run_until_idle().await;
    assert_eq!(ends(&runs), ["done"], "{:?}", extension.inbox().rows().await);
}

#[tokio::test]
async fn secrets_are_in_no_error_of_a_row() {
    let handler = Handler::new("issue.created", "v1", async |context: Context| {
        let secret = context.secret("API_KEY").unwrap().expose().to_owned();
        Err::<(), _>(HandlerError::from(format!("refused {secret}: {}", "x".repeat(5000))))
    });
    let extension = TestExtension::new(builder().handler(handler.later(later()))).unwrap();
    deliver(&extension, &json!({ "id": 1, "secrets": { "API_KEY": "canary-of-the-delivery" } })).await;
    extension.inbox().run_until_idle().await;
    let error = extension.inbox().rows().await.remove(0).error.unwrap();
    assert!(error.starts_with("handler_failed: refused ") && !error.contains("canary"), "{error}");
    assert!(error.len() <= 2048, "{}", error.len());
}

/// A log that panics with the secret of a delivery where the first span is entered: outside of the handler.
#[derive(Default)]
struct PanickingLog(AtomicUsize);

impl tracing::Subscriber for PanickingLog {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &tracing::span::Id) {
        let is_first = self.0.fetch_add(1, Ordering::SeqCst) == 0;
        assert!(!is_first, "cannot write canary-of-the-delivery: {}", "x".repeat(5_000));
    }
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn a_panic_around_a_handler_shows_no_secret_of_a_row() {
    let (extension, runs) = counting(later(), |_| Ok(()));
    deliver(&extension, &json!({ "id": 1, "secrets": { "API_KEY": "canary-of-the-delivery" } })).await;
    let log = tracing::subscriber::set_default(PanickingLog::default());
    extension.inbox().run_until_idle().await;
    drop(log);
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    let error = extension.inbox().rows().await.remove(0).error.unwrap();
    assert!(error.starts_with("handler_panicked: cannot write …: xxx"), "{error}");
    assert!(error.len() <= 2048, "{}", error.len());
}

/// An extension of one `later` handler on `inbox`, whose rows are sealed with `key`.
fn sharing(inbox: &MemoryInbox, key: &str) -> TestExtension {
    let handler = Handler::new("issue.created", "v1", async || {}).later(later());
    let options = builder().handler(handler).inbox(|options| options.store(inbox.clone()).key(key));
    TestExtension::new(options).unwrap()
}

#[tokio::test]
async fn a_row_that_cannot_be_read_rests_and_is_not_lost() {
    let inbox = MemoryInbox::default();
    let old = sharing(&inbox, "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=");
    let new = sharing(&inbox, "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=");
    deliver(&old, &json!({ "id": 1 })).await;
    for _ in 0..4 {
        assert_eq!(ends(&new.inbox().run_until_idle().await), ["unreadable"]);
        let row = new.inbox().rows().await.remove(0);
        assert_eq!((row.state, row.attempts), (RowState::Waiting, 0), "the attempt does not count");
        assert!(new.inbox().run_until_idle().await.is_empty(), "it rests");
        new.clock().advance(seconds(300));
    }
    old.clock().advance(seconds(4 * 300));
    assert_eq!(ends(&old.inbox().run_until_idle().await), ["done"]);
}

#[tokio::test]
async fn rows_of_a_lane_run_in_order_and_a_retry_blocks_it() {
    let (ran, order) = (Arc::<std::sync::Mutex<Vec<i64>>>::default(), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&ran);
    let handler = Handler::new("issue.created", "v1", move |payload: Payload| {
        let id = payload["id"].as_i64().unwrap();
        seen.lock().unwrap().push(id);
        let first = order.fetch_add(1, Ordering::SeqCst) == 0;
        async move { if first { Err("the first attempt fails") } else { Ok(()) } }
    });
    let handler = handler.later(later().lane("issue.id"));
    let extension = TestExtension::new(builder().handler(handler)).unwrap();
    for id in 1..4 {
        deliver(&extension, &json!({ "id": id, "issue": { "id": 7 } })).await;
    }
    deliver(&extension, &json!({ "id": 4, "issue": { "id": 8 } })).await;
    deliver(&extension, &json!({ "id": 5 })).await;
    extension.inbox().run_until_idle().await;
    assert_eq!(*ran.lock().unwrap(), [1, 4, 5], "nothing of the lane passes the first");
    extension.inbox().run_to_end().await;
    assert_eq!(*ran.lock().unwrap(), [1, 4, 5, 1, 2, 3]);
}

#[tokio::test]
async fn organisations_take_turns() {
    let ran = Arc::<std::sync::Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&ran);
    let handler = Handler::new("issue.created", "v1", move |payload: Payload| {
        seen.lock().unwrap().push(payload["organization_id"].as_str().unwrap().to_owned());
        async {}
    });
    let extension = TestExtension::new(builder().handler(handler.later(later()))).unwrap();
    for id in 0..20 {
        let organisation = if id < 18 { "large" } else { "small" };
        deliver(&extension, &json!({ "id": id, "organization_id": organisation })).await;
    }
    extension.inbox().run_until_idle().await;
    let ran = ran.lock().unwrap();
    let small: Vec<_> = (0..20).filter(|at| ran[*at] == "small").collect();
    assert!(small[0] <= 1 && small[1] <= 3, "{ran:?}");
}

#[tokio::test]
async fn a_paused_event_is_accepted_and_not_started() {
    let (extension, _) = counting(later(), |_| Ok(()));
    let store = extension.inbox().store();
    store.pause("com.example.later", "issue.created", true).await.unwrap();
    assert_eq!(deliver(&extension, &json!({ "id": 1 })).await.status(), 202);
    assert!(extension.inbox().run_until_idle().await.is_empty());
    store.pause("com.example.later", "issue.created", false).await.unwrap();
    assert_eq!(ends(&extension.inbox().run_until_idle().await), ["done"]);
}

/// Claims the row as a worker whose process dies once its handler has started.
async fn crash(extension: &TestExtension) {
    let (store, now) = (extension.inbox().store(), Some(extension.clock().now()));
    let handlers = vec![extension.inbox().rows().await[0].handler.clone()];
    let mut request = ClaimRequest::new("com.example.later", handlers, 1, seconds(30));
    request.is_idle = true;
    let work = store.claim(&request, now).await.unwrap().remove(0);
    let _ = store.renew(&[(work.lease, seconds(30))], now).await.unwrap();
    extension.clock().advance(seconds(31));
}

#[tokio::test]
async fn a_row_whose_process_died_runs_again() {
    let (extension, runs) = counting(later(), |_| Ok(()));
    deliver(&extension, &json!({ "id": 1 })).await;
    crash(&extension).await;
    let ran = extension.inbox().run_until_idle().await;
    assert_eq!((ends(&ran), ran[0].attempt), (vec!["done"], 2));
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_row_that_kills_its_process_is_dead_after_three_times() {
    let (extension, _) = counting(later().attempts(100), |_| Ok(()));
    deliver(&extension, &json!({ "id": 1 })).await;
    for _ in 0..3 {
        crash(&extension).await;
        let _ = extension.inbox().store().promote("com.example.later", Some(extension.clock().now())).await;
    }
    assert!(extension.inbox().run_until_idle().await.is_empty());
    let row = extension.inbox().rows().await.remove(0);
    assert_eq!((row.state, row.reason, row.crashes), (RowState::Dead, Some(DeadReason::Crashed), 3));
}

#[tokio::test]
async fn a_crash_at_the_last_attempt_leaves_no_other() {
    let (extension, runs) = counting(later().attempts(1), |_| Ok(()));
    deliver(&extension, &json!({ "id": 1 })).await;
    crash(&extension).await;
    assert_eq!(ends(&extension.inbox().run_until_idle().await), ["attempts"]);
    assert_eq!(runs.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_result_of_a_lost_lease_does_not_count() {
    let clock = Clock::fixed(1_700_000_000);
    let (advanced, runs) = (clock.clone(), Arc::new(AtomicUsize::new(0)));
    let handler = Handler::new("issue.created", "v1", move || {
        let first = runs.fetch_add(1, Ordering::SeqCst) == 0;
        // As when the process is suspended.
        advanced.advance(if first { seconds(31) } else { Duration::ZERO });
        async {}
    });
    let extension = builder().clock(clock).handler(handler.later(later()));
    let extension = TestExtension::new(extension).unwrap();
    deliver(&extension, &json!({ "id": 1 })).await;
    let ran = extension.inbox().run_until_idle().await;
    assert_eq!(ran.iter().map(|run| run.attempt).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(ends(&ran), ["lost", "done"]);
}

#[tokio::test]
async fn each_attempt_has_a_record_and_the_acceptance_has_none() {
    let (records, recorded) = std::sync::mpsc::channel::<Record>();
    let runs = Arc::new(AtomicUsize::new(0));
    let handler = Handler::new("issue.created", "v1", move || {
        let first = runs.fetch_add(1, Ordering::SeqCst) == 0;
        async move { if first { Err(Error::retry("it was down")) } else { Ok(()) } }
    });
    let records = std::sync::Mutex::new(records);
    let builder = builder().handler(handler.later(later())).feedback(move |record| {
        let _ = records.lock().unwrap().send(record.clone());
    });
    let extension = TestExtension::new(builder).unwrap();
    deliver(&extension, &json!({ "id": 1 })).await;
    extension.inbox().run_to_end().await;
    extension.extension().flush(seconds(60)).await;
    let seen: Vec<_> = recorded.try_iter().map(|record| (record.status, record.error_message)).collect();
    let failed = (RecordStatus::Error, Some("it was down".to_owned()));
    assert_eq!(seen, [failed, (RecordStatus::Ok, None)]);
}

#[tokio::test]
async fn scheduled_work_runs_at_its_time_once() {
    let ran = Arc::<std::sync::Mutex<Vec<Value>>>::default();
    let seen = Arc::clone(&ran);
    let runs = Arc::new(AtomicUsize::new(0));
    let created = Handler::new("issue.created", "v1", move |context: Context| {
        let first = runs.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            // The same work at the second attempt, and at another time.
            let tomorrow = context.now() + seconds(24 * 60 * 60);
            for at in [tomorrow, tomorrow + seconds(60)] {
                context.inbox().schedule(at, "reminder.due", json!({ "issue": { "id": 7 } })).await?;
            }
            if first { Err(HandlerError::from("it fails after that")) } else { Ok(()) }
        }
    });
    let due = Handler::new("reminder.due", "v2", move |payload: Payload, context: Context| {
        seen.lock().unwrap().push(payload["issue"]["id"].clone());
        async move { assert!(context.delivery_key().starts_with("id:work_")) }
    });
    let options = builder().handler(created.later(later())).handler(due.later(later().lane("issue.id")));
    let extension = TestExtension::new(options).unwrap();
    deliver(&extension, &json!({ "id": 1, "organization_id": 3 })).await;
    assert_eq!(ends(&extension.inbox().run_until_idle().await), ["retry"]);
    extension.clock().advance(seconds(60));
    assert_eq!(ends(&extension.inbox().run_until_idle().await), ["done"]);
    let rows = extension.inbox().rows().await;
    assert_eq!(rows.len(), 3, "{rows:#?}");
    assert!(rows.iter().all(|row| row.organisation == "3"));
    assert_eq!(
        (rows[1].handler.to_string(), rows[1].lane.as_deref()),
        ("reminder.due@v2".to_owned(), Some("issue.id=7"))
    );
    assert!(ran.lock().unwrap().is_empty());
    assert_eq!(ends(&extension.inbox().run_to_end().await), ["done", "done"]);
    assert_eq!(*ran.lock().unwrap(), [7, 7]);
    // Outside of a delivery it is new each time, unless it has an id.
    let inbox = extension.extension().inbox();
    let before = extension.inbox().rows().await.len();
    for (body, rows) in [(json!({}), 1), (json!({}), 2), (json!({ "id": 1 }), 3), (json!({ "id": 1 }), 3)] {
        inbox.schedule(extension.clock().now(), "reminder.due@2.0", body).await.unwrap();
        assert_eq!(extension.inbox().rows().await.len(), before + rows);
    }
    for (event, body, error) in [
        ("reminder", json!({}), "there is no `later` handler of `reminder`"),
        ("reminder.due@v1", json!({}), "there is no `later` handler of `reminder.due@v1`"),
        ("reminder.due", json!([]), "the body of scheduled work is a JSON object"),
    ] {
        let refused = inbox.schedule(extension.clock().now(), event, body).await.unwrap_err();
        assert_eq!(refused.to_string(), error);
    }
}

#[tokio::test]
async fn scheduled_work_without_a_usable_id_is_new_each_time() {
    #[derive(Deserialize, serde::Serialize)]
    struct Reminder {
        id: Option<u64>,
        issue: u64,
    }
    let due =
        |reminder: Payload<Reminder>| async move { assert_eq!((reminder.id, reminder.issue), (None, 7)) };
    let handler = Handler::new("reminder.due", "v1", due).later(later());
    let extension = TestExtension::new(builder().handler(handler)).unwrap();
    let schedule = async |body: Value| {
        for _ in 0..2 {
            extension
                .extension()
                .inbox()
                .schedule(extension.clock().now(), "reminder.due", &body)
                .await
                .unwrap();
        }
        extension.inbox().rows().await.len()
    };
    let reminder = serde_json::to_value(Reminder { id: None, issue: 7 }).unwrap();
    assert_eq!(schedule(reminder).await, 2);
    assert_eq!(ends(&extension.inbox().run_until_idle().await), ["done", "done"]);
    let bodies = [
        json!({ "id": "" }),
        json!({ "id": " " }),
        json!({ "id": [] }),
        json!({ "id": {}, "delivery_id": null }),
        json!({ "delivery_id": "" }),
    ];
    for (earlier, body) in bodies.into_iter().enumerate() {
        assert_eq!(schedule(body.clone()).await, 2 + 2 * (earlier + 1), "{body}");
    }
}

/// A process with a schedule at 07:00 UTC on `inbox`, whose clock stands at `now`.
fn scheduled(inbox: &MemoryInbox, now: u64, pattern: &'static str, catches_up: bool) -> TestExtension {
    let builder = builder().handler(remind(pattern, catches_up)).clock(Clock::fixed(now));
    TestExtension::new(builder.inbox(|options| options.store(inbox.clone()))).unwrap()
}

/// A schedule as the attribute registers it.
fn remind(pattern: &'static str, catches_up: bool) -> Handler {
    use kiket_runtime::{
        handler::{Registration, spawnable},
        private::{Later as Options, ScheduleTimes, schedule},
    };
    let registration = Registration::new(
        schedule::name("schedule:remind"),
        EventVersion::from_static("v1"),
        "remind",
        |_| {},
        |delivery| {
            let context = Context::from(delivery);
            Ok(spawnable(async move {
                assert_eq!(
                    context.occurred_at().unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs() % DAY,
                    7 * 3600
                );
                Ok(kiket::Reply::ok())
            }))
        },
    );
    let times = ScheduleTimes::new(schedule::pattern(pattern), "UTC", catches_up);
    (&registration.later(Options::new()).schedule(times)).into()
}

const DAY: u64 = 24 * 60 * 60;
/// A midnight.
const MIDNIGHT: u64 = 1_699_999_200 - 1_699_999_200 % DAY;
const SEVEN: &str = "0 7 * * *";

/// Runs what is due, and gives the days whose slots ran.
async fn days(extension: &TestExtension) -> Vec<u64> {
    let runs = extension.inbox().run_until_idle().await;
    let day = |run: &DeferredRun| {
        assert_eq!((run.end, &*run.handler.event), ("done", "schedule:remind"));
        let (_, slot) = run.key.as_str().rsplit_once(':').unwrap();
        (slot.parse::<u64>().unwrap() - MIDNIGHT) / DAY
    };
    runs.iter().map(day).collect()
}

#[tokio::test]
async fn a_schedule_runs_once_a_slot_in_any_number_of_processes() {
    let inbox = MemoryInbox::default();
    let [one, other] = [(); 2].map(|()| scheduled(&inbox, MIDNIGHT, SEVEN, false));
    for extension in [&one, &other] {
        assert!(days(extension).await.is_empty());
        extension.clock().advance(seconds(7 * 3600 - 1));
        assert!(days(extension).await.is_empty());
        extension.clock().advance(seconds(1));
    }
    assert_eq!(days(&one).await, [0]);
    assert!(days(&other).await.is_empty());
    for extension in [&one, &other] {
        extension.clock().advance(seconds(DAY));
    }
    assert_eq!(days(&other).await, [1]);
    assert!(days(&one).await.is_empty());
    let waiting = one.inbox().rows().await.into_iter().filter(|row| row.state == RowState::Waiting);
    assert_eq!(waiting.count(), 1, "the next slot");
}

#[tokio::test]
async fn of_missed_slots_the_last_runs_or_all_of_them() {
    for (catches_up, missed) in [(false, vec![5]), (true, vec![1, 2, 3, 4, 5])] {
        let inbox = MemoryInbox::default();
        let before = scheduled(&inbox, MIDNIGHT, SEVEN, catches_up);
        before.clock().advance(seconds(8 * 3600));
        assert!(days(&before).await.is_empty(), "a new schedule has missed nothing");
        drop(before);
        // The next process starts after five slots.
        let after = scheduled(&inbox, MIDNIGHT + 5 * DAY + 8 * 3600, SEVEN, catches_up);
        assert_eq!(days(&after).await, missed);
        after.clock().advance(seconds(DAY));
        assert_eq!(days(&after).await, [6]);
        let again = scheduled(&inbox, MIDNIGHT + 6 * DAY + 8 * 3600, SEVEN, catches_up);
        assert!(days(&again).await.is_empty(), "nothing was missed");
        let month = scheduled(&inbox, MIDNIGHT + 40 * DAY, SEVEN, false);
        assert_eq!(days(&month).await, [39]);
    }
}

#[tokio::test]
async fn all_of_many_missed_slots_run() {
    let inbox = MemoryInbox::default();
    assert!(days(&scheduled(&inbox, MIDNIGHT, SEVEN, true)).await.is_empty());
    // More than are inserted in one round.
    let after = scheduled(&inbox, MIDNIGHT + 1500 * DAY + 8 * 3600, SEVEN, true);
    let ran = days(&after).await.into_iter().collect::<BTreeSet<_>>();
    assert!((0..=1500).eq(ran.iter().copied()), "{} ran, the last is {:?}", ran.len(), ran.last());
    after.clock().advance(seconds(DAY));
    assert_eq!(days(&after).await, [1501]);
}

#[tokio::test]
async fn a_slot_that_a_schedule_has_no_more_is_left_to_others() {
    let inbox = MemoryInbox::default();
    let old = scheduled(&inbox, MIDNIGHT, SEVEN, false);
    assert!(days(&old).await.is_empty());
    let new = scheduled(&inbox, MIDNIGHT, "0 8 * * *", false);
    new.clock().advance(seconds(7 * 3600));
    let runs = new.inbox().run_until_idle().await;
    assert_eq!(ends(&runs), ["released"], "a process with the former schedule may run it");
    new.clock().advance(seconds(660));
    assert_eq!(ends(&new.inbox().run_until_idle().await), ["done"], "there is none");
    old.clock().advance(seconds(7 * 3600 + 1800));
    assert_eq!(days(&old).await, Vec::<u64>::new());
}

async fn metrics(running: &Running) -> String {
    let mut connection = Connection::to(running.metrics().unwrap()).await;
    connection.send(b"GET /metrics HTTP/1.1\r\nhost: test\r\n\r\n").await;
    connection.response().await.text().to_owned()
}

/// The series and the families of the inbox.
async fn scraped(running: &Running) -> (BTreeMap<String, f64>, BTreeMap<String, String>) {
    let page = metrics(running).await;
    let lines = page.lines().filter(|line| line.contains("kiket_inbox_"));
    let (help, series): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with('#'));
    let series = series.iter().map(|line| line.rsplit_once(' ').unwrap());
    let help = help.iter().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    (
        series.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect(),
        help.map(|(name, text)| (name.to_owned(), text.to_owned())).collect(),
    )
}

#[tokio::test]
async fn the_inbox_is_measured() {
    let inbox = MemoryInbox::default();
    let handler =
        Handler::new("issue.created", "v1", async |payload: Payload| match payload["act"].as_str() {
            Some("fail") => Err(HandlerError::from("it fails")),
            Some("refuse") => Err(Error::permanent("it is refused").into()),
            _ => Ok(()),
        });
    let builder = crate::running::builder()
        .id("com.example.later")
        .handler(handler.later(later().lane("issue.id")))
        .http(|http| http.metrics("127.0.0.1:0"))
        .inbox(|options| options.store(inbox.clone()).without_secrets().workers(1));
    let running = Running::start(builder);
    let send = async |body: Value| {
        let signed = crate::running::sign(delivery("issue.created", "v1", &body));
        running.ask(&request(&signed)).await.status
    };
    let ended = async |series: &str, count: f64| loop {
        if scraped(&running).await.0[series] >= count {
            return;
        }
        tokio::task::yield_now().await;
    };
    let result = |result: &str| format!("kiket_inbox_attempts_total{{result=\"{result}\"}}");
    for (body, end, count) in [
        (json!({ "id": 1, "issue": { "id": 1 } }), "done", 1.0),
        (json!({ "id": 2 }), "done", 2.0),
        (json!({ "id": 3, "act": "fail" }), "retry", 1.0),
        (json!({ "id": 4, "act": "refuse" }), "permanent", 1.0),
    ] {
        assert_eq!(send(body).await, 202);
        within(ended(&result(end), count)).await;
    }
    assert_eq!(send(json!({ "id": 1, "issue": { "id": 1 } })).await, 202);
    inbox.set_limit(0);
    assert_eq!(send(json!({ "id": 5 })).await, 503);
    let (series, families) = scraped(&running).await;
    let labels = "event=\"issue.created\",version=\"v1\"";
    for (name, value) in [
        ("kiket_inbox_up".to_owned(), 1.0),
        (format!("kiket_inbox_rows{{{labels},state=\"waiting\"}}"), 1.0),
        (format!("kiket_inbox_rows{{{labels},state=\"done\"}}"), 2.0),
        (format!("kiket_inbox_rows{{{labels},state=\"dead\"}}"), 1.0),
        ("kiket_inbox_accepted_total{result=\"accepted\"}".to_owned(), 4.0),
        ("kiket_inbox_accepted_total{result=\"known\"}".to_owned(), 1.0),
        ("kiket_inbox_accepted_total{result=\"full\"}".to_owned(), 1.0),
        ("kiket_inbox_accepted_total{result=\"error\"}".to_owned(), 0.0),
        ("kiket_inbox_without_lane_total".to_owned(), 4.0),
        (result("lost"), 0.0),
        (result("crashed"), 0.0),
        ("kiket_inbox_renewals_lost_total".to_owned(), 0.0),
        ("kiket_inbox_errors_total".to_owned(), 0.0),
    ] {
        assert_eq!(series.get(&name), Some(&value), "{name}: {series:#?}");
    }
    let oldest = series[&format!("kiket_inbox_oldest_seconds{{{labels}}}")];
    assert!((0.0..60.0).contains(&oldest), "{oldest}: it is counted on the clock of the test");
    // The page lists them all.
    let page = std::fs::read_to_string("docs/metrics.md").unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `kiket_inbox_")?.split_once('`'));
    let documented: BTreeMap<_, _> = rows
        .map(|(name, row)| {
            (format!("kiket_inbox_{name}"), row.trim_end_matches(" |").rsplit_once("| ").unwrap().1)
        })
        .collect();
    assert!(
        documented
            .iter()
            .map(|(name, help)| (&**name, *help))
            .eq(families.iter().map(|(name, help)| (&**name, &**help))),
        "{documented:#?}\n{families:#?}"
    );
    inbox.set_down(true);
    let (series, _) = scraped(&running).await;
    assert_eq!((series["kiket_inbox_up"], series.contains_key("kiket_inbox_rows")), (0.0, false));
    inbox.set_down(false);
    running.stop().await;
}

#[tokio::test]
async fn the_runs_of_a_schedule_are_measured() {
    let builder = crate::running::builder()
        .id("com.example.later")
        .handler(remind(SEVEN, false))
        .http(|http| http.metrics("127.0.0.1:0"))
        .inbox(|options| options.store(MemoryInbox::default()).workers(0));
    let running = Running::start(builder);
    let page = metrics(&running).await;
    let seconds = "kiket_delivery_duration_seconds_count{event=\"schedule:remind\",version=\"v1\"} 0";
    assert!(page.contains(seconds), "{page}");
    assert!(!page.contains("kiket_deliveries_total{event=\"schedule:"), "it is no delivery of Kiket");
    running.stop().await;
}

/// The row of the only delivery, claimed by hand.
async fn claimed(extension: &TestExtension) -> ClaimedWork {
    let space = extension.extension().inbox().space().unwrap().to_owned();
    let mut request = ClaimRequest::new(space, vec![HandlerName::new("issue.created", "v1")], 1, seconds(30));
    request.is_idle = true;
    let now = Some(extension.clock().now());
    extension.inbox().store().claim(&request, now).await.unwrap().remove(0)
}

#[tokio::test]
async fn work_runs_for_an_engine_that_hands_it_out() {
    let (extension, runs) = counting(later(), |run| match run {
        1 | 3 => Err("not now".into()),
        2 => Err(Error::permanent("never").into()),
        _ => Ok(()),
    });
    deliver(&extension, &json!({ "id": 1 })).await;
    let work = claimed(&extension).await;
    let run = async |attempt| {
        let mut work = work.clone();
        work.attempt = attempt;
        extension.extension().run_work(&work).await
    };
    let retry = run(1).await.unwrap();
    assert!(
        matches!(retry, WorkEnd::Retry { delay, error } if delay >= seconds(10) && error.ends_with("not now"))
    );
    let permanent = run(2).await.unwrap();
    assert!(matches!(permanent, WorkEnd::Dead { reason: DeadReason::Permanent, .. }), "{permanent:?}");
    for attempt in [3, 4] {
        let last = run(attempt).await.unwrap();
        assert!(matches!(last, WorkEnd::Dead { reason: DeadReason::Attempts, .. }), "{last:?}");
    }
    assert_eq!(runs.load(Ordering::SeqCst), 3, "an attempt beyond the last one does not run");
    assert_eq!(run(1).await, Ok(WorkEnd::Done));
    // Of another build, and of another row.
    let mut unknown = [work.clone(), work.clone()];
    unknown[0].handler = HandlerName::new("issue.created", "v2");
    unknown[1].content = "x".into();
    for unknown in unknown {
        let not_run = extension.extension().run_work(&unknown).await.unwrap_err();
        assert_eq!(not_run.delay, seconds(300));
    }
    assert_eq!(runs.load(Ordering::SeqCst), 4);
}
