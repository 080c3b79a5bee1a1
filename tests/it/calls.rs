//! Calls to the fake platform (wire contract, calls-endpoints to calls-sla): requests, responses, failures.

use std::{sync::Arc, time::Duration};

use kiket::{
    Context, Extension, ExtensionBuilder, Reply,
    api::{Endpoints, Id, Level, Query, SlaFilter, SlaState},
    auth::{Authentication, TokenRules},
    error::ClientErrorKind,
    http::StatusCode,
    testing::{Failure, FakePlatform, TestExtension, TokenIssuer, delivery},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::world::{ID, SEGMENTS, World, builder, refuse, status};

#[tokio::test]
async fn log_event_tells_event_version_data_and_time() {
    let world = World::new();
    world.endpoints().log_event("sla.warning", json!({ "issue_id": 42 })).await.unwrap();
    let call = world.call();
    assert_eq!((call.method(), call.path()), ("POST", "/api/v1/extensions/com.example.calls/events"));
    assert_eq!(
        call.json(),
        json!({
            "event": "sla.warning", "version": "v1", "data": { "issue_id": 42 }, "timestamp": "2026-01-17T10:30:00Z",
        })
    );
    assert!(call.header("idempotency-key").is_some());
    Endpoints::new(world.client().with_version("v2")).log_event("x", ()).await.unwrap();
    let call = world.call();
    assert_eq!((call.header("x-kiket-event-version"), &call.json()["version"]), (Some("v2"), &json!("v2")));
    refuse(&world, 422);
    assert_eq!(status(world.endpoints().log_event("x", ()).await), 422);
}

#[tokio::test]
async fn metadata_is_what_kiket_knows_of_the_extension() {
    let world = World::new();
    assert!(world.endpoints().metadata().await.unwrap().is_object());
    assert_eq!(world.request(), "GET /api/v1/extensions/com.example.calls");
    refuse(&world, 403);
    assert_eq!(status(world.endpoints().metadata().await), 403);
}

#[tokio::test]
async fn notify_tells_title_body_and_level() {
    let world = World::new();
    for (level, text) in [
        (Level::Info, "info"),
        (Level::Success, "success"),
        (Level::Warning, "warning"),
        (Level::Error, "error"),
    ] {
        world.endpoints().notify("T", "B", level).await.unwrap();
        let call = world.call();
        assert_eq!((call.method(), call.path()), ("POST", "/api/v1/extensions/notifications"));
        assert_eq!(call.json(), json!({ "title": "T", "body": "B", "level": text }));
    }
    assert_eq!(world.platform.notifications().len(), 4);
    refuse(&world, 400);
    assert_eq!(status(world.endpoints().notify("T", "B", Level::Info).await), 400);
}

#[tokio::test]
async fn emit_metric_tells_a_finite_number() {
    let world = World::new();
    world.endpoints().emit_metric("mails.sent", 3.5, "count").await.unwrap();
    let call = world.call();
    assert_eq!((call.method(), call.path()), ("POST", "/api/v1/extensions/metrics"));
    assert_eq!(call.json(), json!({ "name": "mails.sent", "value": 3.5, "unit": "count" }));
    let error = world.endpoints().emit_metric("x", f64::NAN, "count").await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::InvalidRequest);
    assert_eq!(world.platform.calls().len(), 0);
    refuse(&world, 400);
    assert_eq!(status(world.endpoints().emit_metric("x", 1.0, "count").await), 400);
}

#[tokio::test]
async fn rate_limits_are_read_from_their_response_and_every_header() {
    let world = World::new();
    world.platform.set_rate_limit(100, Duration::from_secs(60));
    assert_eq!(world.client().rate_window(), None);
    let window = world.endpoints().rate_limit().await.unwrap();
    assert_eq!(world.request(), "GET /api/v1/ext/rate_limit");
    assert_eq!((window.limit, window.window_seconds), (100, 60));
    assert!(window.remaining <= 100 && window.reset_in <= 60, "{window:?}");
    assert_eq!(world.client().rate_window().map(|window| window.limit), Some(100));
    refuse(&world, 401);
    assert_eq!(status(world.endpoints().rate_limit().await), 401);
}

