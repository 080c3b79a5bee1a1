//! The platform, asked over plain sockets.

mod intake;
mod projects;

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::testing::platform::*;
use crate::{
    error::HandlerError,
    extension::Extension,
    handler::{Payload, Reply},
    testing::{
        delivery,
        extension::{SECRET, TestExtension},
    },
};

/// No test waits longer for anything.
const BOUND: Duration = Duration::from_secs(10);

const NOW: u64 = 1_700_000_000;

/// A platform whose clock stands.
fn platform() -> Platform {
    Platform::builder().clock(Clock::fixed(NOW)).start().unwrap()
}

/// What came over the wire.
struct Received {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Received {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

/// A request with the right token and key.
struct Ask {
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn ask(method: &'static str, target: &str) -> Ask {
    let headers = vec![
        ("Authorization", "Bearer kiket_test_token".to_owned()),
        ("X-Kiket-API-Key", "kiket_test_api_key".to_owned()),
    ];
    Ask { method, target: target.to_owned(), headers, body: Vec::new() }
}

impl Ask {
    fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into();
        self.header("Content-Type", "application/json")
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(own, _)| *own != name);
        self
    }

    fn begin(&self, platform: &Platform) -> TcpStream {
        let mut stream = TcpStream::connect(platform.address()).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        let mut head =
            format!("{} {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let length = format!("Content-Length: {}\r\n\r\n", self.body.len());
        stream.write_all(&[head.as_bytes(), length.as_bytes(), &self.body].concat()).unwrap();
        stream
    }

    /// Everything up to the end of the connection, however that comes.
    fn raw(&self, platform: &Platform) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = self.begin(platform).read_to_end(&mut bytes);
        bytes
    }

    #[track_caller]
    fn send(&self, platform: &Platform) -> Received {
        let bytes = self.raw(platform);
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("an answer has a head");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Received { status, head, body: bytes[end + 4..].to_vec() }
    }

