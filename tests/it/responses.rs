//! The responses to deliveries, in the order of the wire contract (order), and their routes and parts; in process.

use std::{
    collections::HashMap,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kiket::{
    Context, Delivery, Error, Extension, ExtensionBuilder, FromDelivery, HandlerError, Headers, Json,
    Payload, RawBody, Reply, Settings, State,
    http::StatusCode,
    testing::{DeliveryBuilder, SECRET, TestExtension, TestResponse, delivery},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, time::Instant};

use crate::running::{UNSIGNED, within};

const OK: &str = r#"{"ok":true}"#;

/// Responds with handlers of its own only.
fn builder() -> ExtensionBuilder {
    Extension::builder().without_collected().without_manifest().dedupe(|dedupe| dedupe.enabled(false))
}

/// `issue.created` in `v1`, answered with ok.
fn extension() -> TestExtension {
    test(builder().on("issue.created", "v1", async || ()))
}

#[track_caller]
fn test(builder: ExtensionBuilder) -> TestExtension {
    TestExtension::new(builder).expect("the extension starts")
}

fn created() -> DeliveryBuilder {
    delivery("issue.created", "v1", &json!({ "id": "d-1" }))
}

/// Neither signed nor of a kind that could be.
fn unsigned(delivery: DeliveryBuilder) -> DeliveryBuilder {
    delivery.secret("another secret")
}

/// A response is its status, its exact body, and these headers of those that mean something.
#[track_caller]
fn check_with(response: &TestResponse, status: u16, body: &str, headers: &[(&str, &str)]) {
    assert_eq!((response.status(), response.text()), (status, body));
    assert_eq!(response.headers().all("content-type").collect::<Vec<_>>(), [b"application/json"]);
    for name in ["allow", "retry-after", "x-kiket-replayed"] {
        let expected = headers.iter().find(|(expected, _)| *expected == name).map(|(_, value)| *value);
        assert_eq!(response.headers().get(name), expected, "{name}");
    }
}

#[track_caller]
fn check(response: &TestResponse, status: u16, body: &str) {
    check_with(response, status, body, &[]);
}

/// The response to a delivery that does not come to its end.
#[track_caller]
fn check_error(response: &TestResponse, status: u16, code: &str, error: &str) {
    check(response, status, &error_body(code, error, Some("d-1")));
}

fn error_body(code: &str, error: &str, delivery_id: Option<&str>) -> String {
    let id = delivery_id.map(|id| format!(r#","delivery_id":"{id}""#)).unwrap_or_default();
    format!(r#"{{"error":{},"code":"{code}"{id}}}"#, json!(error))
}

// Wire contract, response-path.

#[tokio::test]
async fn a_path_that_is_not_there_is_404() {
    let extension = extension();
    let not_found = r#"{"error":"there is nothing at this path","code":"not_found"}"#;
    for path in [
        "/",
        "/webhooks",
        "/webhooks/",
        "/webhooks/a/b",
        "/v/v1/webhooks",
        "/healthy",
        "/health/",
        "//health",
        "//",
        "/webhooks//",
    ] {
        check(&extension.get(path).await, 404, not_found);
        check(&extension.deliver(created().path(path)).await, 404, not_found);
    }
}

#[tokio::test]
async fn slashes_that_mean_nothing_lose_no_event() {
    let extension = extension();
    for path in [
        "/v/v1/webhooks/issue.created/",
        "//v/v1/webhooks/issue.created",
        "/v/v1//webhooks/issue.created",
        "/v///v1/webhooks/issue.created//",
        "/v/V1/webhooks/issue.created",
        "//webhooks/issue.created?version=V1",
        "/webhooks/issue.created/?version=v1",
    ] {
        assert_eq!(extension.deliver(created().path(path)).await.status(), 200, "{path}");
        let path = path.replace("created", "unknown");
        assert_eq!(extension.deliver(created().path(&*path)).await.status(), 404, "{path}");
    }
    for path in ["/webhook/", "//webhook", "//webhooks/issue.created//"] {
        let response = extension.get(path).await;
        assert_eq!((response.status(), response.headers().get("allow")), (405, Some("POST")), "{path}");
    }
    let prefixed = test(builder().http(|http| http.prefix("/a/b")).on("issue.created", "v1", async || ()));
    for (path, status) in [
        ("/a/b/v/v1/webhooks/issue.created/", 200),
        ("/a//b/v/v1//webhooks/issue.created", 200),
        ("//a/b/v/v1/webhooks/issue.created", 200),
        ("/v/v1/webhooks/issue.created/", 404),
        ("/b//v/v1/webhooks/issue.created", 404),
        ("/x/a/b//v/v1/webhooks/issue.created", 404),
    ] {
        assert_eq!(prefixed.deliver(created().path(path)).await.status(), status, "{path}");
    }
}

#[tokio::test]
async fn a_method_of_another_path_is_405_with_those_it_takes() {
    let extension = extension();
    let body = r#"{"error":"this path does not take this method","code":"method_not_allowed"}"#;
    for path in ["/webhook", "/webhooks/issue.created", "/v/v1/webhooks/issue.created", "/webhooks/unknown"] {
        check_with(&extension.get(path).await, 405, body, &[("allow", "POST")]);
    }
    for path in ["/health", "/health/live", "/health/ready"] {
        check_with(&extension.deliver(created().path(path)).await, 405, body, &[("allow", "GET, HEAD")]);
    }
}

// Wire contract, response-overload.

const DRAINING: &str = r#"{"error":"the extension is shutting down","code":"draining"}"#;
const OVERLOADED: &str = r#"{"error":"too many deliveries are in flight","code":"overloaded"}"#;

#[tokio::test]
async fn while_it_drains_a_delivery_is_503_with_a_time_to_come_back() {
    let extension = extension();
    extension.extension().drain();
    check_with(&extension.deliver(created()).await, 503, DRAINING, &[("retry-after", "5")]);
}

/// An extension of one place, and what opens its handler's gate.
fn one_place() -> (TestExtension, Arc<Semaphore>, Arc<Semaphore>) {
    let (entered, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let builder = builder().concurrency_limit(1).on("issue.created", "v1", {
        let (entered, gate) = (Arc::clone(&entered), Arc::clone(&gate));
        move || {
            let (entered, gate) = (Arc::clone(&entered), Arc::clone(&gate));
            async move {
                entered.add_permits(1);
                gate.acquire().await.unwrap().forget();
            }
        }
    });
    (test(builder), entered, gate)
}

#[tokio::test]
async fn one_delivery_over_the_concurrency_limit_is_503() {
    let (extension, entered, gate) = one_place();
    let (first, ()) = within(async {
        tokio::join!(extension.deliver(created()), async {
            entered.acquire().await.unwrap().forget();
            assert_eq!(extension.extension().in_flight(), 1);
            let second = extension.deliver(created()).await;
            check_with(&second, 503, OVERLOADED, &[("retry-after", "1")]);
            gate.add_permits(1);
        })
    })
    .await;
    check(&first, 200, OK);
    assert_eq!(extension.extension().in_flight(), 0);
}

// Wire contract, response-body-limit.

#[tokio::test]
async fn a_body_at_the_limit_is_taken_and_a_byte_more_is_413() {
    let extension = test(builder().http(|http| http.body_limit(16)).on("issue.created", "v1", async || ()));
    check(&extension.deliver(created().body(r#"{"a":"12345678"}"#)).await, 200, OK);
    let response = extension.deliver(created().body(r#"{"a":"123456789"}"#)).await;
    check(&response, 413, r#"{"error":"the body is larger than 16 bytes","code":"body_too_large"}"#);
}

#[tokio::test]
async fn the_limit_is_a_mebibyte_unless_set() {
    let extension = extension();
    let body = |length: usize| format!("{}{{}}", " ".repeat(length - 2));
    check(&extension.deliver(created().body(body(1024 * 1024))).await, 200, OK);
    let response = extension.deliver(created().body(body(1024 * 1024 + 1))).await;
    check(&response, 413, r#"{"error":"the body is larger than 1048576 bytes","code":"body_too_large"}"#);
}

// Wire contract, response-unsigned.

#[tokio::test]
async fn a_refused_signature_is_401_with_one_body_whatever_the_cause() {
    let extension = extension();
    let signed = created().sign(SECRET, extension.clock().unix_seconds());
    let change = |name: &str, value: Option<&str>| {
        let mut delivery = signed.clone();
        delivery.headers.retain(|(header, _)| header != name);
        delivery.headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        delivery
    };
    for delivery in [
        change("x-kiket-signature", None),
        change("x-kiket-timestamp", None),
        change("x-kiket-signature", Some("sha256=")),
        change("x-kiket-timestamp", Some("1700000001")),
        created().secret("another secret").sign(SECRET, 1_700_000_000),
        created().signed_at(1_699_999_699).sign(SECRET, 1_700_000_000),
        created().header("x-kiket-signature", "0").sign(SECRET, 1_700_000_000),
    ] {
        check(&extension.send(delivery).await, 401, UNSIGNED);
    }
    let counted = extension.extension().stats().signature_refusals;
    assert_eq!(counted.iter().map(|(_, count)| count).sum::<u64>(), 7, "{counted:?}");
}

#[tokio::test]
async fn nothing_in_a_request_switches_the_check_off() {
    let extension = extension();
    for delivery in [
        created().path("/v/v1/webhooks/issue.created?verify=false&skip_signature=1&test=true"),
        created().header("x-kiket-test", "true").header("x-kiket-skip-verification", "1"),
        created().body(r#"{"test":true,"event":"issue.created","authentication":null}"#),
    ] {
        check(&extension.deliver(unsigned(delivery)).await, 401, UNSIGNED);
    }
}

#[tokio::test]
async fn every_live_secret_signs() {
    let builder = builder().webhook_secret("new").webhook_secret("old").on(
        "issue.created",
        "v1",
        async |context: Context| Json(context.secret_position()),
    );
    let extension = test(builder);
    check(&extension.deliver(created()).await, 200, "0");
    check(&extension.deliver(created().secret("old")).await, 200, "1");
    check(&extension.deliver(created().secret("older")).await, 401, UNSIGNED);
}

// Wire contract, response-routing.

const NO_VERSION: &str =
    "the event version is missing: path, header `X-Kiket-Event-Version` or query `version`";
const CONFLICT: &str =
    "path, header `X-Kiket-Event-Version` and query `version` name different event versions";
const MALFORMED_VERSION: &str =
    "an event version is a `v` and digits, or digits with dots, at most 16 bytes, like `v1`";
const MALFORMED_EVENT: &str = "an event name is one to eight segments of letters, digits, `_` and `-` joined by \
                               dots, at most 128 bytes, like `issue.created`";

#[tokio::test]
async fn a_delivery_without_a_version_is_400() {
    let extension = extension();
    for path in [
        "/webhooks/issue.created",
        "/webhooks/issue.created?version=",
        "/webhook",
        "/v/%20/webhooks/issue.created",
    ] {
        let delivery = created().path(path).header("x-kiket-event-version", " ");
        check_error(&extension.deliver(delivery).await, 400, "version_missing", NO_VERSION);
    }
}

#[tokio::test]
async fn versions_that_disagree_are_400() {
    let extension = extension();
    for (path, header) in [
        ("/v/v1/webhooks/issue.created", "v2"),
        ("/v/v1/webhooks/issue.created?version=2", "1"),
        ("/webhooks/issue.created?version=v2", "v1"),
        ("/webhooks/issue.created?version=1&version=2", ""),
        ("/webhook?version=2", "1"),
    ] {
        let delivery = created().path(path).header("X-Kiket-Event-Version", header);
        check_error(&extension.deliver(delivery).await, 400, "versions_conflict", CONFLICT);
    }
}

#[tokio::test]
async fn a_malformed_version_is_400() {
    let extension = extension();
    for path in [
        "/v/latest/webhooks/issue.created",
        "/v/VV1/webhooks/issue.created",
        "/v/v1.0.0.0.0.0.0.0.0/webhooks/issue.created",
        "/v/1%2F2/webhooks/issue.created",
        "/webhooks/issue.created?version=one",
        "/webhooks/issue.created?version=%FF",
        "/webhooks/issue.created?version=1+1",
    ] {
        let response = extension.deliver(created().path(path)).await;
        check_error(&response, 400, "malformed_version", MALFORMED_VERSION);
    }
    let response = extension.deliver(created().header("x-kiket-event-version", "vv1")).await;
    check_error(&response, 400, "malformed_version", MALFORMED_VERSION);
}

#[tokio::test]
async fn a_malformed_event_name_is_400() {
    let extension = extension();
    let long = "x".repeat(129);
    for event in [
        "issue..created",
        ".created",
        "issue.",
        "a%20b",
        "a%2Fb",
        "a%2541",
        "%FF",
        "a%00",
        "%C3%A4",
        "%",
        &long,
    ] {
        let response = extension.deliver(created().path(format!("/v/v1/webhooks/{event}"))).await;
        check_error(&response, 400, "malformed_event", MALFORMED_EVENT);
    }
}

#[tokio::test]
async fn a_path_segment_is_decoded_once() {
    let extension = extension();
    check(&extension.deliver(created().path("/v/%76%31/webhooks/issue%2Ecre%61ted")).await, 200, OK);
    // Decoded once it is `issue.cre%61ted`, and twice it would be the name of a handler.
    for event in ["issue.cre%2561ted", "issue.cre%25%36%31ted", "issue.cre%%361ted"] {
        let response = extension.deliver(created().path(format!("/v/v1/webhooks/{event}"))).await;
        check_error(&response, 400, "malformed_event", MALFORMED_EVENT);
    }
}

// Wire contract, response-no-handler.

#[tokio::test]
async fn an_event_or_a_version_without_a_handler_is_404_and_named() {
    let extension = extension();
    for (event, version) in
        [("issue.deleted", "v1"), ("issue.created", "v2"), ("issue.created", "1.1"), ("Issue.created", "1")]
    {
        let response = extension.deliver(created().path(format!("/v/{version}/webhooks/{event}"))).await;
        let text = format!("No handler registered for event '{event}' with version '{version}'");
        check_error(&response, 404, "no_handler", &text);
    }
}

// Wire contract, response-not-json.

#[tokio::test]
async fn a_body_that_is_no_json_object_is_400() {
    #[track_caller]
    fn check_body(response: &TestResponse, code: &str, error: &str) {
        check(response, 400, &error_body(code, error, None));
    }
    // Whether the handler reads its payload does not matter.
    let extension = test(
        builder().on("issue.created", "v1", async || ()).on("issue.created", "v2", async |_: Payload| ()).on(
            "issue.created",
            "v3",
            async |_: Payload<Created>| (),
        ),
    );
    for version in ["v1", "v2", "v3"] {
        for (body, code, error) in [
            ("", "not_json", "the body is not JSON: it is empty"),
            (" \r\n", "not_json", "the body is not JSON: it is empty"),
            ("[]", "not_an_object", "the body is not a JSON object"),
            ("null", "not_an_object", "the body is not a JSON object"),
            ("\"{}\"", "not_an_object", "the body is not a JSON object"),
            ("{", "not_json", "the body is not JSON: EOF while parsing an object at line 1 column 1"),
            ("hello", "not_json", "the body is not JSON: expected value at line 1 column 1"),
        ] {
            let response = extension.deliver(delivery("issue.created", version, &json!({})).body(body)).await;
            check_body(&response, code, error);
        }
        for body in ["{\"issue\":{}}x", "{} {}", "{'a':1}", "{\"a\":1,}", "{\"a\":NaN}", "{\"a\":\"\n\"}"] {
            let response = extension.deliver(delivery("issue.created", version, &json!({})).body(body)).await;
            assert_eq!(
                (response.status(), response.json()["code"].as_str()),
                (400, Some("not_json")),
                "{version} {body:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_utf8_is_400() {
    let response = extension().deliver(created().body(b"{\"a\":\"\xff\"}".as_slice())).await;
    check(&response, 400, &error_body("not_json", "the body is not JSON: not UTF-8 after byte 6", None));
}

// Wire contract, response-event-mismatch.

#[tokio::test]
async fn a_body_that_names_another_event_than_the_route_is_400() {
    let ran = Arc::new(AtomicUsize::new(0));
    let counting = {
        let ran = Arc::clone(&ran);
        move || {
            ran.fetch_add(1, Ordering::SeqCst);
            async {}
        }
    };
    let extension = test(builder().on("issue.created", "v1", counting));
    for body in [
        json!({ "id": "d-1", "event": "issue.deleted" }),
        json!({ "id": "d-1", "type": "issue.deleted" }),
        json!({ "id": "d-1", "event": "issue.deleted", "type": "issue.created" }),
        json!({ "id": "d-1", "event": "Issue.created" }),
    ] {
        let response = extension.deliver(delivery("issue.created", "v1", &body)).await;
        check_error(
            &response,
            400,
            "event_mismatch",
            "the body names another event than the route's `issue.created`",
        );
    }
    assert_eq!(ran.load(Ordering::SeqCst), 0, "a handler ran");
    for body in [
        r#"{"event":"issue.created","type":"another"}"#,
        r#"{"type":"issue.created"}"#,
        r#"{"event_type":"another"}"#,
        r#"{"event":{"type":"message"}}"#,
        r#"{"event":null,"type":7}"#,
        r#"{"ev\u0065nt":"issue\u002ecreated"}"#,
    ] {
        check(&extension.deliver(created().body(body)).await, 200, OK);
    }
}

#[tokio::test]
async fn a_field_written_twice_hides_no_event_from_the_check() {
    let extension = extension();
    let body = r#"{"event":"issue.created","event":"issue.deleted"}"#;
    assert_eq!(extension.deliver(created().body(body)).await.status(), 400);
}

// Between rows.

#[tokio::test]
async fn an_earlier_check_decides_before_a_later_one() {
    let handler = async |_: Payload<Created>| -> Result<(), Error> { panic!("no handler runs here") };
    let extension = || test(builder().http(|http| http.body_limit(64)).on("issue.created", "v1", handler));
    let open = extension();
    let drained = extension();
    drained.extension().drain();
    let oversize = || created().body(format!("{{\"a\":\"{}\"}}", "x".repeat(64)));
    let (nowhere, unversioned) = ("/v/v1/webhooks/issue.deleted", "/webhooks/issue.created");

    // 1 before 2 and 3.
    assert_eq!(drained.get("/webhook").await.status(), 405);
    assert_eq!(drained.deliver(created().path("/nowhere")).await.status(), 404);
    assert_eq!(open.deliver(unsigned(oversize().path("/health"))).await.status(), 405);
    // 2 before 3, 4 and 5.
    for delivery in [oversize(), unsigned(created()), created().path(unversioned), created().path(nowhere)] {
        check_with(&drained.deliver(delivery).await, 503, DRAINING, &[("retry-after", "5")]);
    }
    // 3 before 4, 5, 6 and 7.
    for delivery in [unsigned(oversize()), oversize().path(unversioned), oversize().path(nowhere)] {
        assert_eq!(open.deliver(delivery).await.status(), 413);
    }
    // 4 before 5, 6, 7 and 8.
    for delivery in [
        created().path(unversioned),
        created().path("/v/latest/webhooks/issue.created"),
        created().path("/v/v1/webhooks/a..b"),
        created().path(nowhere),
        created().path("/webhook").body("{}"),
        created().body("not JSON"),
        created().body(b"\xff".as_slice()),
        created().body(r#"{"event":"issue.deleted"}"#),
    ] {
        check(&open.deliver(unsigned(delivery)).await, 401, UNSIGNED);
    }
    // 5 before 6 and 7, and the version before the event.
    for (path, code) in [
        ("/webhooks/issue.deleted", "version_missing"),
        ("/webhooks/a..b", "version_missing"),
        ("/v/latest/webhooks/a..b", "malformed_version"),
        ("/v/v1/webhooks/a..b", "malformed_event"),
        ("/webhook", "version_missing"),
    ] {
        let response = open.deliver(created().path(path).body("not JSON")).await;
        assert_eq!((response.status(), response.json()["code"].as_str()), (400, Some(code)), "{path}");
    }
    // 6 before 7 where the path names the event, and after it where the body does.
    let response = open.deliver(created().path(nowhere).body("not JSON")).await;
    assert_eq!((response.status(), response.json()["code"].as_str()), (404, Some("no_handler")));
    let response = open.deliver(created().path("/webhook?version=1").body("not JSON")).await;
    assert_eq!((response.status(), response.json()["code"].as_str()), (400, Some("not_json")));
    // 6 before 8.
    let response = open.deliver(created().path(nowhere).body(r#"{"event":"issue.created"}"#)).await;
    assert_eq!(response.status(), 404);
    // 7 and 8 before 11.
    let response = open.deliver(created().body(r#"{"issue":1"#)).await;
    assert_eq!((response.status(), response.json()["code"].as_str()), (400, Some("not_json")));
    let response = open.deliver(created().body(r#"{"issue":1,"event":"issue.deleted"}"#)).await;
    assert_eq!((response.status(), response.json()["code"].as_str()), (400, Some("event_mismatch")));
}

#[tokio::test]
async fn a_full_extension_turns_away_before_it_looks() {
    let (extension, entered, gate) = one_place();
    within(async {
        tokio::join!(extension.deliver(created()), async {
            entered.acquire().await.unwrap().forget();
            for delivery in
                [unsigned(created()), created().path("/webhook"), created().path("/v/v1/webhooks/unknown")]
            {
                check_with(&extension.deliver(delivery).await, 503, OVERLOADED, &[("retry-after", "1")]);
            }
            assert_eq!(extension.get("/health/ready").await.status(), 200, "load is not the end");
            gate.add_permits(1);
        })
    })
    .await;
}

// Wire contract, response-undecodable.

#[derive(Deserialize)]
struct Created {
    #[allow(dead_code)]
    issue: Issue,
}

#[derive(Deserialize)]
struct Issue {
    #[allow(dead_code)]
    title: String,
    #[allow(dead_code)]
    #[serde(default)]
    labels: Vec<Label>,
}

#[derive(Deserialize)]
struct Label {
    #[allow(dead_code)]
    name: String,
}

fn decoding(builder: ExtensionBuilder) -> TestExtension {
    test(builder.on("issue.created", "v1", async |_: Payload<Created>| ()))
}

#[tokio::test]
async fn an_undecodable_payload_is_500_with_the_path_of_the_field() {
    let extension = decoding(builder());
    for (issue, error) in [
        (json!({}), "issue: missing field `title`"),
        (json!({ "title": 7 }), "issue.title: invalid type: integer `7`, expected a string"),
        (
            json!({ "title": "T", "labels": [{ "name": "a" }, { "name": null }] }),
            "issue.labels[1].name: invalid type: null, expected a string",
        ),
        (json!({ "title": "T", "labels": [{ "name": "a" }, {}] }), "issue.labels[1]: missing field `name`"),
    ] {
        let response =
            extension.deliver(delivery("issue.created", "v1", &json!({ "id": "d-1", "issue": issue }))).await;
        check_error(&response, 500, "undecodable_payload", error);
    }
    let response = extension.deliver(created()).await;
    check_error(&response, 500, "undecodable_payload", "missing field `issue`");
}

#[tokio::test]
async fn a_field_that_is_plumbing_is_named_like_any_other() {
    #[derive(Deserialize)]
    struct Typed {
        #[allow(dead_code)]
        delivery_id: u64,
        #[allow(dead_code)]
        timestamp: Vec<u64>,
    }
    let extension = test(builder().on("issue.created", "v1", async |_: Payload<Typed>| ()));
    for (body, error) in [
        (
            json!({ "id": "d-1", "delivery_id": "7" }),
            r#"delivery_id: invalid type: string "7", expected u64"#,
        ),
        (
            json!({ "id": "d-1", "delivery_id": 7, "timestamp": [1, -1] }),
            "timestamp[1]: invalid value: integer `-1`, expected u64",
        ),
    ] {
        let response = extension.deliver(delivery("issue.created", "v1", &body)).await;
        check_error(&response, 500, "undecodable_payload", error);
    }
}

#[tokio::test]
async fn an_undecodable_payload_is_422_where_it_is_given_up() {
    let extension = decoding(builder().give_up_undecodable(true));
    check_error(&extension.deliver(created()).await, 422, "undecodable_payload", "missing field `issue`");
}

// Wire contract, response-reply.

#[tokio::test]
async fn a_value_is_200_and_stays_what_it_is() {
    #[track_caller]
    fn check_value(response: &TestResponse, expected: &str) {
        check(response, 200, expected);
    }
    macro_rules! values {
        ($($value:expr => $expected:expr),* $(,)?) => {$(
            let extension = test(builder().on("issue.created", "v1", async || $value));
            check_value(&extension.deliver(created()).await, $expected);
        )*};
    }
    values! {
        () => OK,
        None::<Value> => OK,
        Ok::<(), Error>(()) => OK,
        Ok::<Option<Reply>, Error>(None) => OK,
        Reply::ok() => OK,
        Json(false) => "false",
        Json(0) => "0",
        Json("") => r#""""#,
        Json(json!({})) => "{}",
        Json(json!([])) => "[]",
        Json(Value::Null) => "null",
        Json(None::<u8>) => "null",
        Value::Null => "null",
        Some(json!(false)) => "false",
        json!({ "a": null, "b": 0, "c": false, "d": "", "e": {} }) => r#"{"a":null,"b":0,"c":false,"d":"","e":{}}"#,
        Reply::json(json!({ "ok": false })) => r#"{"ok":false}"#,
        kiket::Decision::deny("two approvals are missing") =>
            r#"{"status":"deny","message":"two approvals are missing","metadata":{}}"#,
    }
}

// Wire contract, response-retry, response-permanent and response-rejected.

#[tokio::test]
async fn the_kind_of_a_failure_decides_its_response() {
    macro_rules! failures {
        ($($error:expr => $status:literal, $code:literal, $text:literal $(, retry_after $after:literal)?;)*) => {$(
            let extension = test(builder().on("issue.created", "v1", async || Err::<(), HandlerError>($error)));
            let body = error_body($code, $text, Some("d-1"));
            check_with(&extension.deliver(created()).await, $status, &body, &[$(("retry-after", $after))?]);
        )*};
    }
    failures! {
        std::io::Error::other("password=canary").into() => 500, "handler_failed", "handler failed";
        HandlerError::retry("the mail server is down") => 500, "handler_failed", "the mail server is down";
        HandlerError::retry("no mail").because(std::io::Error::other("canary")) => 500, "handler_failed", "no mail";
        HandlerError::retry_after(Duration::from_secs(60), "busy") => 503, "handler_busy", "busy", retry_after "60";
        HandlerError::retry_after(Duration::from_millis(1500), "busy") => 503, "handler_busy", "busy", retry_after "2";
        HandlerError::permanent("no such project") => 422, "handler_failed_permanently", "no such project";
        HandlerError::reject(StatusCode::CONFLICT, "already \"linked\"") => 409, "rejected", "already \"linked\"";
        HandlerError::reject(StatusCode::TOO_MANY_REQUESTS, "slower") => 429, "rejected", "slower";
        HandlerError::reject(StatusCode::OK, "not a 4xx") => 422, "rejected", "not a 4xx";
        HandlerError::permanent("over quota").with_code("quota_exceeded") => 422, "quota_exceeded", "over quota";
        HandlerError::from(std::io::Error::other("canary")).with_code("disk") => 500, "disk", "handler failed";
    }
}

#[tokio::test]
async fn a_value_that_cannot_be_json_fails_and_its_text_is_not_shown() {
    struct Unserializable;
    impl Serialize for Unserializable {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("canary"))
        }
    }
    let extension = test(builder().on("issue.created", "v1", async || Json(Unserializable)));
    check_error(&extension.deliver(created()).await, 500, "handler_failed", "handler failed");
}

#[tokio::test]
async fn a_rejected_extractor_responds_for_the_handler() {
    struct Tenant;
    impl FromDelivery<'_> for Tenant {
        type Rejection = HandlerError;

        async fn from_delivery(_: &Delivery) -> kiket::Result<Self> {
            Err(HandlerError::reject(StatusCode::FORBIDDEN, "no tenant"))
        }
    }
    let extension = test(builder().on("issue.created", "v1", async |_: Tenant| ()));
    check_error(&extension.deliver(created()).await, 403, "rejected", "no tenant");
}

// Wire contract, response-panic.

/// Panics in the way that it holds.
struct Explosive;

impl<'de> Deserialize<'de> for Explosive {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("while it is decoded: canary");
    }
}

#[derive(Deserialize)]
struct PanicsWhenDropped {}

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("while it is dropped: canary");
    }
}

struct PanicsWhenSerialized;

impl Serialize for PanicsWhenSerialized {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("while it is serialized: canary");
    }
}

async fn check_panic(builder: ExtensionBuilder, delivery: DeliveryBuilder) {
    let extension = test(builder.on("issue.updated", "v1", async || ()));
    let response = within(extension.deliver(delivery)).await;
    check_error(&response, 500, "handler_panicked", "handler failed");
    let next = kiket::testing::delivery("issue.updated", "v1", &json!({}));
    check(&within(extension.deliver(next)).await, 200, OK);
    assert_eq!(extension.extension().in_flight(), 0);
}

#[tokio::test]
async fn a_handler_that_panics_is_500_and_the_next_delivery_runs() {
    fn without_a_future() -> std::future::Ready<()> {
        panic!("before there is a future: canary")
    }
    async fn before_an_await() {
        panic!("before an await: canary")
    }
    async fn after_an_await() {
        tokio::task::yield_now().await;
        panic!("after an await: canary {}", 1)
    }
    async fn without_a_text() {
        std::panic::panic_any(7)
    }
    async fn in_its_reply() -> Json<PanicsWhenSerialized> {
        Json(PanicsWhenSerialized)
    }
    check_panic(builder().on("issue.created", "v1", without_a_future), created()).await;
    check_panic(builder().on("issue.created", "v1", before_an_await), created()).await;
    check_panic(builder().on("issue.created", "v1", after_an_await), created()).await;
    check_panic(builder().on("issue.created", "v1", without_a_text), created()).await;
    check_panic(builder().on("issue.created", "v1", in_its_reply), created()).await;
}

#[tokio::test]
async fn a_payload_that_panics_is_500_and_the_next_delivery_runs() {
    check_panic(builder().on("issue.created", "v1", async |_: Payload<Explosive>| ()), created()).await;
    check_panic(builder().on("issue.created", "v1", async |_: Payload<PanicsWhenDropped>| ()), created())
        .await;
    let held = async |payload: Payload<PanicsWhenDropped>| {
        tokio::task::yield_now().await;
        drop(payload);
    };
    check_panic(builder().on("issue.created", "v1", held), created()).await;
}

#[tokio::test]
async fn a_payload_that_panics_in_a_refused_delivery_does_no_harm() {
    let extension = test(builder().on("issue.created", "v1", async |_: Payload<PanicsWhenDropped>| ()).on(
        "issue.updated",
        "v1",
        async || (),
    ));
    let mismatch = delivery("issue.created", "v1", &json!({ "id": "d-1", "event": "issue.updated" }));
    let response = within(extension.deliver(mismatch)).await;
    assert!([400, 500].contains(&response.status()), "{response:?}");
    check(&extension.deliver(delivery("issue.updated", "v1", &json!({}))).await, 200, OK);
    assert_eq!(extension.extension().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_panics_when_it_is_cut_off_is_504() {
    let endless = async |_payload: Payload<PanicsWhenDropped>| std::future::pending::<()>().await;
    let extension = test(builder().on("issue.created", "v1", endless));
    check_error(&within(extension.deliver(created())).await, 504, "deadline_exceeded", LATE);
}

// Wire contract, response-timeout.

const LATE: &str = "the handler ran past its deadline";

#[kiket::webhook("deadline.attribute", version = "v1", timeout = "1s")]
async fn limited_by_its_attribute() {
    std::future::pending::<()>().await;
}

async fn endless() {
    std::future::pending::<()>().await;
}

const TIMEOUTS: &str = "
extension:
  id: com.example.deadlines
  version: 1.0.0
  hooks:
    - event: deadline.attribute
      timeout: 2000
    - event: deadline.hook
      timeout: 2000
    - event: deadline.other
";

/// A manifest on disk, for as long as the file is held.
fn manifest(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[track_caller]
fn check_deadline(response: &TestResponse, from: Instant, seconds: u64) {
    check_error(response, 504, "deadline_exceeded", LATE);
    assert_eq!(from.elapsed().as_secs(), seconds);
}

#[tokio::test(start_paused = true)]
async fn the_timeout_is_the_first_that_is_set_else_ten_seconds() {
    let with_callback =
        format!("{TIMEOUTS}  callback:\n    url: https://example.com/kiket\n    timeout: 3000\n");
    for (text, builder, other) in [
        (with_callback.as_str(), Extension::builder(), 3),
        (with_callback.as_str(), Extension::builder().handler_timeout(Duration::from_secs(4)), 3),
        (TIMEOUTS, Extension::builder().handler_timeout(Duration::from_secs(4)), 4),
        (TIMEOUTS, Extension::builder(), 10),
    ] {
        let file = manifest(text);
        let builder = builder.manifest(file.path()).state(Greeting("hello"));
        let extension = test(builder.on("deadline.hook", "v1", endless).on("deadline.other", "v1", endless));
        for (event, seconds) in [("deadline.attribute", 1), ("deadline.hook", 2), ("deadline.other", other)] {
            let from = Instant::now();
            let response = extension.deliver(delivery(event, "v1", &json!({ "id": "d-1" }))).await;
            check_deadline(&response, from, seconds);
            let report = &extension.extension().report().handlers;
            let row = report.iter().find(|handler| handler.event == event).unwrap();
            assert_eq!(row.timeout, Duration::from_secs(seconds));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_sees_the_time_that_is_left() {
    let handler = async |context: Context| {
        let before = context.remaining();
        tokio::time::sleep(Duration::from_secs(4)).await; // the paused clock jumps
        Json([before.as_secs(), context.remaining().as_secs()])
    };
    let extension = test(builder().on("issue.created", "v1", handler));
    check(&extension.deliver(created()).await, 200, "[10,6]");
}

// Routes.

#[tokio::test]
async fn the_body_names_the_event_on_the_route_that_does_not() {
    let extension =
        test(
            builder()
                .on("issue.created", "v1", async |context: Context| Json(context.event().to_string()))
                .on("issue.updated", "v1", async |context: Context| Json(context.event().to_string())),
        );
    let missing = "the body names no event: `event`, else `type`";
    for (body, expected) in [
        (json!({ "event": "issue.created" }), Ok("issue.created")),
        (json!({ "type": "issue.created" }), Ok("issue.created")),
        (json!({ "event_type": "issue.created" }), Ok("issue.created")),
        (json!({ "event": "issue.updated", "type": "issue.created" }), Ok("issue.updated")),
        (json!({ "type": "issue.updated", "event_type": "issue.created" }), Ok("issue.updated")),
        (json!({ "event": { "type": "message" }, "event_type": "issue.created" }), Ok("issue.created")),
        (json!({ "id": "d-1" }), Err((400, "event_missing", missing))),
        (json!({ "id": "d-1", "event": 7, "type": null }), Err((400, "event_missing", missing))),
        (json!({ "id": "d-1", "event": "issue created" }), Err((400, "malformed_event", MALFORMED_EVENT))),
        (
            json!({ "id": "d-1", "event": "issue.deleted" }),
            Err((404, "no_handler", "No handler registered for event 'issue.deleted' with version 'v1'")),
        ),
    ] {
        for path in ["/webhook?version=v1", "/webhook"] {
            let request = created().path(path).body(body.to_string());
            let request =
                if path == "/webhook" { request.header("x-kiket-event-version", "v1") } else { request };
            let response = extension.deliver(request).await;
            match expected {
                Ok(event) => check(&response, 200, &format!("{event:?}")),
                Err((status, code, error)) => check_error(&response, status, code, error),
            }
        }
    }
}

#[tokio::test]
async fn a_version_has_several_spellings_and_the_handler_sees_its_own() {
    let extension = test(
        builder()
            .on("issue.created", "v1", async |context: Context| Json(context.event_version().to_string()))
            .on("issue.created", "2.1", async |context: Context| Json(context.event_version().to_string())),
    );
    for (spelling, registered) in
        [("1", "v1"), ("v1", "v1"), ("1.0", "v1"), ("v1.0", "v1"), ("2.1", "2.1"), ("v2.1", "2.1")]
    {
        let expected = format!("{registered:?}");
        let by_path = created().path(format!("/v/{spelling}/webhooks/issue.created"));
        let by_header = created()
            .path("/webhooks/issue.created")
            .header("X-KIKET-Event-Version", format!(" {spelling} "));
        let by_query = created().path(format!("/webhooks/issue.created?a&version=%20{spelling}+"));
        let by_all = created()
            .path(format!("/v/{spelling}/webhooks/issue.created?version={registered}"))
            .header("x-kiket-event-version", spelling);
        for delivery in [by_path, by_header, by_query, by_all] {
            check(&extension.deliver(delivery).await, 200, &expected);
        }
    }
}

#[tokio::test]
async fn health_tells_who_it_is_and_no_secrets() {
    let builder = builder()
        .id("com.example.marketing")
        .version("1.2.3")
        .webhook_secret("canary")
        .on("issue.updated", "v1", async || ())
        .on("issue.created", "v2", async || ())
        .on("issue.created", "v1", async || ());
    let extension = test(builder);
    let response = extension.get("/health").await;
    let expected = json!({
        "status": "ok",
        "extension_id": "com.example.marketing",
        "extension_version": "1.2.3",
        "registered_events": ["issue.created", "issue.updated"],
    });
    check(&response, 200, response.text());
    assert_eq!(response.json(), expected);
    assert!(!response.text().contains("canary"));
    check(&extension.get("/health/live").await, 200, r#"{"status":"ok"}"#);
    check(&extension.get("/health/ready").await, 200, r#"{"status":"ready"}"#);
}

#[tokio::test]
async fn an_extension_without_a_name_is_healthy_too() {
    let response = extension().get("/health").await;
    assert_eq!(
        (response.json()["extension_id"].clone(), response.json()["extension_version"].clone()),
        (Value::Null, Value::Null)
    );
}

#[tokio::test]
async fn readiness_is_503_while_draining_and_life_goes_on() {
    let extension = extension();
    extension.extension().drain();
    let ready = extension.get("/health/ready").await;
    assert_eq!((ready.status(), ready.text()), (503, r#"{"status":"draining"}"#));
    assert_eq!(extension.get("/health/live").await.status(), 200);
    assert_eq!(extension.get("/health").await.status(), 200);
}

#[tokio::test]
async fn a_prefix_is_before_all_routes() {
    let extension =
        test(builder().http(|http| http.prefix("/apps/kiket")).on("issue.created", "v1", async || ()));
    let paths = ["/v/v1/webhooks/issue.created", "/webhooks/issue.created?version=1", "/webhook?version=1"];
    for path in paths {
        let delivery = created().body(r#"{"event":"issue.created"}"#);
        check(&extension.deliver(delivery.clone().path(format!("/apps/kiket{path}"))).await, 200, OK);
        assert_eq!(extension.deliver(delivery.path(path)).await.status(), 404);
    }
    for path in ["/health", "/health/live", "/health/ready"] {
        assert_eq!(extension.get(&format!("/apps/kiket{path}")).await.status(), 200);
        assert_eq!(extension.get(path).await.status(), 404);
    }
}

#[tokio::test]
async fn the_endpoint_of_a_hook_is_a_route_of_its_event() {
    let directory = tempfile::tempdir().unwrap();
    let manifest = directory.path().join("extension.yaml");
    let hooks = "extension: { id: com.example.endpoint, version: 1.0.0, delivery: http }
hooks:
- { event: issue.created, endpoint: /webhooks/kiket/issue_created }
- { event: issue.updated, endpoint: /hooks/issue }
- { event: issue.deleted, endpoint: /hooks/issue }
";
    std::fs::write(&manifest, hooks).unwrap();
    let start = |prefix: &str, default: Option<&str>| {
        let builder = Extension::builder().without_collected().manifest(&manifest);
        let builder = default.into_iter().fold(builder, ExtensionBuilder::default_version);
        let builder = builder.dedupe(|dedupe| dedupe.enabled(false)).http(|http| http.prefix(prefix));
        let named = async |context: Context| Json(json!(context.event().as_str()));
        test(
            ["issue.created", "issue.updated", "issue.deleted"]
                .iter()
                .fold(builder, |builder, event| builder.on(event, "v1", named)),
        )
    };
    for prefix in ["", "/kiket"] {
        let unversioned = delivery("", "", &json!({})).path(format!("{prefix}/webhooks/kiket/issue_created"));
        assert_eq!(start(prefix, Some("1")).deliver(unversioned).await.status(), 200);
        let extension = start(prefix, None);
        for (path, body, status, expected) in [
            ("/webhooks/kiket/issue_created?version=v1", json!({}), 200, "issue.created"),
            ("//webhooks/kiket//issue_created/?version=1", json!({}), 200, "issue.created"),
            (
                "/webhooks/kiket/issue_created?version=v1",
                json!({ "event": "issue.created" }),
                200,
                "issue.created",
            ),
            (
                "/webhooks/kiket/issue_created?version=v1",
                json!({ "event": "issue.updated" }),
                400,
                "event_mismatch",
            ),
            ("/webhooks/kiket/issue_created", json!({}), 400, "version_missing"),
            ("/hooks/issue?version=v1", json!({ "event": "issue.updated" }), 200, "issue.updated"),
            ("/hooks/issue?version=v1", json!({ "type": "issue.deleted" }), 200, "issue.deleted"),
            ("/hooks/issue?version=v1", json!({}), 400, "event_missing"),
            ("/hooks/issue/more?version=v1", json!({}), 404, "not_found"),
            ("/x/hooks/issue?version=v1", json!({ "event": "issue.updated" }), 404, "not_found"),
        ] {
            let response = extension.deliver(delivery("", "", &body).path(format!("{prefix}{path}"))).await;
            assert_eq!(response.status(), status, "{prefix}{path}: {}", response.text());
            assert!(response.text().contains(expected), "{prefix}{path}: {}", response.text());
        }
        let path = format!("{prefix}/webhooks/kiket/issue_created");
        let by_header = delivery("", "", &json!({})).path(&path).header("X-Kiket-Event-Version", "v1");
        assert_eq!(extension.deliver(by_header).await.status(), 200);
        let response = extension.get(&format!("{prefix}/hooks/issue")).await;
        assert_eq!((response.status(), response.headers().get("allow")), (405, Some("POST")));
        let report = extension.extension().report().to_string();
        assert!(
            report.contains("deliveries at `/webhooks/kiket/issue_created` are `issue.created`"),
            "{report}"
        );
    }
}

#[test]
fn a_prefix_that_is_none_stops_the_start() {
    for prefix in ["kiket", "/", "/kiket/", "//", "/a b", "/{a}", "/a?b"] {
        let error = TestExtension::new(builder().http(|http| http.prefix(prefix)).on("a", "v1", async || ()))
            .unwrap_err();
        assert!(error.to_string().contains("is not a prefix of paths"), "{prefix}: {error}");
    }
}

// What a handler is given.

struct Greeting(&'static str);

#[derive(Deserialize)]
struct Title<'t> {
    title: &'t str,
}

#[derive(Deserialize)]
struct Number {
    number: u64,
}

/// All eight arguments, one of which borrows from the delivery.
#[kiket::webhook("arguments.eight", version = "v1")]
#[allow(clippy::too_many_arguments)] // as many as there may be
async fn eight(
    borrowed: Payload<Title<'_>>,
    value: Payload,
    context: Context,
    greeting: State<Greeting>,
    settings: Settings,
    headers: Headers,
    raw: RawBody,
    Payload(number): Payload<Number>,
) -> kiket::Result<Json<Value>> {
    tokio::task::yield_now().await; // what is borrowed lives on over an await
    Ok(Json(json!({
        "title": borrowed.title,
        "value": value["title"],
        "id": context.delivery_id(),
        "greeting": greeting.0.0,
        "retries": settings.get::<u32>("MAX_RETRIES")?,
        "key": settings.secret("API_KEY").map(kiket::Secret::expose),
        "agent": headers.get("User-Agent"),
        "bytes": raw.len(),
        "number": number.number,
    })))
}

/// `eight` and what else is annotated here.
pub(crate) fn annotated() -> ExtensionBuilder {
    Extension::builder().without_manifest().state(Greeting("hello"))
}

#[tokio::test]
async fn a_handler_has_up_to_eight_arguments() {
    let file = manifest(
        "id: a.b\nversion: 1.0.0\nsettings:\n  - key: MAX_RETRIES\n    default: 3\n  - key: API_KEY\n    secret: true\n",
    );
    let builder = annotated()
        .dedupe(|dedupe| dedupe.enabled(false))
        .manifest(file.path())
        .environment([("KIKET_SECRET_API_KEY", "k-1")]);
    let extension = test(builder);
    let body = r#"{ "id": 7, "title": "Größe",  "number": 18446744073709551615 }"#;
    let request = delivery("arguments.eight", "1", &()).body(body).header("user-agent", "Kiket/1");
    let response = extension.deliver(request).await;
    assert_eq!(
        (response.status(), response.json()),
        (
            200,
            json!({
                "title": "Größe", "value": "Größe", "id": "7", "greeting": "hello", "retries": 3, "key": "k-1",
                "agent": "Kiket/1", "bytes": body.len(), "number": u64::MAX,
            })
        )
    );
}

#[tokio::test]
async fn text_with_escapes_cannot_be_borrowed_and_is_named() {
    let extension = test(annotated().dedupe(|dedupe| dedupe.enabled(false)));
    let response = extension
        .deliver(delivery("arguments.eight", "1", &()).body(r#"{"id":"d-1","title":"\u0041"}"#))
        .await;
    check_error(
        &response,
        500,
        "undecodable_payload",
        r#"title: invalid type: string "A", expected a borrowed string: a text with escapes, like `\n`, cannot be borrowed; write `#[serde(borrow)]` and `Cow<'_, str>` in place of `&str`"#,
    );
}

#[test]
fn a_missing_state_stops_the_start_and_names_the_handler() {
    let error = TestExtension::new(Extension::builder().without_manifest()).unwrap_err();
    let [problem] = error.problems() else { panic!("{error}") };
    assert!(problem.what.starts_with("no value for `State<"), "{problem}");
    assert!(problem.what.contains("::responses::Greeting>`, required by `"), "{problem}");
    assert!(problem.what.ends_with("::responses::eight`"), "{problem}");
    let place = problem.place.as_ref().expect("where the handler is");
    assert!(place.file.ends_with("tests/it/responses.rs") && place.line > 0, "{problem}");
}

#[tokio::test]
async fn a_raw_body_is_what_was_signed() {
    let extension = test(builder().on("issue.created", "v1", async |raw: RawBody| Json(raw.to_vec())));
    let body = " {\r\n\t\"a\" : 1e0, \"a\":\"\\u00fc\" }\n";
    let response = extension.deliver(created().body(body)).await;
    assert_eq!(response.json(), json!(body.as_bytes()));
}

#[tokio::test]
async fn unknown_fields_and_exact_numbers_are_kept() {
    let extension = test(builder().on("issue.created", "v1", async |payload: Payload| payload.0));
    let body = r#"{"anything":{"n":[1,-1,1.5,18446744073709551615]},"authentication":null,"secrets":{},"context":[]}"#;
    check(
        &extension.deliver(created().body(body)).await,
        200,
        &serde_json::from_str::<Value>(body).unwrap().to_string(),
    );
}

#[tokio::test]
async fn the_id_of_a_delivery_is_the_bodys_else_a_headers() {
    let handler = async |context: Context| -> Result<(), Error> {
        Err(Error::permanent(context.delivery_id().map_or("none".into(), std::borrow::Cow::into_owned)))
    };
    let extension = test(builder().on("issue.created", "v1", handler));
    for (body, headers, expected) in [
        (json!({ "id": "d-1", "delivery_id": "x" }), vec![("x-kiket-invocation", "h")], Some("d-1")),
        (json!({ "id": 42 }), vec![], Some("42")),
        (json!({ "delivery_id": "x" }), vec![("x-kiket-delivery", "h")], Some("x")),
        (json!({ "id": null }), vec![("x-kiket-delivery", "h2"), ("x-kiket-invocation", "h1")], Some("h1")),
        (json!({ "id": { "a": 1 } }), vec![("x-kiket-delivery", "h2")], Some("h2")),
        (json!({}), vec![], None),
    ] {
        let request =
            headers.into_iter().fold(delivery("issue.created", "v1", &body), |request, (name, value)| {
                request.header(name, value)
            });
        let body = error_body("handler_failed_permanently", expected.unwrap_or("none"), expected);
        check(&extension.deliver(request).await, 422, &body);
    }
}

#[tokio::test]
async fn the_text_of_a_failure_is_cut_to_a_readable_length() {
    let long = "ü".repeat(10_000);
    let refuse = long.clone();
    let extension = test(builder().on("issue.created", "v1", move || {
        let text = refuse.clone();
        async move { Err::<(), _>(Error::permanent(text)) }
    }));
    let shown = extension.deliver(created()).await.json()["error"].as_str().unwrap().to_owned();
    assert_eq!(shown, format!("{}…", "ü".repeat(2048)));

    let extension = test(builder().on("issue.created", "v1", async |_: Payload<HashMap<String, u32>>| ()));
    let body = json!({ "id": 1, "title": long }).to_string();
    let shown = extension.deliver(created().body(body)).await.json()["error"].as_str().unwrap().to_owned();
    assert!(shown.starts_with("title: invalid type: string") && shown.len() < 4200, "{}", shown.len());
}