#[tokio::test]
async fn secrets_are_listed_read_set_rotated_and_deleted() {
    let world = World::new();
    let secrets = world.endpoints().secrets();
    assert!(secrets.get("TOKEN").await.unwrap().is_none(), "404 is none");
    assert_eq!(world.request(), "GET /api/v1/extensions/com.example.calls/secrets/TOKEN");

    secrets.set("TOKEN", "abc123").await.unwrap();
    let call = world.call();
    assert_eq!((call.method(), call.path()), ("POST", "/api/v1/extensions/com.example.calls/secrets/TOKEN"));
    assert_eq!(call.json(), json!({ "value": "abc123" }));
    assert_eq!(
        secrets.get("TOKEN").await.unwrap().map(|secret| secret.expose().to_owned()),
        Some("abc123".into())
    );
    world.platform.forget_calls();

    secrets.rotate("TOKEN", "def456").await.unwrap();
    assert_eq!(world.request(), "PATCH /api/v1/extensions/com.example.calls/secrets/TOKEN");
    assert_eq!(world.platform.secret("TOKEN").as_deref(), Some("def456"));

    let keys: Vec<_> = secrets.list().await.unwrap().into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys, ["TOKEN"]);
    assert_eq!(world.request(), "GET /api/v1/extensions/com.example.calls/secrets");

    secrets.delete("TOKEN").await.unwrap();
    assert_eq!(world.request(), "DELETE /api/v1/extensions/com.example.calls/secrets/TOKEN");
    assert_eq!(world.platform.secret("TOKEN"), None);
}

#[tokio::test]
async fn a_secret_is_set_in_the_dialect_of_the_platform() {
    let world = World::new();
    world.platform.fail(Failure::status(405).when(|call| call.path().ends_with("/secrets/TOKEN")));
    let set = async |value: &str| world.endpoints().secrets().set("TOKEN", value).await.unwrap();
    set("canary_1").await;
    assert_eq!(world.platform.secret("TOKEN").as_deref(), Some("canary_1"));
    world.platform.forget_calls();

    // Remembered for the process, and so for every client of it.
    set("canary_2").await;
    let call = world.call();
    assert_eq!((call.method(), call.path()), ("POST", "/api/v1/extensions/com.example.calls/secrets"));
    assert_eq!(call.json(), json!({ "secret": { "key": "TOKEN", "value": "canary_2" } }));
    assert_eq!(world.platform.secret("TOKEN").as_deref(), Some("canary_2"));
}

#[tokio::test]
async fn a_secret_that_cannot_be_had_is_an_error_and_not_none() {
    let world = World::new();
    let secrets = world.endpoints().secrets();
    for code in [400, 401, 403, 500] {
        refuse(&world, code);
        assert_eq!(status(secrets.get("TOKEN").await), code);
        refuse(&world, code);
        assert_eq!(status(secrets.list().await), code);
        refuse(&world, code);
        assert_eq!(status(secrets.set("TOKEN", "x").await), code);
        refuse(&world, code);
        assert_eq!(status(secrets.delete("TOKEN").await), code);
    }
}

#[tokio::test]
async fn both_shapes_of_the_list_of_secrets_are_read() {
    let world = World::new();
    for body in [
        json!({ "keys": ["A", "B"] }),
        json!([{ "key": "A", "created_at": "2026-01-01T00:00:00Z", "updated_at": null }, { "key": "B" }]),
        json!(["A", "B"]),
    ] {
        world.platform.fail(Failure::body(body.to_string()).times(1));
        let keys: Vec<_> = world.endpoints().secrets().list().await.unwrap();
        assert_eq!(keys.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["A", "B"], "{body}");
    }
}

#[tokio::test]
async fn a_rotation_that_fails_keeps_the_old_value() {
    let world = World::new();
    world.platform.set_secret("TOKEN", "old");
    let secrets = world.endpoints().secrets();
    for unknown in [405, 501] {
        world.platform.fail(Failure::status(unknown).times(1).when(|call| call.method() == "PATCH"));
        world.platform.fail(Failure::status(500).times(1).when(|call| call.method() == "POST"));
        assert_eq!(status(secrets.rotate("TOKEN", "new").await), 500);
        let methods: Vec<_> = world.platform.calls().iter().map(|call| call.method().to_owned()).collect();
        assert_eq!(methods, ["PATCH", "POST"], "and never DELETE");
        assert_eq!(world.platform.secret("TOKEN").as_deref(), Some("old"));
        world.platform.forget_calls();

        world.platform.fail(Failure::status(unknown).times(1).when(|call| call.method() == "PATCH"));
        secrets.rotate("TOKEN", "new").await.unwrap();
        assert_eq!(world.platform.secret("TOKEN").as_deref(), Some("new"));
        world.platform.set_secret("TOKEN", "old");
        world.platform.forget_calls();
    }
    refuse(&world, 403);
    assert_eq!(status(secrets.rotate("TOKEN", "new").await), 403);
    assert_eq!(world.platform.secret("TOKEN").as_deref(), Some("old"));
}

