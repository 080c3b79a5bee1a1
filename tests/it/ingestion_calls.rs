//! The ingestion of raw events and evidence, against the fake platform (wire contract, calls-ingestion).

use std::time::Duration;

use kiket::{
    Context, Extension,
    api::{Endpoints, Evidence, Id, Ingestion, Level, RawEvent},
    client::Client,
    config::Clock,
    error::ClientErrorKind,
    testing::{Call, Failure, FakePlatform, TestExtension, delivery},
};
use serde_json::{Value, json};

use crate::{
    audit_calls::unreadable,
    corpus::corpus,
    world::{SEGMENTS, builder, one_call, request, status},
};

/// 2023-11-14T22:13:20Z
const NOW: u64 = 1_700_000_000;
const SECOND: Duration = Duration::from_secs(1);

struct World {
    platform: FakePlatform,
    extension: Extension,
    clock: Clock,
}

impl World {
    fn new() -> Self {
        let clock = Clock::fixed(NOW);
        let platform = FakePlatform::builder().clock(clock.clone()).start().unwrap();
        let extension = platform.extension(builder()).build().unwrap();
        Self { platform, extension, clock }
    }

    fn client(&self) -> Client {
        self.extension.client()
    }

    fn ingestion(&self) -> Ingestion {
        self.extension.endpoints().ingestion(self.platform.ingestion_key(), self.platform.organization_id())
    }

    /// The one call that was made since the last time. It carries the key and the organisation, and no token.
    #[track_caller]
    fn call(&self) -> Call {
        let call = one_call(&self.platform);
        self.check_headers(&call);
        call
    }

    #[track_caller]
    fn check_headers(&self, call: &Call) {
        assert_eq!(call.header("x-api-key"), Some(self.platform.ingestion_key()));
        assert_eq!(call.header("x-organization-id"), Some(self.platform.organization_id()));
        for absent in ["authorization", "x-kiket-api-key", "x-kiket-runtime-token"] {
            assert_eq!(call.header(absent), None, "{call:?}");
        }
        for token in [self.platform.token(), self.platform.api_key()] {
            let sent = call.headers().iter().any(|(_, value)| String::from_utf8_lossy(value).contains(token));
            assert!(!sent, "{call:?} carries a token of the extension");
        }
    }

    #[track_caller]
    fn request(&self) -> String {
        request(&self.call())
    }

    /// The next call gets this.
    fn response(&self, body: &Value) {
        self.platform.fail(Failure::body(body.to_string()).times(1));
    }

    fn statuses(&self) -> Vec<String> {
        let events = self.platform.raw_events();
        events.iter().map(|event| event["status"].as_str().unwrap().to_owned()).collect()
    }
}

fn event(key: &str) -> RawEvent {
    RawEvent::new("github", "pull_request", key, json!({ "action": "closed" }))
}

#[tokio::test]
async fn the_contract_is_readable() {
    let world = World::new();
    let contract = world.ingestion().contract().await.unwrap();
    assert_eq!(world.request(), "GET /api/v1/platform/extension-ingestion/contract");
    assert_eq!(contract["rawEvent"]["required"][2], "idempotencyKey");
    world.platform.fail(Failure::status(403).times(1));
    assert_eq!(status(world.ingestion().contract().await), 403);
}