    #[track_caller]
    fn check(&self, platform: &Platform, status: u16) -> Received {
        let received = self.send(platform);
        let (method, target, body) = (self.method, &self.target, String::from_utf8_lossy(&received.body));
        assert_eq!(received.status, status, "{method} {target}: {body}");
        received
    }
}

const SECRETS: &str = "/api/v1/extensions/com.example.x/secrets";
const CONTACTS: &str = "/api/v1/ext/custom_data/crm/contacts";
const RATE: &str = "/api/v1/ext/rate_limit";
const FORMS: &str = "/api/v1/ext/intake_forms";
const SENT: &str = "/api/v1/ext/intake_forms/bug-report/submissions";

/// What is refused as invalid, and the fields that the answer names.
#[track_caller]
fn check_invalid(platform: &Platform, ask: &Ask, errors: &Value) {
    assert_eq!(ask.check(platform, 422).json()["errors"], *errors, "{} {}", ask.method, ask.target);
}

/// The items of a list, by one of their fields.
#[track_caller]
fn listed(platform: &Platform, target: &str, field: &str) -> Vec<Value> {
    let list = ask("GET", target).check(platform, 200).json();
    list["data"].as_array().unwrap().iter().map(|item| item[field].clone()).collect()
}
const ANCHORS: &str = "/api/v1/audit/anchors";
const RAW_EVENTS: &str = "/api/v1/platform/raw-events";

#[test]
fn a_runtime_token_is_ordered_and_opens_what_the_workspace_token_opens() {
    let platform = platform();
    let order = |body: &Value| ask("POST", "/runtime_tokens").json(body);
    let given = order(&json!({ "scopes": ["issues:read"] })).check(&platform, 201).json();
    let token = given["runtime_token"].as_str().unwrap();
    assert_eq!((token.split('.').count(), &given["expires_in"]), (3, &json!(300)));
    assert_eq!(ask("GET", "/.well-known/jwks.json").check(&platform, 200).json(), platform.jwks());
    check_invalid(&platform, &order(&json!({ "scope": [] })), &json!({ "body": ["has unknown members"] }));
    check_invalid(
        &platform,
        &order(&json!({ "scopes": "all" })),
        &json!({ "scopes": ["must be a list of texts"] }),
    );

    let with =
        |token: &str| ask("GET", SECRETS).without("Authorization").header("x-kiket-runtime-token", token);
    with(token).check(&platform, 200);
    with("another").check(&platform, 401);
    ask("POST", "/runtime_tokens").without("Authorization").json(&json!({})).check(&platform, 401);
    platform.clock().advance(Duration::from_secs(300));
    with(token).check(&platform, 401);
}

#[test]
fn secrets_are_set_read_rotated_and_deleted() {
    let platform = platform();
    let key = format!("{SECRETS}/A");
    ask("GET", &key).check(&platform, 404);
    ask("PATCH", &key).json(&json!({ "value": "new" })).check(&platform, 404);
    ask("DELETE", &key).check(&platform, 404);
    ask("POST", &key).json(&json!({ "value": "one" })).check(&platform, 201);
    assert_eq!(ask("GET", &key).check(&platform, 200).json(), json!({ "value": "one" }));
    ask("POST", &key).json(&json!({ "value": "two" })).check(&platform, 200);
    ask("PATCH", &key).json(&json!({ "value": "" })).check(&platform, 200);
    assert_eq!(platform.secret("A").as_deref(), Some(""));
    platform.set_secret("B", "b");
    assert_eq!(ask("GET", SECRETS).check(&platform, 200).json(), json!({ "keys": ["A", "B"] }));
    for body in [json!({}), json!({ "value": 1 }), json!({ "value": null })] {
        let error = ask("POST", &key).json(&body).check(&platform, 422).json();
        assert_eq!(error["errors"], json!({ "value": ["must be text"] }));
    }
    assert!(ask("DELETE", &key).check(&platform, 204).body.is_empty());
    assert_eq!(platform.secret("A"), None);
}

#[test]
fn the_list_of_secrets_has_a_second_shape() {
    let clock = Clock::fixed(NOW);
    let platform = Platform::builder().clock(clock.clone()).detailed_secret_list(true).start().unwrap();
    platform.set_secret("A", "a");
    clock.advance(Duration::from_secs(60));
    platform.set_secret("A", "b");
    let list = ask("GET", SECRETS).check(&platform, 200).json();
    let (created, updated) = ("2023-11-14T22:13:20Z", "2023-11-14T22:14:20Z");
    assert_eq!(list, json!([{ "key": "A", "created_at": created, "updated_at": updated }]));
}

#[test]
fn keys_are_one_decoded_segment_and_paths_are_kept_as_sent() {
    let platform = platform();
    for (encoded, key) in [
        ("a%2Fb", "a/b"),
        ("%3F%23%20%25", "?# %"),
        ("%2E%2E", ".."),
        ("%C3%A4%F0%9F%A6%80", "ä🦀"),
        ("a+b", "a+b"),
    ] {
        let path = format!("{SECRETS}/{encoded}");
        ask("POST", &path).json(&json!({ "value": "v" })).check(&platform, 201);
        assert_eq!(platform.secret(key).as_deref(), Some("v"), "{key}");
        let call = platform.calls_to("POST", &path).remove(0);
        assert_eq!((call.segments()[5].as_str(), call.path()), (key, path.as_str()));
    }
}

#[test]
fn records_are_made_found_changed_and_deleted() {
    let platform = platform();
    let contacts = format!("{CONTACTS}?project_id=7");
    let record = |id: &str| format!("{CONTACTS}/{id}?project_id=7");
    let create = ask("POST", &contacts).json(&json!({ "record": { "email": "a@example.com", "id": 99 } }));
    assert_eq!(create.check(&platform, 201).json(), json!({ "data": { "id": 1, "email": "a@example.com" } }));
    assert_eq!(
        ask("GET", &record("1")).check(&platform, 200).json()["data"],
        json!({ "id": 1, "email": "a@example.com" })
    );
    let update = ask("PATCH", &record("1")).json(&json!({ "record": { "name": "A", "id": 5 } }));
    let updated = json!({ "id": 1, "email": "a@example.com", "name": "A" });
    assert_eq!(update.check(&platform, 200).json(), json!({ "data": updated }));
    assert_eq!(platform.records("crm", "contacts"), [updated]);
    assert_eq!(ask("GET", &contacts).check(&platform, 200).json()["data"].as_array().unwrap().len(), 1);
    for other in ["2", "01"] {
        ask("GET", &record(other)).check(&platform, 404);
    }
    // Another project does not see it, nor another table.
    ask("GET", &format!("{CONTACTS}/1?project_id=8")).check(&platform, 404);
    ask("DELETE", "/api/v1/ext/custom_data/crm/deals/1?project_id=7").check(&platform, 404);
    for body in [json!({}), json!({ "record": [] }), json!({ "email": "a" })] {
        ask("POST", &contacts).json(&body).check(&platform, 422);
    }
    ask("DELETE", &record("1")).check(&platform, 204);
    ask("DELETE", &record("1")).check(&platform, 404);
}

#[test]
fn a_project_must_be_named() {
    let platform = platform();
    for query in ["", "?project_id", "?project_id=", "?project_id=%20+", "?project=7"] {
        for (method, path) in [("GET", CONTACTS), ("POST", CONTACTS), ("GET", "/api/v1/ext/sla/events")] {
            let ask = ask(method, &format!("{path}{query}")).json(&json!({ "record": {} }));
            let error = ask.check(&platform, 422).json();
            assert_eq!(error["error"], "project_id can't be blank");
            assert_eq!(error["errors"], json!({ "project_id": ["can't be blank"] }));
        }
    }
    assert_eq!(platform.records("crm", "contacts"), [] as [Value; 0]);
}

#[test]
fn lists_are_filtered_and_paged() {
    let platform = platform();
    for (name, active) in [("a", true), ("b", false), ("c", true), ("d", true)] {
        platform.add_record(7, "crm", "contacts", json!({ "name": name, "active": active }));
    }
    platform.add_record("other", "crm", "contacts", json!({ "name": "e" }));
    let list = |query: &str| ask("GET", &format!("{CONTACTS}?project_id=7{query}")).send(&platform);
    let names = |query: &str| {
        let list = list(query).json();
        let names = list["data"].as_array().unwrap().iter().map(|record| record["name"].as_str().unwrap());
        (names.collect::<String>(), list["meta"]["next_page"].clone())
    };
    assert_eq!(names(""), ("abcd".into(), json!(null)));
    assert_eq!(names("&limit=3"), ("abc".into(), json!(2)));
    assert_eq!(names("&limit=3&page=2"), ("d".into(), json!(null)));
    assert_eq!(names("&limit=2&page=2"), ("cd".into(), json!(null)));
    assert_eq!(names("&limit=2&page=9"), (String::new(), json!(null)));
    // %7B is `{`: {"active":true}
    assert_eq!(names("&filters=%7B%22active%22:true%7D"), ("acd".into(), json!(null)));
    assert_eq!(names("&filters=%7B%22active%22:true,%22name%22:%22c%22%7D"), ("c".into(), json!(null)));
    assert_eq!(names("&filters=%7B%22none%22:1%7D"), (String::new(), json!(null)));
    for wrong in ["&limit=0", "&limit=x", "&page=-1", "&filters=x", "&filters=[]"] {
        assert_eq!(list(wrong).status, 422, "{wrong}");
    }
}

#[test]
fn the_platform_may_make_its_pages_smaller() {
    let platform = Platform::builder().page_size(2).start().unwrap();
    for _ in 0..3 {
        platform.add_record(7, "crm", "contacts", json!({}));
    }
    for query in ["", "&limit=50"] {
        let list = ask("GET", &format!("{CONTACTS}?project_id=7{query}")).check(&platform, 200).json();
        assert_eq!(list["data"].as_array().unwrap().len(), 2);
        assert_eq!(list["meta"], json!({ "page": 1, "next_page": 2, "total": 3 }));
    }
}

#[test]
fn sla_events_are_filtered() {
    let platform = platform();
    platform.add_sla_event(json!({ "issue_id": 42, "project_id": 7, "state": "imminent" }));
    platform.add_sla_event(json!({ "issue_id": "43", "project_id": "7", "state": "breached", "id": 9 }));
    platform.add_sla_event(json!({ "issue_id": 42, "project_id": 8, "state": "imminent" }));
    let list = |query: &str| {
        let answer = ask("GET", &format!("/api/v1/ext/sla/events?project_id=7{query}")).check(&platform, 200);
        let events = answer.json()["data"].as_array().unwrap().clone();
        events.iter().map(|event| event["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(list(""), [1, 9]);
    assert_eq!(list("&issue_id=42"), [1]);
    assert_eq!(list("&issue_id=43&state=breached"), [9]);
    assert_eq!(list("&state=recovered"), [] as [u64; 0]);
    assert_eq!(list("&limit=1&page=2"), [9]);
    ask("GET", "/api/v1/ext/sla/events?project_id=7&state=late").check(&platform, 422);
    let event = &ask("GET", "/api/v1/ext/sla/events?project_id=8").check(&platform, 200).json()["data"][0];
    for field in
        ["id", "issue_id", "project_id", "state", "triggered_at", "resolved_at", "definition", "metrics"]
    {
        assert!(event.get(field).is_some(), "{field}");
    }
}

#[test]
fn reports_are_checked_and_kept() {
    let platform = platform();
    let time = "2026-01-17T10:30:00.000Z";
    let event = json!({ "event": "issue.created", "version": "v1", "data": { "a": 1 }, "timestamp": time });
    let note = json!({ "title": "T", "body": "B", "level": "warning" });
    let metric = json!({ "name": "n", "value": 1.5, "unit": "ms" });
    let record =
        json!({ "event": "e", "version": "v1", "status": "ok", "duration_ms": 12, "timestamp": time });
    let cases = [
        (
            "/api/v1/extensions/com.example.x/events",
            &event,
            "timestamp",
            json!("2026-01-17T10:30:00+01:00"),
            202,
        ),
        ("/api/v1/extensions/notifications", &note, "level", json!("loud"), 201),
        ("/api/v1/extensions/metrics", &metric, "value", json!("1.5"), 202),
        ("/api/v1/ext/telemetry", &record, "status", json!("fine"), 202),
        ("/telemetry", &record, "duration_ms", json!(null), 202),
    ];
    for (path, right, field, wrong, status) in cases {
        ask("POST", path).json(right).check(&platform, status);
        let mut body = right.clone();
        body[field] = wrong;
        let error = ask("POST", path).json(&body).check(&platform, 422).json();
        assert!(error["errors"][field].is_array(), "{path}: {error}");
        ask("POST", path).json(&json!({})).check(&platform, 422);
        ask("POST", path).json(&json!([])).check(&platform, 400);
        let mut cut = ask("POST", path).json(right);
        cut.body.pop();
        cut.check(&platform, 400);
        ask("POST", path).check(&platform, 415);
        ask("GET", path).check(&platform, 405);
    }
    assert_eq!(platform.events(), [event]);
    assert_eq!(platform.notifications(), [note]);
    assert_eq!(platform.metrics(), [metric]);
    assert_eq!(platform.telemetry(), [record.clone(), record]);
}

#[test]
fn metadata_is_of_the_extension_that_is_asked_for() {
    let platform = platform();
    let answer = ask("GET", "/api/v1/extensions/com.example.x").check(&platform, 200).json();
    assert_eq!(answer, json!({ "id": "com.example.x", "name": "com.example.x", "version": "1.0.0" }));
}

#[test]
fn another_extension_than_the_one_there_is_is_unknown() {
    let platform = Platform::builder().extension_id("com.example.x").start().unwrap();
    ask("GET", "/api/v1/extensions/com.example.x").check(&platform, 200);
    for path in ["/api/v1/extensions/other", "/api/v1/extensions/other/secrets/A"] {
        assert_eq!(ask("GET", path).check(&platform, 404).json()["error"], "extension not found");
    }
}

#[test]
fn unknown_paths_and_wrong_methods_are_told_apart() {
    let platform = platform();
    for path in
        ["/", "/api/v1", "/api/v1/extensions", "/api/v1/extensions/", "/api/v2/ext/rate_limit", "//telemetry"]
    {
        ask("GET", path).check(&platform, 404);
    }
    for (method, path, allow) in [
        ("PUT", format!("{SECRETS}/A"), "GET, POST, PATCH, DELETE"),
        ("DELETE", CONTACTS.to_owned(), "GET, POST"),
        ("POST", RATE.to_owned(), "GET"),
        ("POST", ANCHORS.to_owned(), "GET"),
        ("GET", "/api/v1/audit/verify".to_owned(), "POST"),
        ("GET", RAW_EVENTS.to_owned(), "POST"),
        ("POST", format!("{RAW_EVENTS}/claim"), "GET"),
    ] {
        assert_eq!(ask(method, &path).check(&platform, 405).header("allow"), Some(allow));
    }
}

#[test]
fn tokens_and_keys_are_checked_where_the_contract_wants_them() {
    #[track_caller]
    fn check(path: &str, token: Option<&str>, key: Option<&str>, status: u16) {
        let platform = platform();
        let mut ask = ask("GET", path).without("Authorization").without("X-Kiket-API-Key");
        if let Some(token) = token {
            ask = ask.header("Authorization", token);
        }
        if let Some(key) = key {
            ask = ask.header("X-Kiket-API-Key", key);
        }
        let answer = ask.check(&platform, status);
        if status == 401 {
            assert!(answer.json()["error"].is_string());
            assert_eq!(platform.calls()[0].status(), Some(401));
            assert_eq!(answer.header("x-ratelimit-remaining"), Some("600"));
        }
    }
    let (token, key) = ("Bearer kiket_test_token", "kiket_test_api_key");
    check(SECRETS, Some(token), None, 200);
    check(SECRETS, Some(token), Some(key), 200);
    check(SECRETS, None, None, 401);
    check(SECRETS, None, Some(key), 401);
    check(SECRETS, Some("Bearer wrong"), None, 401);
    check(SECRETS, Some("kiket_test_token"), None, 401);
    check(SECRETS, Some(token), Some("wrong"), 401);
    check(RATE, Some(token), Some(key), 200);
    check(RATE, None, Some(key), 200);
    check(RATE, Some(token), None, 401);
    check(RATE, Some("Bearer wrong"), Some(key), 401);
    check(RATE, None, Some("wrong"), 401);
    check(RATE, None, None, 401);
}

#[test]
fn ingestion_has_credentials_of_its_own() {
    #[track_caller]
    fn check(path: &str, headers: &[(&'static str, &str)], status: u16) {
        let ask = ask("GET", path).without("Authorization").without("X-Kiket-API-Key");
        headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value)).check(&platform(), status);
    }
    let claim = format!("{RAW_EVENTS}/claim");
    let (key, organization) = (("X-API-Key", "kiket_test_ingestion_key"), ("X-Organization-Id", "org_test"));
    let token = ("Authorization", "Bearer kiket_test_token");
    check(&claim, &[key, organization], 200);
    check(&claim, &[key, organization, token], 200);
    check(&claim, &[], 401);
    check(&claim, &[key], 401);
    check(&claim, &[organization], 401);
    check(&claim, &[token, ("X-Kiket-API-Key", "kiket_test_api_key")], 401);
    check(&claim, &[key, key, organization], 401);
    check(&claim, &[key, organization, organization], 401);
    check(&claim, &[("X-API-Key", "wrong"), organization], 401);
    check(&claim, &[key, ("X-Organization-Id", "wrong")], 401);
    check(&claim, &[key, organization, ("Authorization", "Bearer wrong")], 401);
    check(ANCHORS, &[token], 200);
    check(ANCHORS, &[key, organization], 401);
    check(ANCHORS, &[token, ("X-API-Key", "wrong")], 401);
}

#[test]
fn repeated_credentials_are_refused() {
    let platform = platform();
    ask("GET", SECRETS).header("Authorization", "Bearer kiket_test_token").check(&platform, 401);
    ask("GET", RATE).header("X-Kiket-API-Key", "kiket_test_api_key").check(&platform, 401);
}

#[test]
fn the_rate_window_is_counted_on_the_clock_and_told_with_every_answer() {
    let clock = Clock::fixed(NOW);
    let builder = Platform::builder().clock(clock.clone()).rate_limit(3, Duration::from_secs(60));
    let platform = builder.start().unwrap();
    let left = |answer: &Received| answer.header("x-ratelimit-remaining").unwrap().to_owned();
    assert_eq!(left(&ask("GET", SECRETS).check(&platform, 200)), "2");
    assert_eq!(left(&ask("GET", &format!("{SECRETS}/A")).check(&platform, 404)), "1");
    clock.advance(Duration::from_secs(18));
    let rate = ask("GET", RATE).check(&platform, 200).json();
    let expected = json!({ "limit": 3, "remaining": 0, "window_seconds": 60, "reset_in": 42 });
    assert_eq!(rate, json!({ "rate_limit": expected }));
    let refused = ask("GET", SECRETS).check(&platform, 429);
    assert_eq!(refused.json()["error"], "Rate limit exceeded");
    assert_eq!(refused.json()["retry_after"], 42);
    assert_eq!(refused.header("retry-after"), Some("42"));
    assert_eq!(refused.header("x-ratelimit-limit"), Some("3"));
    assert_eq!(refused.header("x-ratelimit-reset"), Some("42"));
    // How long to wait may still be asked.
    ask("GET", RATE).check(&platform, 200);
    clock.advance(Duration::from_secs(42));
    assert_eq!(left(&ask("GET", SECRETS).check(&platform, 200)), "2");
    platform.set_rate_remaining(0);
    ask("GET", SECRETS).check(&platform, 429);
    platform.set_rate_limit(1, Duration::from_secs(1));
    ask("GET", SECRETS).check(&platform, 200);
}

#[test]
fn every_answer_has_a_request_id_of_its_own() {
    let platform = platform();
    platform.fail(Failure::status(500).times(1));
    let ids = ["/x", RATE, SECRETS]
        .map(|path| ask("GET", path).send(&platform).header("x-request-id").expect("an id").to_owned());
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
}

#[test]
fn an_idempotency_key_brings_the_first_answer_again_and_no_second_record() {
    let platform = platform();
    let contacts = format!("{CONTACTS}?project_id=7");
    let create = |email: &str, key: &str| {
        ask("POST", &contacts).json(&json!({ "record": { "email": email } })).header("Idempotency-Key", key)
    };
    let first = create("a", "k1").check(&platform, 201);
    assert_eq!(first.header("idempotent-replayed"), None);
    let again = create("a", "k1").check(&platform, 201);
    assert_eq!((again.header("idempotent-replayed"), again.json()), (Some("true"), first.json()));
    assert_eq!(create("b", "k2").check(&platform, 201).json()["data"]["id"], 2);
    assert_eq!(create("b", "k1").check(&platform, 422).json()["code"], "idempotency_key_reused");
    assert_eq!(platform.records("crm", "contacts").len(), 2);
    // Nothing was carried out: the key is still free.
    platform.fail(Failure::status(503).times(1));
    create("c", "k3").check(&platform, 503);
    assert_eq!(create("c", "k3").check(&platform, 201).header("idempotent-replayed"), None);
    // A method that is idempotent anyway has no use for a key.
    for _ in 0..2 {
        let list = ask("GET", &contacts).header("Idempotency-Key", "k1").check(&platform, 200);
        assert_eq!(list.header("idempotent-replayed"), None);
    }
}

#[test]
fn an_effect_whose_answer_was_lost_is_found_by_its_key() {
    let platform = platform();
    let contacts = format!("{CONTACTS}?project_id=7");
    for (key, failure) in [("a", Failure::status(502).with_effect()), ("b", Failure::close().with_effect())] {
        let create = ask("POST", &contacts).json(&json!({ "record": {} })).header("Idempotency-Key", key);
        platform.fail(failure.times(1));
        create.raw(&platform);
        assert_eq!(create.check(&platform, 201).header("idempotent-replayed"), Some("true"));
    }
    assert_eq!(platform.records("crm", "contacts").len(), 2);
}

#[test]
fn failures_answer_what_they_are_told() {
    #[track_caller]
    fn check(failure: Failure, status: u16, body: &[u8], header: Option<(&str, &str)>) {
        let platform = platform();
        platform.fail(failure.times(1));
        let answer = ask("GET", SECRETS).check(&platform, status);
        assert_eq!(answer.body, body, "{}", String::from_utf8_lossy(&answer.body));
        if let Some((name, value)) = header {
            assert_eq!(answer.header(name), Some(value));
        }
        assert_eq!(platform.calls()[0].status(), Some(status));
        ask("GET", SECRETS).check(&platform, 200);
    }
    check(Failure::status(503), 503, br#"{"error":"Service Unavailable"}"#, None);
    let refused = br#"{"error":"Too Many Requests"}"#;
    check(Failure::status(429).retry_after(7), 429, refused, Some(("retry-after", "7")));
    let date = "Fri, 31 Dec 1999 23:59:59 GMT";
    let dated = Failure::status(503).header("Retry-After", date).with_body("busy");
    check(dated, 503, b"busy", Some(("retry-after", date)));
    check(Failure::status(204), 204, b"", None);
    check(Failure::body("null"), 200, b"null", Some(("content-type", "application/json")));
    check(Failure::body([0xff, 0xfe]), 200, &[0xff, 0xfe], None);
    check(Failure::redirect("http://127.0.0.1:1/x"), 307, b"", Some(("location", "http://127.0.0.1:1/x")));
    check(Failure::oversize(20), 200, br#"{"data":"xxxxxxxxx"}"#, None);
    check(Failure::delay(Duration::from_millis(1)), 200, br#"{"keys":[]}"#, None);
    check(Failure::status(200).with_effect(), 200, br#"{"error":"OK"}"#, None);
    check(
        Failure::status(500).header("x-ratelimit-limit", "9"),
        500,
        br#"{"error":"Internal Server Error"}"#,
        Some(("x-ratelimit-limit", "9")),
    );
}

#[test]
fn bad_json_is_no_json() {
    let platform = platform();
    platform.fail(Failure::bad_json());
    let answer = ask("GET", SECRETS).check(&platform, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(serde_json::from_slice::<Value>(&answer.body).is_err());
}

#[test]
fn an_oversize_answer_is_json_of_that_size() {
    let platform = platform();
    platform.fail(Failure::oversize(3_000_000));
    let answer = ask("GET", SECRETS).check(&platform, 200);
    assert_eq!(answer.body.len(), 3_000_000);
    assert!(answer.json()["data"].is_string());
}

#[test]
fn a_delayed_answer_is_late() {
    let platform = platform();
    platform.fail(Failure::delay(Duration::from_millis(60)).times(1));
    let began = Instant::now();
    ask("GET", SECRETS).check(&platform, 200);
    assert!(began.elapsed() >= Duration::from_millis(60));
}

#[test]
fn a_closed_connection_brings_no_byte() {
    let platform = platform();
    platform.fail(Failure::close());
    let bytes = ask("DELETE", &format!("{SECRETS}/A")).raw(&platform);
    assert_eq!(bytes, b"");
    assert_eq!(platform.calls()[0].status(), None);
}

#[test]
fn a_cut_answer_ends_in_the_middle_of_its_body_and_has_its_effect() {
    let platform = platform();
    platform.set_secret("A", "a".repeat(100));
    platform.fail(Failure::cut());
    for (method, path) in [("GET", format!("{SECRETS}/A")), ("DELETE", format!("{SECRETS}/A"))] {
        let answer = ask(method, &path).send(&platform);
        let announced: usize = answer.header("content-length").unwrap().parse().unwrap();
        assert!(
            !answer.body.is_empty() && answer.body.len() < announced,
            "{} of {announced}",
            answer.body.len()
        );
    }
    assert_eq!(platform.secret("A"), None);
}

#[test]
fn an_endless_answer_goes_on_until_the_reader_hangs_up() {
    let platform = platform();
    platform.fail(Failure::endless().times(1));
    let stream = ask("GET", SECRETS).begin(&platform);
    let read = io::copy(&mut stream.take(4 * 1024 * 1024), &mut io::sink()).unwrap();
    assert_eq!(read, 4 * 1024 * 1024);
    ask("GET", SECRETS).check(&platform, 200);
}

#[test]
fn a_hanging_call_keeps_nobody_else_and_ends_with_the_platform() {
    let platform = platform();
    platform.fail(Failure::hang().when(|call| call.path().ends_with("/hang")));
    platform.fail(Failure::stall().when(|call| call.path().ends_with("/secrets/stall")));
    platform.fail(Failure::delay(Duration::from_secs(3600)).when(|call| call.path().ends_with("/slow")));
    platform.set_secret("stall", "s".repeat(50));
    let waiting =
        ["/hang", &format!("{SECRETS}/stall"), "/slow"].map(|path| ask("GET", path).begin(&platform));
    ask("GET", SECRETS).check(&platform, 200);
    // Dropped elsewhere, so that a drop that hangs fails the test.
    let (dropped, is_dropped) = mpsc::channel();
    let dropping = thread::spawn(move || {
        drop(platform);
        dropped.send(()).unwrap();
    });
    is_dropped.recv_timeout(BOUND).expect("a platform with waiting calls is dropped at once");
    dropping.join().unwrap();
    for (mut stream, is_stalled) in waiting.into_iter().zip([false, true, false]) {
        let mut bytes = Vec::new();
        match stream.read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
        assert_eq!(!bytes.is_empty(), is_stalled);
    }
}

#[test]
fn a_dropped_platform_listens_no_more() {
    let platform = platform();
    let address = platform.address();
    ask("GET", SECRETS).check(&platform, 200);
    drop(platform);
    assert!(TcpStream::connect_timeout(&address, BOUND).is_err());
}

#[test]
fn the_first_failure_that_fits_happens_as_often_as_it_is_told() {
    let platform = platform();
    platform.fail(Failure::status(500).times(0));
    platform.fail(Failure::status(501).times(2).when(|call| call.method() == "DELETE"));
    platform.fail(Failure::status(502).times(1));
    platform.fail(Failure::status(503));
    let statuses: Vec<_> = ["GET", "DELETE", "GET", "DELETE", "DELETE"]
        .into_iter()
        .map(|method| ask(method, &format!("{SECRETS}/A")).send(&platform).status)
        .collect();
    assert_eq!(statuses, [502, 501, 503, 501, 503]);
    platform.clear_failures();
    ask("GET", &format!("{SECRETS}/A")).check(&platform, 404);
    // What failed by order did not count.
    assert_eq!(ask("GET", SECRETS).send(&platform).header("x-ratelimit-remaining"), Some("598"));
}

#[test]
fn calls_are_written_down_in_full() {
    let platform = platform();
    let path = format!("{SECRETS}/A");
    ask("POST", &format!("{path}?x=1&y=a%20b")).json(&json!({ "value": "canary" })).check(&platform, 201);
    ask("GET", &path).header("X-Kiket-Event-Version", "v2").check(&platform, 200);
    let calls = platform.calls();
    assert_eq!((calls.len(), calls[0].method(), calls[0].path()), (2, "POST", path.as_str()));
    assert_eq!((calls[0].query(), calls[0].query_value("y")), ("x=1&y=a%20b", Some("a b")));
    assert_eq!(
        (calls[0].json(), calls[0].status(), calls[0].at()),
        (json!({ "value": "canary" }), Some(201), NOW)
    );
    assert_eq!(calls[1].header("x-kiket-event-version"), Some("v2"));
    assert_eq!(calls[1].body(), b"");
    assert_eq!(platform.calls_to("GET", &path).len(), 1);
    for shown in [format!("{platform:?}"), format!("{calls:?}"), format!("{:?}", calls[1].headers())] {
        assert!(!shown.contains("canary") && !shown.contains("kiket_test"), "{shown}");
    }
    platform.forget_calls();
    assert_eq!(platform.calls().len(), 0);
}

#[test]
fn an_observer_sees_each_call_before_its_caller_has_the_answer() {
    let (sender, seen) = mpsc::channel();
    let observed = Platform::builder().on_call(move |call| sender.send(format!("{call:?}")).unwrap());
    let platform = observed.start().unwrap();
    ask("GET", RATE).check(&platform, 200);
    assert_eq!(seen.try_recv().unwrap(), "GET /api/v1/ext/rate_limit → 200");
}

#[test]
fn everything_may_lie_below_a_path() {
    let platform = Platform::builder().base_path("/tenant/a/").start().unwrap();
    assert_eq!(platform.url(), format!("http://{}/tenant/a", platform.address()));
    ask("GET", &format!("/tenant/a{RATE}")).check(&platform, 200);
    ask("GET", RATE).check(&platform, 404);
}

#[test]
fn a_body_is_bounded() {
    let platform = platform();
    let mut large = ask("POST", &format!("{SECRETS}/A")).json(&json!({}));
    large.body = vec![b' '; 9 * 1024 * 1024];
    let mut stream = TcpStream::connect(platform.address()).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    write!(stream, "POST {SECRETS}/A HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", large.body.len())
        .unwrap();
    // The server answers before all of it is there, and may have closed by then.
    let _ = stream.write_all(&large.body);
    let mut status = [0; 12];
    if stream.read_exact(&mut status).is_ok() {
        assert_eq!(&status, b"HTTP/1.1 413");
    }
    ask("GET", SECRETS).check(&platform, 200);
}

const SEED: &str = "
extension: { id: com.example.x, version: 1.10, metadata: { tier: pro } }
secrets: { A: 007 }
custom_data:
  - project_id: 7
    module: crm
    table: contacts
    records:
      - { id: c-1, email: a@example.com }
      - { email: b@example.com }
sla_events:
  - { issue_id: 42, project_id: 7, state: imminent }
anchors:
  - { network: polygon_mainnet, records: [{ id: 1 }, { id: x, type: AIAuditLog, content_hash: 0xabababababababababababababababababababababababababababababababab }] }
raw_events:
  - { sourceSystem: github, sourceEventType: push, idempotencyKey: k-1, payload: { a: 1 } }
  - { sourceSystem: github, sourceEventType: push, idempotencyKey: k-1, payload: { a: 2 } }
rate_limit: { limit: 10, remaining: 3 }
";

#[test]
fn a_seed_is_there_before_the_first_call() {
    let platform = Platform::builder().clock(Clock::fixed(NOW)).seed_yaml(SEED).start().unwrap();
    let metadata = ask("GET", "/api/v1/extensions/com.example.x").check(&platform, 200);
    let expected =
        json!({ "id": "com.example.x", "name": "com.example.x", "version": "1.10", "tier": "pro" });
    assert_eq!(metadata.json(), expected);
    assert_eq!(metadata.header("x-ratelimit-remaining"), Some("2"));
    ask("GET", "/api/v1/extensions/other").check(&platform, 404);
    assert_eq!(platform.secret("A").as_deref(), Some("007"));
    let record = ask("GET", &format!("{CONTACTS}/c-1?project_id=7")).check(&platform, 200).json();
    assert_eq!(record["data"]["email"], "a@example.com");
    assert_eq!(platform.records("crm", "contacts")[1]["id"], 1);
    let anchor = &platform.anchors()[0];
    assert_eq!((&anchor["status"], &anchor["leaf_count"]), (&json!("confirmed"), &json!(2)));
    assert_eq!(anchor["records"][1]["content_hash"], format!("0x{}", "ab".repeat(32)));
    let events = platform.raw_events();
    assert_eq!((events.len(), &events[0]["payload"]["a"]), (1, &json!(1)), "the first of two with one key");
}

#[test]
fn the_hash_of_a_record_is_that_of_its_type_and_id() {
    let platform = platform();
    platform.add_anchor(json!({ "records": [{ "id": 1 }] }));
    // printf AuditLog:1 | sha256sum
    assert_eq!(
        platform.anchors()[0]["merkle_root"],
        "0x46c79cad04c02d1597e265cac230f02943fd24fb1c49bad37e7dc8b6044628bb"
    );
}

#[test]
fn what_is_wrong_with_seeds_is_said_with_its_place() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "secrets:\n  A: [x]\n").unwrap();
    let missing = file.path().with_extension("missing");
    let builder = Platform::builder().seed_yaml("custom: []").seed_file(file.path()).seed_file(&missing);
    let error = builder.start().unwrap_err();
    let places: Vec<_> = error.problems().iter().map(|problem| problem.place().unwrap()).collect();
    assert_eq!((places[0].file.to_str(), places[0].line, places[0].column), (Some("seed.yaml"), 1, 1));
    assert_eq!((&*places[1].file, places[1].line), (file.path(), 2));
    assert_eq!((&places[2].file, places[2].line), (&missing, 0));
    assert!(error.to_string().starts_with("the platform does not start, for 3 reasons"), "{error}");
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let platform = platform();
    let error = Platform::builder().port(platform.address().port()).start().unwrap_err();
    assert!(error.to_string().contains("the platform cannot listen on 127.0.0.1:"), "{error}");
}

#[test]
fn an_extension_is_pointed_at_the_platform() {
    let platform = Platform::builder().extension_id("com.example.x").clock(Clock::fixed(5)).start().unwrap();
    let builder = || Extension::builder().on("issue.created", "v1", async || Reply::ok());
    let extension = TestExtension::new(platform.extension(builder())).unwrap();
    let config = extension.extension().config();
    assert_eq!(config.base_url(), platform.url());
    assert_eq!(config.workspace_token().map(Secret::expose), Some(platform.token()));
    assert_eq!(config.extension_api_key().map(Secret::expose), Some(platform.api_key()));
    assert_eq!(config.webhook_secrets()[0].expose(), SECRET);
    assert_eq!((config.extension_id(), extension.clock().unix_seconds()), (Some("com.example.x"), 5));
    let named = platform.extension(builder().id("own"));
    assert_eq!(TestExtension::new(named).unwrap().extension().id(), Some("own"));
}

/// An extension whose handler answers with these statuses in turn, then with 200.
fn failing(platform: &Platform, statuses: &'static [u16]) -> TestExtension {
    let attempts = Arc::new(AtomicUsize::new(0));
    let handler = move |_: Payload| {
        let attempts = Arc::clone(&attempts);
        async move {
            let attempt = attempts.fetch_add(1, Ordering::Relaxed);
            match statuses.get(attempt).copied().unwrap_or(200) {
                200 => Ok(Reply::ok()),
                500 => Err(HandlerError::retry("down")),
                503 => Err(HandlerError::retry_after(Duration::from_secs(7), "busy")),
                504 => {
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                    Ok(Reply::ok())
                }
                status => Err(HandlerError::reject(http::StatusCode::from_u16(status).unwrap(), "no")),
            }
        }
    };
    TestExtension::new(platform.extension(Extension::builder()).on("issue.created", "v1", handler)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn deliveries_are_repeated_by_the_schedule() {
    #[track_caller]
    fn check(attempts: &[Attempt], expected: &[(u64, u16)]) {
        let found: Vec<_> =
            attempts.iter().map(|attempt| (attempt.at - NOW, attempt.status.unwrap())).collect();
        assert_eq!(found, expected);
    }
    let payload = json!({ "id": "evt_1" });
    let deliver = async |statuses| {
        let platform = platform();
        let extension = failing(&platform, statuses);
        platform.deliver_until_answered(&extension, delivery("issue.created", "v1", &payload)).await
    };
    check(&deliver(&[]).await, &[(0, 200)]);
    check(&deliver(&[500, 503, 429]).await, &[(0, 500), (30, 503), (90, 429), (390, 200)]);
    check(&deliver(&[504]).await, &[(0, 504), (30, 200)]);
    check(&deliver(&[422]).await, &[(0, 422)]);
    check(&deliver(&[500, 404, 500]).await, &[(0, 500), (30, 404)]);
    let never = [(0, 500), (30, 500), (90, 500), (390, 500), (2190, 500), (9390, 500), (38190, 500)];
    check(&deliver(&[500; 9]).await, &never);
}

#[tokio::test]
async fn one_delivery_is_signed_with_the_platforms_secret() {
    let platform = Platform::builder().webhook_secret("own").start().unwrap();
    let extension = failing(&platform, &[]);
    let payload = json!({ "id": 1 });
    assert_eq!(
        platform.deliver(&extension, delivery("issue.created", "v1", &payload)).await.status,
        Some(200)
    );
    let other = Platform::start();
    assert_eq!(other.deliver(&extension, delivery("issue.created", "v1", &payload)).await.status, Some(401));
}

#[tokio::test]
async fn deliveries_go_over_http_too() {
    let platform = platform();
    let builder = platform.extension(Extension::builder()).without_manifest().without_collected().port(0);
    let builder = builder.prefix("/kiket").workers(1).on("issue.created", "v1", async || Reply::ok());
    let server = builder.build().unwrap().bind().unwrap();
    let (address, handle) = (server.addresses()[0], server.handle());
    let running = tokio::spawn(server.run());
    let url = format!("http://{address}/kiket");
    let payload = json!({ "id": 1 });
    let attempt = platform.deliver_to(&url, delivery("issue.created", "v1", &payload)).await;
    assert_eq!((attempt.status, attempt.at), (Some(200), NOW));
    assert_eq!(attempt.answer.unwrap().json(), json!({ "ok": true }));
    let unknown = platform.deliver_to_until_answered(&url, delivery("issue.closed", "v1", &payload)).await;
    assert_eq!((unknown.len(), unknown[0].status), (1, Some(404)));
    handle.stop();
    running.await.unwrap().unwrap();
    // Nobody is there any more.
    let attempts = platform.deliver_to_until_answered(&url, delivery("issue.created", "v1", &payload)).await;
    assert_eq!(attempts.iter().filter(|attempt| attempt.status.is_none()).count(), 7);
    assert_eq!(platform.clock().unix_seconds(), NOW + 38_190);
}

#[tokio::test]
#[should_panic(expected = "`https://example.com` is not like `http://127.0.0.1:8000`")]
async fn deliveries_stay_on_this_machine() {
    platform().deliver_to("https://example.com", delivery("issue.created", "v1", &json!({}))).await;
}

#[tokio::test(start_paused = true)]
async fn it_answers_while_tokios_clock_is_paused() {
    let platform = platform();
    let answered = tokio::task::spawn_blocking(move || ask("GET", SECRETS).send(&platform).status).await;
    assert_eq!(answered.unwrap(), 200);
}

#[test]
fn many_callers_at_once_are_all_answered_and_written_down() {
    let platform = Platform::builder().rate_limit(100_000, Duration::from_secs(60)).start().unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let record = json!({ "record": { "a": 1 } });
                    ask("POST", &format!("{CONTACTS}?project_id=7")).json(&record).check(&platform, 201);
                }
            });
        }
    });
    let mut ids: Vec<_> =
        platform.records("crm", "contacts").iter().map(|record| record["id"].as_u64().unwrap()).collect();
    ids.dedup();
    assert_eq!(ids, (1..=200).collect::<Vec<_>>());
    assert!(platform.calls().iter().all(|call| call.status() == Some(201)));
}