#[tokio::test]
async fn every_key_stays_one_segment_of_the_path() {
    let world = World::new();
    let secrets = world.endpoints().secrets();
    for (key, encoded) in SEGMENTS {
        secrets.set(key, "v").await.unwrap();
        assert_eq!(world.call().path(), format!("/api/v1/extensions/com.example.calls/secrets/{encoded}"));
        assert_eq!(world.platform.secret(key).as_deref(), Some("v"), "{key}");
    }
    for key in ["", ".", ".."] {
        let error = secrets.set(key, "v").await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::InvalidRequest, "{key}");
    }
    assert_eq!(world.platform.calls().len(), 0);
}

const MODULE: &str = "com.example.crm.contacts";
const TABLE: &str = "automation_records";
const PATH: &str = "/api/v1/ext/custom_data/com.example.crm.contacts/automation_records";

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Contact {
    id: u64,
    email: String,
    #[serde(flatten)]
    extra: serde_json::Map<String, Value>,
}

#[tokio::test]
async fn custom_data_is_listed_read_created_updated_and_deleted() {
    let world = World::new();
    let data = world.endpoints().custom_data(7).table(MODULE, TABLE);
    let record = json!({ "email": "ada@example.com", "status": "active" });
    let created: Contact = data.create(&record).await.unwrap();
    let call = world.call();
    assert_eq!((call.method(), call.path(), call.query()), ("POST", PATH, "project_id=7"));
    assert_eq!(call.json(), json!({ "record": record }));
    assert_eq!(created.extra["status"], "active", "unknown fields are kept");

    let got: Contact = data.get(created.id).await.unwrap();
    assert_eq!(got, created);
    assert_eq!(world.request(), format!("GET {PATH}/{}?project_id=7", created.id));

    let updated: Value = data.update(created.id, &json!({ "status": "gone" })).await.unwrap();
    assert_eq!(updated["status"], "gone");
    let call = world.call();
    assert_eq!((call.method(), call.json()), ("PATCH", json!({ "record": { "status": "gone" } })));

    let listed: Vec<Value> = data.list(Query::new().limit(10).filter("status", "gone")).await.unwrap();
    assert_eq!(listed, [updated]);
    assert_eq!(
        world.request(),
        format!("GET {PATH}?project_id=7&limit=10&filters=%7B%22status%22%3A%22gone%22%7D")
    );
    let none: Vec<Contact> = data.list(Query::new().filters(&json!({ "status": "active" }))).await.unwrap();
    assert_eq!(none, []);
    world.platform.forget_calls();

    data.delete(created.id).await.unwrap();
    assert_eq!(world.request(), format!("DELETE {PATH}/{}?project_id=7", created.id));
    assert_eq!(status(data.get::<Value>(created.id).await), 404);
}

#[tokio::test]
async fn custom_data_needs_a_project_and_filters_that_are_an_object() {
    let world = World::new();
    for project in ["", "  "] {
        let error =
            world.endpoints().custom_data(project).table(MODULE, TABLE).get::<Value>(1).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (ClientErrorKind::InvalidRequest, "the project is blank")
        );
        let error = world.endpoints().sla_events(project).list(SlaFilter::default()).await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::InvalidRequest);
    }
    let listed = world
        .endpoints()
        .custom_data("p")
        .table(MODULE, TABLE)
        .list::<Value>(Query::new().filters(&json!([1])))
        .await;
    assert_eq!(listed.unwrap_err().kind(), ClientErrorKind::InvalidRequest);
    assert_eq!(world.platform.calls().len(), 0);
    for code in [401, 422] {
        refuse(&world, code);
        assert_eq!(
            status(
                world
                    .endpoints()
                    .custom_data(7)
                    .table(MODULE, TABLE)
                    .list::<Value>(Query::new().limit(1))
                    .await
            ),
            code
        );
        refuse(&world, code);
        assert_eq!(
            status(world.endpoints().custom_data(7).table(MODULE, TABLE).create::<Value>(&json!({})).await),
            code
        );
        refuse(&world, code);
        assert_eq!(
            status(world.endpoints().custom_data(7).table(MODULE, TABLE).update::<Value>(1, &()).await),
            code
        );
        refuse(&world, code);
        assert_eq!(status(world.endpoints().custom_data(7).table(MODULE, TABLE).delete(1).await), code);
    }
}