#[tokio::test]
async fn a_raw_event_is_ingested_once() {
    let world = World::new();
    let event = event("github:1")
        .source_event_id("42")
        .workspace("ws-1")
        .process(7)
        .metadata(json!({ "deliveryId": "d-1" }))
        .retention_policy(json!({ "rawDays": 30 }));
    let first = world.ingestion().ingest(&event).await.unwrap();
    let call = world.call();
    assert_eq!((call.method(), call.path(), call.query()), ("POST", "/api/v1/platform/raw-events", ""));
    assert_eq!(call.header("content-type"), Some("application/json"));
    assert_eq!(
        call.json(),
        json!({
            "sourceSystem": "github", "sourceEventType": "pull_request", "sourceEventId": "42",
            "idempotencyKey": "github:1", "workspaceId": "ws-1", "processId": 7, "payload": { "action": "closed" },
            "metadata": { "deliveryId": "d-1" }, "retentionPolicy": { "rawDays": 30 },
        })
    );
    assert!(call.header("idempotency-key").is_some());
    let kept = &first.raw_event;
    assert_eq!(
        (first.duplicate, &kept.id, kept.status.as_deref()),
        (false, &Id::from("raw-1"), Some("pending"))
    );
    assert_eq!(kept.received_at, Some("2023-11-14T22:13:20Z".into()));
    assert_eq!((&kept.process_id, &kept.payload), (&Some(Id::from(7)), &json!({ "action": "closed" })));
    assert_eq!(kept.extra["retentionPolicy"], json!({ "rawDays": 30 }), "unknown fields are kept");

    let again = world.ingestion().ingest(&event).await.unwrap();
    assert_eq!((again.duplicate, &again.raw_event.id), (true, &kept.id));
    assert_eq!(world.platform.raw_events().len(), 1);
    assert_eq!(status(world.ingestion().ingest(&RawEvent::new("", "", "", json!([]))).await), 422);
}

/// The first attempt took effect, and its response was lost.
#[tokio::test]
async fn what_has_a_key_is_repeated_and_has_one_effect() {
    let world = World::new();
    let lost = || world.platform.fail(Failure::status(503).with_effect().times(1));
    lost();
    world.ingestion().ingest(&event("1")).await.unwrap();
    lost();
    world.ingestion().evidence(&Evidence::new("approval", "T", "slack", "1")).await.unwrap();
    lost();
    world.ingestion().process("raw-1").await.unwrap();
    lost();
    world.ingestion().submit("raw-1", &json!({})).await.unwrap();
    assert_eq!((world.platform.raw_events().len(), world.platform.evidence().len()), (1, 1));
    let calls = world.platform.calls();
    assert_eq!(calls.len(), 8);
    for pair in calls.chunks(2) {
        assert_eq!(pair[0].header("idempotency-key"), pair[1].header("idempotency-key"));
        for call in pair {
            world.check_headers(call);
        }
    }
}