#[tokio::test]
async fn a_list_is_walked_through_all_its_pages() {
    let world = World::new();
    for number in 0..5 {
        world.platform.add_record(7, MODULE, TABLE, json!({ "number": number }));
    }
    let mut records =
        world.endpoints().custom_data(7).table(MODULE, TABLE).stream::<Value>(Query::new().limit(2));
    let mut numbers = Vec::new();
    while let Some(record) = records.next().await {
        numbers.push(record.unwrap()["number"].as_u64().unwrap());
    }
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    assert_eq!(world.platform.calls().len(), 3);

    world.platform.fail(Failure::status(500).times(1).when(|call| call.query_value("page") == Some("2")));
    let mut records =
        world.endpoints().custom_data(7).table(MODULE, TABLE).stream::<Value>(Query::new().limit(2));
    assert!(records.next().await.unwrap().is_ok() && records.next().await.unwrap().is_ok());
    assert_eq!(status(records.next().await.unwrap()), 500);
    assert!(records.next().await.is_none(), "it ends after the first error");
}

#[tokio::test]
async fn sla_events_are_filtered_and_keep_unknown_fields() {
    let world = World::new();
    world.platform.add_sla_event(json!({
        "id": 1, "issue_id": 42, "project_id": 7, "state": "imminent", "definition": { "max_duration_minutes": 90 },
        "metrics": { "duration_minutes": 80 }, "severity": "high",
    }));
    world.platform.add_sla_event(json!({ "id": 2, "issue_id": 43, "project_id": 7, "state": "breached" }));
    let filter = SlaFilter::default().state(SlaState::Imminent).issue(42).limit(5);
    let events = world.endpoints().sla_events(7).list(filter).await.unwrap();
    assert_eq!(world.request(), "GET /api/v1/ext/sla/events?project_id=7&issue_id=42&state=imminent&limit=5");
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0].state, &events[0].issue_id), (&Some(SlaState::Imminent), &Some(Id::from(42))));
    assert_eq!(
        (events[0].metrics.duration_minutes, events[0].extra.get("severity").unwrap()),
        (Some(80.0), Some("high"))
    );

    // The id of a response is the next question's, also when it is a text.
    world
        .platform
        .add_sla_event(json!({ "id": 3, "issue_id": "I-7", "project_id": 8, "state": "recovered" }));
    let event = world.endpoints().sla_events(8).list(SlaFilter::default()).await.unwrap().remove(0);
    assert_eq!((&event.issue_id, &event.project_id), (&Some(Id::from("I-7")), &Some(Id::from(8))));
    world.platform.forget_calls();
    let again = SlaFilter::default().issue(event.issue_id.as_ref().unwrap());
    assert_eq!(world.endpoints().sla_events(8).list(again).await.unwrap(), [event]);
    assert_eq!(world.request(), "GET /api/v1/ext/sla/events?project_id=8&issue_id=I-7");

    let mut all = world.endpoints().sla_events(7).stream(SlaFilter::default().limit(1));
    let mut states = Vec::new();
    while let Some(event) = all.next().await {
        states.push(event.unwrap().state);
    }
    assert_eq!(states, [Some(SlaState::Imminent), Some(SlaState::Breached)]);

    let odd = json!({ "data": [
        { "id": 1, "issue_id": 1, "state": "paused" },
        { "id": 2, "issue_id": null, "state": "breached", "case_id": "case_1" },
    ] });
    world.platform.fail(Failure::body(odd.to_string()).times(1));
    let events = world.endpoints().sla_events(7).list(SlaFilter::default()).await.unwrap();
    assert_eq!(events[0].state, Some(SlaState::Other("paused".into())));
    assert_eq!((&events[1].issue_id, events[1].extra.get("case_id").unwrap()), (&None, Some("case_1")));
    refuse(&world, 403);
    assert_eq!(status(world.endpoints().sla_events(7).list(SlaFilter::default()).await), 403);
}

#[tokio::test]
async fn a_call_that_needs_the_id_fails_before_it_is_sent_without_one() {
    let platform = FakePlatform::start();
    let extension = platform.extension(builder()).build().unwrap();
    let endpoints = extension.endpoints();
    for error in [
        endpoints.log_event("x", ()).await.unwrap_err(),
        endpoints.metadata().await.unwrap_err(),
        endpoints.secrets().list().await.unwrap_err(),
        endpoints.secrets().set("K", "v").await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ClientErrorKind::NotConfigured, "{error}");
        assert!(error.to_string().contains("has no id"), "{error}");
    }
    assert_eq!(platform.calls().len(), 0);
}

#[tokio::test]
async fn raw_verbs_send_and_read_json() {
    let world = World::new();
    let limit: Value = world.client().get("/api/v1/ext/rate_limit?x=%2F").await.unwrap();
    assert!(limit["rate_limit"].is_object());
    assert_eq!(world.request(), "GET /api/v1/ext/rate_limit?x=%2F");
    let error = world.client().put::<Value>("/api/v1/nowhere", &json!({})).await.unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::NOT_FOUND));
    let error = world.client().get::<Value>("https://evil.example/x").await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::InvalidRequest);
}

#[tokio::test]
async fn a_path_in_the_base_url_is_kept() {
    let platform = FakePlatform::builder().base_path("/kiket/eu").start().unwrap();
    let extension = platform.extension(builder()).build().unwrap();
    assert!(extension.client().base_url().ends_with("/kiket/eu"));
    extension.endpoints().rate_limit().await.unwrap();
    assert_eq!(platform.calls().len(), 1);
}

#[tokio::test]
async fn a_failure_tells_its_fields_and_the_request() {
    let world = World::new();
    let response =
        json!({ "error": "Validation failed", "code": "invalid", "errors": { "email": ["is taken"] } });
    world
        .platform
        .fail(Failure::status(422).with_body(response.to_string()).header("X-Request-Id", "req-7").times(1));
    let error =
        world.endpoints().custom_data(7).table(MODULE, TABLE).create::<Value>(&json!({})).await.unwrap_err();
    assert_eq!((error.code(), error.request_id()), (Some("invalid"), Some("req-7")));
    assert_eq!(error.fields()[0].field, "email");
    assert_eq!(
        error.to_string(),
        format!("`POST {PATH}` failed with status 422: Validation failed; `email` is taken (request req-7)")
    );
}

/// What goes wrong on the wire, and the error that the caller gets, within the timeout of a call.
#[tokio::test]
async fn every_trouble_on_the_wire_is_a_typed_error() {
    async fn check(failure: Failure, kind: ClientErrorKind) {
        let world =
            World::with(|builder| builder.client(|client| client.call_timeout(Duration::from_millis(1500))));
        world.platform.fail(failure);
        let error = world.client().get::<Value>("/api/v1/ext/rate_limit").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
    }
    check(Failure::redirect("http://127.0.0.1:9/"), ClientErrorKind::Status(StatusCode::TEMPORARY_REDIRECT))
        .await;
    check(Failure::bad_json(), ClientErrorKind::Unreadable).await;
    check(Failure::body("<html>"), ClientErrorKind::Unreadable).await;
    check(Failure::cut(), ClientErrorKind::Interrupted).await;
    check(Failure::close(), ClientErrorKind::Interrupted).await;
    check(Failure::oversize(9 * 1024 * 1024), ClientErrorKind::TooLarge).await;
    check(Failure::endless(), ClientErrorKind::TooLarge).await;
    check(Failure::hang(), ClientErrorKind::Timeout).await;
    check(Failure::stall(), ClientErrorKind::Timeout).await;
}

/// A test extension with one handler, `x`, whose calls go to `platform`.
fn calling<F, R>(platform: &FakePlatform, handler: F) -> TestExtension
where
    F: Fn(Context) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = kiket::Result<Reply>> + Send + 'static,
{
    TestExtension::new(platform.extension(builder().on("x", "v1", handler))).unwrap()
}

#[tokio::test]
async fn a_delay_of_a_server_is_passed_on_bounded() {
    let platform = FakePlatform::start();
    let extension = calling(&platform, async |context: Context| {
        let _: Value = context.client().get("/api/v1/ext/rate_limit").await?;
        Ok(Reply::ok())
    });
    for (code, delay, passed_on) in
        [(503, "99999999999", "86400"), (503, "77", "77"), (429, "18446744073709551615", "86400")]
    {
        platform.fail(Failure::status(code).header("Retry-After", delay).times(1));
        let response = extension.deliver(delivery("x", "v1", &json!({}))).await;
        assert_eq!(
            (response.status(), response.headers().get("retry-after")),
            (503, Some(passed_on)),
            "{delay}"
        );
        platform.forget_calls();
    }
}

#[tokio::test]
async fn a_delay_past_every_clock_is_a_typed_error() {
    let platform = FakePlatform::start();
    let extension = calling(&platform, async |context: Context| {
        let error = context.client().get::<Value>("/api/v1/ext/rate_limit").await.unwrap_err();
        Ok(Reply::json(json!({ "status": error.status().map(|status| status.as_u16()) })))
    });
    platform.fail(Failure::status(429).header("Retry-After", "18446744073709551615").times(1));
    let response = extension.deliver(delivery("x", "v1", &json!({}))).await;
    assert_eq!((response.status(), response.json()), (200, json!({ "status": 429 })));
}