#[tokio::test]
async fn events_are_claimed_for_a_while() {
    let world = World::new();
    for key in ["1", "2", "3"] {
        world.ingestion().ingest(&event(key)).await.unwrap();
    }
    world.platform.forget_calls();
    let keys = async |limit, seconds| {
        let events = world.ingestion().claim(limit, Duration::from_secs(seconds)).await.unwrap();
        events.into_iter().map(|event| event.idempotency_key.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(keys(2, 30).await, ["1", "2"]);
    assert_eq!(world.request(), "GET /api/v1/platform/raw-events/claim?limit=2&leaseSeconds=30");
    world.ingestion().claim(0, Duration::from_millis(59_001)).await.unwrap_err();
    assert_eq!(world.call().query_value("leaseSeconds"), Some("60"));
    assert_eq!(keys(2, 60).await, ["3"]);
    assert_eq!(keys(2, 60).await, [] as [String; 0]);
    world.clock.advance(Duration::from_secs(29));
    assert_eq!(keys(5, 60).await, [] as [String; 0]);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(keys(5, 10).await, ["1", "2"], "their lease is over, that of the third is not");

    world.ingestion().process("raw-1").await.unwrap();
    world.ingestion().submit("raw-2", &json!({ "title": "T" })).await.unwrap();
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(keys(5, 10).await, ["3"], "what is done is not claimed again");
    assert_eq!(world.statuses(), ["processed", "submitted", "claimed"]);
    assert_eq!(status(world.ingestion().claim(0, SECOND).await), 422);
    assert_eq!(status(world.ingestion().claim(1, Duration::ZERO).await), 422);
}

#[tokio::test]
async fn a_claim_is_tried_once_whatever_happens() {
    let world = World::new();
    for key in ["1", "2", "3"] {
        world.platform.add_raw_event(serde_json::to_value(event(key)).unwrap());
    }
    let keyed = world.client().with_idempotency_key("k");
    let keyed =
        Endpoints::from(keyed).ingestion(world.platform.ingestion_key(), world.platform.organization_id());
    for ingestion in [world.ingestion(), keyed] {
        world.platform.fail(Failure::status(503).with_effect());
        assert_eq!(status(ingestion.claim(1, SECOND).await), 503);
        assert_eq!(world.call().header("idempotency-key"), None);
        world.platform.clear_failures();
    }
    assert_eq!(world.statuses(), ["claimed", "claimed", "pending"], "one lease for each claim");
}

#[tokio::test]
async fn events_are_processed_and_submitted() {
    let world = World::new();
    world.platform.add_raw_event(serde_json::to_value(event("1")).unwrap());
    let response = world.ingestion().process("raw-1").await.unwrap();
    assert_eq!(response["rawEvent"]["status"], "processed");
    let call = world.call();
    assert_eq!((call.method(), call.path()), ("POST", "/api/v1/platform/raw-events/raw-1/process"));
    assert_eq!(call.json(), json!({}));

    let claimed = Id::from("raw-1");
    let response = world.ingestion().submit(&claimed, &json!({ "title": "T" })).await.unwrap();
    assert_eq!(response["rawEvent"]["normalized"], json!({ "title": "T" }));
    let call = world.call();
    assert_eq!((call.method(), call.path()), ("POST", "/api/v1/platform/raw-events/raw-1/submit"));
    assert_eq!(call.json(), json!({ "normalized": { "title": "T" } }));
    assert_eq!(world.platform.raw_events()[0]["normalized"]["title"], "T");

    assert_eq!(status(world.ingestion().process("raw-2").await), 404);
    assert_eq!(status(world.ingestion().submit("raw-2", &json!({})).await), 404);
    assert_eq!(status(world.ingestion().submit("raw-1", &json!("text")).await), 422);
}

#[tokio::test]
async fn every_id_stays_one_segment_of_the_path() {
    let world = World::new();
    for (id, encoded) in SEGMENTS {
        assert_eq!(status(world.ingestion().process(id).await), 404);
        assert_eq!(world.request(), format!("POST /api/v1/platform/raw-events/{encoded}/process"));
        assert_eq!(status(world.ingestion().submit(id, &json!({})).await), 404);
        assert_eq!(world.request(), format!("POST /api/v1/platform/raw-events/{encoded}/submit"));
    }
    for id in ["", ".", ".."] {
        let error = world.ingestion().process(id).await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::InvalidRequest, "{id}");
    }
    assert_eq!(world.platform.calls().len(), 0);
}

#[tokio::test]
async fn evidence_is_handed_in_once() {
    let world = World::new();
    let evidence = Evidence::new("approval", "Approved by Ada", "slack", "slack:C1:17")
        .source_object_id("17")
        .workspace("ws-1")
        .process("p-1")
        .case("case-1")
        .captured_at("2026-01-17T10:30:00Z")
        .payload(json!({ "user": "ada" }))
        .retention_policy(json!({ "evidenceDays": 365 }));
    let response = world.ingestion().evidence(&evidence).await.unwrap();
    assert_eq!((&response["duplicate"], &response["evidence"]["id"]), (&json!(false), &json!("evidence-1")));
    let call = world.call();
    assert_eq!((call.method(), call.path()), ("POST", "/api/v1/platform/evidence"));
    assert_eq!(
        call.json(),
        json!({
            "evidenceType": "approval", "title": "Approved by Ada", "sourceSystem": "slack",
            "dedupeKey": "slack:C1:17", "sourceObjectId": "17", "workspaceId": "ws-1", "processId": "p-1",
            "caseId": "case-1", "capturedAt": "2026-01-17T10:30:00Z", "payload": { "user": "ada" },
            "retentionPolicy": { "evidenceDays": 365 },
        })
    );
    assert_eq!(world.ingestion().evidence(&evidence).await.unwrap()["duplicate"], true);
    assert_eq!(world.platform.evidence().len(), 1);
    assert_eq!(status(world.ingestion().evidence(&Evidence::new("", "", "", "")).await), 422);
}

/// Tokens of the extension stay away from ingestion, and its key from everything else.
#[tokio::test]
async fn no_call_carries_the_credentials_of_another_source() {
    let world = World::new();
    let endpoints = world.extension.endpoints();
    let ingestion = world.ingestion();
    ingestion.contract().await.unwrap();
    ingestion.ingest(&event("1")).await.unwrap();
    ingestion.claim(1, SECOND).await.unwrap();
    ingestion.process("raw-1").await.unwrap();
    ingestion.submit("raw-1", &json!({})).await.unwrap();
    ingestion.evidence(&Evidence::new("a", "b", "c", "d")).await.unwrap();
    let calls = world.platform.calls();
    assert_eq!(calls.len(), 6);
    for call in &calls {
        world.check_headers(call);
    }
    world.platform.forget_calls();

    endpoints.rate_limit().await.unwrap();
    endpoints.notify("T", "B", Level::Info).await.unwrap();
    world.client().get::<Value>("/api/v1/platform/evidence?x").await.unwrap_err();
    for call in world.platform.calls() {
        assert_eq!((call.header("x-api-key"), call.header("x-organization-id")), (None, None), "{call:?}");
        assert!(call.header("authorization").is_some());
    }
}

#[tokio::test]
async fn ingestion_needs_no_api_token_and_keeps_the_version() {
    async fn handler(context: Context) -> kiket::Result<()> {
        let ingestion = context.endpoints().ingestion("kiket_test_ingestion_key", "org_test");
        ingestion.ingest(&event("1")).await?;
        Ok(())
    }
    let platform = FakePlatform::start();
    let builder = builder()
        .client(|client| client.base_url(platform.url()))
        .webhook_secret(platform.webhook_secret())
        .on("x", "v2", handler);
    let extension = TestExtension::new(builder).unwrap();
    for _ in 0..2 {
        let response = extension.deliver(delivery("x", "v2", &json!({ "id": "d-1" }))).await;
        assert_eq!(response.status(), 200, "{}", response.text());
    }
    let calls = platform.calls();
    assert_eq!((calls.len(), platform.raw_events().len()), (2, 1));
    assert_eq!(calls[0].header("x-kiket-event-version"), Some("v2"));
    assert_eq!(calls[0].header("idempotency-key"), calls[1].header("idempotency-key"));
}

#[tokio::test]
async fn credentials_that_cannot_be_sent_fail_before_anything_is_sent() {
    let world = World::new();
    for (key, organization, words) in [
        ("", "org_test", "the API key of the ingestion is blank"),
        (" ", "org_test", "the API key of the ingestion is blank"),
        ("k", "", "the id of the organisation is blank"),
        ("canary\n", "org_test", "a header cannot carry"),
        ("canary", "org\0", "a header cannot carry"),
    ] {
        let ingestion = world.extension.endpoints().ingestion(key, organization);
        let error = ingestion.claim(1, SECOND).await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::NotConfigured, "{error}");
        assert_eq!(error.call(), "GET /api/v1/platform/raw-events/claim");
        assert!(error.message().contains(words), "{error}");
        assert!(!format!("{error} {error:?} {ingestion:?}").contains("canary"));
    }
    assert_eq!(world.platform.calls().len(), 0);
    assert_eq!(status(world.extension.endpoints().ingestion("wrong", "org_test").contract().await), 401);
    assert_eq!(
        status(
            world.extension.endpoints().ingestion(world.platform.ingestion_key(), "another").contract().await
        ),
        401
    );
}