#[tokio::test]
async fn durations_and_counts_may_be_the_largest() {
    let far = Duration::MAX;
    let platform = FakePlatform::start();
    let builder = platform
        .extension(builder())
        .on("wait", "v1", async || Err::<(), _>(kiket::HandlerError::retry_after(Duration::MAX, "later")))
        .on("call", "v1", async |context: Context| -> kiket::Result<Value> {
            assert!(context.remaining() > Duration::from_secs(3000));
            Ok(context.client().get("/api/v1/ext/rate_limit").await?)
        })
        .handler_timeout(far)
        .concurrency_limit(usize::MAX)
        .grace_period(far)
        .dedupe(|dedupe| dedupe.enabled(true).keep_replies(far))
        .http(|http| http.body_timeout(far).head_timeout(far).body_limit(usize::MAX).workers(usize::MAX))
        .client(|client| client.connect_timeout(far).call_timeout(far).calls_at_once(usize::MAX))
        .client(|client| client.calls_per_minute(u32::MAX));
    let extension = TestExtension::new(builder).unwrap();
    for (event, status, delay) in [("wait", 503, Some("86400")), ("call", 200, None)] {
        let response = extension.deliver(delivery(event, "v1", &json!({ "id": event }))).await;
        assert_eq!((response.status(), response.headers().get("retry-after")), (status, delay), "{event}");
    }
    let context = kiket::testing::context("x", "v1").remaining(far).client(platform.client()).build();
    let _: Value = context.client().get("/api/v1/ext/rate_limit").await.unwrap();
}

/// Runs the test `name` again, in a process for which there are no certificates. Returns whether this is that process.
fn without_certificates(name: &str) -> bool {
    const CHILD: &str = "KIKET_TEST_WITHOUT_CERTIFICATES";
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let test = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .envs([(CHILD, "1"), ("SSL_CERT_FILE", "/dev/null"), ("SSL_CERT_DIR", "/nonexistent")])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&test.stdout).into_owned() + &String::from_utf8_lossy(&test.stderr);
    assert!(test.status.success() && printed.contains("1 passed"), "{printed}");
    false
}

#[tokio::test]
#[cfg(target_os = "linux")] // elsewhere the system verifies certificates
async fn plain_http_needs_no_certificates() {
    if !without_certificates("calls::plain_http_needs_no_certificates") {
        return;
    }
    World::new().endpoints().rate_limit().await.unwrap();
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn missing_certificates_are_reported_at_the_start() {
    if !without_certificates("calls::missing_certificates_are_reported_at_the_start") {
        return;
    }
    let build = |builder: ExtensionBuilder, url: &str| {
        builder.webhook_secret("s").client(|client| client.base_url(url)).build().unwrap()
    };
    let warnings = |extension: &Extension| {
        let texts = extension.report().warnings.iter().map(ToString::to_string);
        texts.filter(|text| text.contains("certificates")).collect::<Vec<_>>()
    };
    for builder in [builder().workspace_token("wk"), builder().extension_api_key("ek")] {
        let extension = build(builder, "https://kiket.example");
        let [warning] = &warnings(&extension)[..] else { panic!("no warning: {:?}", extension.report()) };
        assert!(warning.contains("`ca-certificates`") && warning.contains("`SSL_CERT_FILE`"), "{warning}");
        let error = extension.client().get::<Value>("/api/v1/ext/x").await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::NotConfigured);
        assert!(error.to_string().contains("`ca-certificates`"), "{error}");
    }
    // The keys of runtime tokens, another address that gets tokens, and the records of telemetry are called as well.
    let (kiket, local) = ("https://kiket.example", "http://127.0.0.1:1");
    let tokens =
        |mode, rules: TokenRules| builder().authentication(mode).token_rules(rules.extension_number(7));
    let modes = [Authentication::Token, Authentication::Both, Authentication::Either];
    let more = modes.map(|mode| (tokens(mode, TokenRules::new()), kiket));
    let others = [
        (builder().workspace_token("wk").client(|client| client.allowed_base_url(kiket)), local),
        (builder().telemetry(|telemetry| telemetry.enabled(true).url(kiket)), local),
    ];
    for (builder, url) in more.into_iter().chain(others) {
        let extension = build(builder, url);
        assert_eq!(warnings(&extension).len(), 1, "{url}: {:?}", extension.report());
    }
    let keys = TokenIssuer::new().jwks().to_string();
    let silent = |builder, url: &str| assert_eq!(warnings(&build(builder, url)), [""; 0], "{url}");
    silent(builder(), kiket);
    silent(builder().workspace_token("wk"), local);
    silent(tokens(Authentication::Both, TokenRules::new().keys(keys)), kiket);
    silent(tokens(Authentication::Both, TokenRules::new()), local);
    silent(builder().client(|client| client.allowed_base_url(kiket)), local);
    silent(builder().telemetry(|telemetry| telemetry.enabled(false).url(kiket)), local);
}

#[tokio::test]
async fn a_dead_port_and_an_unknown_name_fail_within_the_timeout() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    for url in [dead.as_str(), "http://no-such-host.invalid"] {
        let extension =
            builder().webhook_secret("s").workspace_token("wk").client(|client| client.base_url(url));
        let extension =
            extension.client(|client| client.call_timeout(Duration::from_secs(3))).build().unwrap();
        let error = extension.client().get::<Value>("/x").await.unwrap_err();
        // A resolver that does not respond at all is cut off.
        assert!(matches!(error.kind(), ClientErrorKind::Connect | ClientErrorKind::Timeout), "{error:?}");
        assert!(!error.to_string().contains("wk"));
    }
}

/// Its system takes two connections into the queue of the listener, and says nothing to a third.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_host_that_does_not_connect_is_given_up() {
    let full = tokio::net::TcpSocket::new_v4().unwrap();
    full.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let full = full.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    let _queued = [(); 2].map(|()| std::net::TcpStream::connect(address).unwrap());
    let extension = builder().webhook_secret("s").workspace_token("wk").client(|client| {
        client.base_url(format!("http://{address}")).connect_timeout(Duration::from_millis(200))
    });
    let error = extension.build().unwrap().client().get::<Value>("/x").await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::Connect, "not the timeout of the call: {error:?}");
}

#[tokio::test]
async fn a_passing_failure_is_not_seen_and_has_one_effect() {
    let world = World::new();
    // The first attempt took effect, and its response was lost: the key keeps the second from doing it again.
    world.platform.fail(Failure::status(503).with_effect().times(1));
    world.endpoints().notify("T", "B", Level::Info).await.unwrap();
    assert_eq!(world.platform.notifications().len(), 1);
    assert_eq!(world.platform.calls().len(), 2);
}

/// A handler that calls Kiket, delivered to in process.
async fn deliver(platform: &FakePlatform, payload: &Value) -> Value {
    async fn handler(context: Context) -> kiket::Result<Reply> {
        context.endpoints().log_event("seen", json!({ "by": "handler" })).await?;
        Ok(Reply::json(json!({ "base_url": context.client().base_url() })))
    }
    let builder = builder().id(ID).on("workflow.sla_status", "v2", handler);
    let extension = TestExtension::new(platform.extension(builder)).unwrap();
    let response = extension.deliver(delivery("workflow.sla_status", "2.0", payload)).await;
    assert_eq!(response.status(), 200, "{}", response.text());
    response.json()
}

#[tokio::test]
async fn calls_of_a_handler_carry_its_version_and_idempotency_keys() {
    let platform = FakePlatform::builder().extension_id(ID).start().unwrap();
    for _ in 0..2 {
        deliver(&platform, &json!({ "id": "d-1" })).await;
    }
    let calls = platform.calls();
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|call| call.header("x-kiket-event-version") == Some("v2")));
    assert_eq!(calls[0].json()["version"], "v2");
    let keys: Vec<_> = calls.iter().map(|call| call.header("idempotency-key").unwrap()).collect();
    assert_eq!(keys[0], keys[1], "a repeated delivery repeats its calls");
    assert_eq!(platform.events().len(), 1, "and they take effect once");
}

#[tokio::test]
async fn extensions_and_namespaces_have_their_own_idempotency_keys() {
    async fn handler(context: Context) -> kiket::Result<()> {
        Ok(context.endpoints().notify("T", "B", Level::Info).await?)
    }
    let platform = FakePlatform::start();
    let deliver = async |builder: kiket::ExtensionBuilder| {
        let builder = platform.extension(builder.on("workflow.sla_status", "v2", handler));
        let extension = TestExtension::new(builder).unwrap();
        let response = extension.deliver(delivery("workflow.sla_status", "v2", &json!({ "id": 1 }))).await;
        assert_eq!(response.status(), 200, "{}", response.text());
    };
    let staging = builder().id("one").dedupe(|dedupe| dedupe.namespace("staging"));
    for builder in [builder().id("one"), builder().id("one"), builder().id("other"), staging] {
        deliver(builder).await;
    }
    let calls = platform.calls();
    let keys: Vec<_> = calls.iter().map(|call| call.header("idempotency-key").unwrap()).collect();
    assert_eq!(keys[0], keys[1]);
    let different: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!((keys.len(), different.len()), (4, 3), "{keys:?}");
}