#[tokio::test]
async fn a_key_that_comes_back_is_not_shown() {
    let world = World::new();
    let ingestion = world.extension.endpoints().ingestion("canary_key", "org_test");
    let echo =
        json!({ "error": "bad canary_key", "code": "canary_key", "errors": { "key": ["canary_key"] } });
    world
        .platform
        .fail(Failure::status(401).with_body(echo.to_string()).header("X-Request-Id", "canary_key").times(1));
    let error = ingestion.contract().await.unwrap_err();
    assert_eq!(error.message(), "bad …");
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");

    // Where the response is read, too, and where the excerpt would cut it in half.
    for body in
        [json!({ "rawEvents": "canary_key" }), json!({ "x": format!("{}canary_key", "_".repeat(500)) })]
    {
        world.response(&body);
        let error = ingestion.claim(1, SECOND).await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Unreadable);
        assert!(error.excerpt().is_some());
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
    assert!(!format!("{ingestion:?}").contains("canary"));
}

#[tokio::test]
async fn claims_are_read_in_each_of_their_spellings() {
    let world = World::new();
    let claimed = "GET /api/v1/platform/raw-events/claim";
    let events = json!([{ "id": 1, "sourceEventType": "push", "leaseToken": "t" }]);
    for body in [
        events.clone(),
        json!({ "rawEvents": events, "count": 1 }),
        json!({ "events": events }),
        json!({ "data": events }),
    ] {
        world.response(&body);
        let events = world.ingestion().claim(1, SECOND).await.unwrap();
        assert_eq!((events.len(), &events[0].id), (1, &Id::from(1)));
        assert_eq!((&events[0].extra["leaseToken"], &events[0].payload), (&json!("t"), &Value::Null));
    }
    for (body, words) in [
        (json!({}), "rawEvents"),
        (json!(null), "expected a sequence"),
        (json!({ "rawEvents": null }), "expected a sequence"),
        (json!({ "rawEvents": [{ "id": 1 }] }), "sourceEventType"),
        (
            json!({ "rawEvents": [{ "id": null, "sourceEventType": "x" }] }),
            "expected an id, a whole number or a text",
        ),
        (json!({ "rawEvents": [{ "id": 1, "sourceEventType": 2 }] }), "expected a string"),
    ] {
        world.response(&body);
        unreadable(world.ingestion().claim(1, SECOND).await, claimed, words);
    }
    for body in [
        json!({}),
        json!([]),
        json!({ "rawEvent": null }),
        json!({ "rawEvent": events[0], "duplicate": "yes" }),
    ] {
        world.response(&body);
        unreadable(world.ingestion().ingest(&event("1")).await, "POST /api/v1/platform/raw-events", "");
    }
}

/// Raw events as others wrote them.
#[tokio::test]
async fn real_raw_events_are_understood() {
    let Some(folder) = corpus("payloads") else { return };
    let read = |name: &str| {
        let text = std::fs::read(folder.join(name).with_extension("json")).unwrap();
        serde_json::from_slice::<Value>(&text).unwrap()
    };
    let world = World::new();
    for name in ["adapter-slack-1", "adapter-webhook-1"] {
        let written = read(name);
        world.response(&json!({ "rawEvents": [written] }));
        let claimed = world.ingestion().claim(1, SECOND).await.unwrap().remove(0);
        assert_eq!((&claimed.id, &claimed.organization_id), (&Id::from("raw-1"), &Some(Id::from("org-1"))));
        assert_eq!((&claimed.payload, &claimed.metadata), (&written["payload"], &written["metadata"]));
        assert!(claimed.extra.is_empty(), "{claimed:?}");
    }
    let written = read("platform-raw-event-1");
    let event: RawEvent = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(&event).unwrap(), written);
    assert!(!world.ingestion().ingest(&event).await.unwrap().duplicate);
}