#[tokio::test]
async fn a_hostile_base_url_gets_no_call_and_no_token() {
    let (platform, hostile) =
        (FakePlatform::builder().extension_id(ID).start().unwrap(), FakePlatform::start());
    let payload = json!({ "api": { "base_url": hostile.url() } });
    assert_eq!(deliver(&platform, &payload).await["base_url"], platform.url());
    assert_eq!((platform.events().len(), hostile.calls().len()), (1, 0));
    for odd in [json!("//evil"), json!("http://user:pw@127.0.0.1"), json!(7), json!(null), json!("")] {
        deliver(&platform, &json!({ "api": { "base_url": odd } })).await;
    }
    assert_eq!(hostile.calls().len(), 0);
}

#[tokio::test]
async fn an_allowed_base_url_is_called() {
    async fn handler(context: Context) -> kiket::Result<()> {
        Ok(context.endpoints().notify("T", "B", Level::Info).await?)
    }
    let (home, other) = (FakePlatform::start(), FakePlatform::start());
    let builder = home
        .extension(builder().on("x", "v1", handler))
        .client(|client| client.allowed_base_url(other.url()));
    let extension = TestExtension::new(builder).unwrap();
    let payload = json!({ "api": { "base_url": other.url() } });
    extension.deliver(delivery("x", "v1", &payload)).await;
    assert_eq!((home.calls().len(), other.calls().len()), (0, 1));
}

#[tokio::test]
async fn a_call_does_not_outlast_its_delivery() {
    async fn handler(context: Context) -> kiket::Result<()> {
        let error = context.client().get::<Value>("/api/v1/ext/rate_limit").await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Timeout);
        Err(error.into())
    }
    let platform = FakePlatform::start();
    platform.fail(Failure::hang());
    let builder =
        platform.extension(builder().on("x", "v1", handler).handler_timeout(Duration::from_millis(200)));
    let response = TestExtension::new(builder).unwrap().deliver(delivery("x", "v1", &json!({}))).await;
    assert!([500, 504].contains(&response.status()), "{}", response.text());
}

#[tokio::test]
async fn ten_thousand_calls_at_once_all_arrive() {
    let world = World::with(|builder| {
        builder.client(|client| {
            client.calls_per_minute(10_000_000).call_timeout(Duration::from_secs(120)).calls_at_once(32)
        })
    });
    world.platform.set_rate_limit(10_000_000, Duration::from_secs(60));
    let client = world.client();
    let calls: Vec<_> = (0..10_000)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { Endpoints::new(client).rate_limit().await.map(|_| ()) })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(world.platform.calls().len(), 10_000);
}

#[tokio::test]
async fn telemetry_and_hook_tell_how_a_handler_fared() {
    let platform = FakePlatform::builder().extension_id(ID).start().unwrap();
    let (sender, records) = std::sync::mpsc::channel();
    let token: Arc<str> = platform.token().into();
    let builder = platform
        .extension(builder().id(ID).version("1.2.3"))
        .telemetry(|telemetry| telemetry.enabled(true))
        .on("fails", "v1", move || {
            let text = format!("the token {token} is bad");
            async { Err::<(), _>(kiket::Error::permanent(text).with_code("quota")) }
        })
        .feedback(move |record| drop(sender.send(record.clone())));
    let extension = TestExtension::new(builder).unwrap();
    extension.deliver(delivery("issue.created", "v1", &json!({}))).await;
    let response = extension.deliver(delivery("fails", "v1", &json!({}))).await;
    assert_eq!(response.json()["error"], "the token … is bad", "whatever its author wrote");
    extension.extension().flush(Duration::from_secs(30)).await;
    assert_eq!(records.try_iter().map(|record| record.event).collect::<Vec<_>>(), ["issue.created", "fails"]);
    let sent = platform.telemetry();
    assert_eq!(sent.len(), 2);
    assert_eq!((&sent[0]["status"], &sent[0]["extension_version"]), (&json!("ok"), &json!("1.2.3")));
    assert_eq!((&sent[1]["status"], &sent[1]["error_class"]), (&json!("error"), &json!("quota")));
    assert_eq!(sent[1]["error_message"], "the token … is bad");
    assert_eq!(platform.calls_to("POST", "/api/v1/ext/telemetry").len(), 2);
}

#[tokio::test]
async fn telemetry_that_is_off_or_hangs_delays_no_delivery() {
    let platform = FakePlatform::builder().extension_id(ID).start().unwrap();
    platform.fail(Failure::hang());
    for on in [true, false] {
        let extension =
            TestExtension::new(platform.extension(builder()).telemetry(|telemetry| telemetry.enabled(on)))
                .unwrap();
        for _ in 0..20 {
            assert_eq!(extension.deliver(delivery("issue.created", "v1", &json!({}))).await.status(), 200);
        }
    }
    assert!(platform.calls().iter().all(|call| call.path().ends_with("/telemetry")));
}
