//! The store, the list, and the explanations.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use kiket_runtime::{Clock, Headers, Secret};
use kiket_testing::{__private::Keyring, Capture, delivery};
use serde_json::{Value, json};

use super::{
    capture::capture,
    control::{Control, Handler, Outgoing},
    record::Record,
    resend::{Edited, placeholders, send},
    ring::{BYTES, DELIVERIES, Ring},
    seen::{Arrival, DeliveryId, End, Level, Notice, Origin, ResponseSeen},
    signature::Signature,
    store::{Secrets, Store},
    why::{again, deduplication, why},
    worker::open_store,
};

const SECRET: &str = "a_secret_of_the_console_1";

fn arrival(target: &str, body: &str) -> Arrival {
    Arrival {
        at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        method: "POST".to_owned(),
        target: target.to_owned(),
        headers: Headers::default(),
        body: body.as_bytes().to_vec().into(),
        is_whole: true,
        from: Origin::Machine,
    }
}

fn record(id: u64, event: &str, body: &str) -> Record {
    let arrival = arrival(&format!("/v/v1/webhooks/{event}"), body);
    Record::new(DeliveryId(id), &arrival, &mut Keyring::new([]))
}

fn response(status: u16, body: &str, headers: &[(&str, &str)]) -> ResponseSeen {
    let headers = headers.iter().copied().collect();
    let end = End::Response { status, headers, body: body.as_bytes().to_vec().into(), by_proxy: false };
    ResponseSeen { took: Duration::from_millis(2), end }
}

fn ended(status: u16, body: &str, headers: &[(&str, &str)]) -> Record {
    let mut record = record(1, "issue.created", r#"{"id":"evt_1"}"#);
    record.respond(response(status, body, headers), &mut Keyring::new([]));
    record
}

fn handler(event: &str, version: &str) -> Handler {
    Handler {
        event: event.to_owned(),
        version: version.to_owned(),
        function: "f".to_owned(),
        file: "src/main.rs".to_owned(),
        line: 1,
        timeout_ms: 10_000,
        scopes: Vec::new(),
        deduplicated: true,
        deferred: false,
    }
}

#[test]
fn a_ring_has_bounds_and_finds_what_it_has() {
    let mut ring = Ring::default();
    for id in 1..=(DELIVERIES as u64 + 10) {
        ring.push(record(id, "a.b", "{}"));
    }
    assert_eq!((ring.size().0, ring.oldest()), (DELIVERIES, Some(DeliveryId(11))));
    assert!(ring.find(DeliveryId(10)).is_none() && ring.find(DeliveryId(11)).is_some());
    let before = ring.changed();
    ring.change(DeliveryId(10), |_| panic!("it is gone"));
    assert_eq!(ring.changed(), before);
    // Bytes count, also those that come later.
    let large = "x".repeat(60 << 10);
    for id in 600..1100 {
        ring.push(record(id, "a.b", &json!({ "id": id, "text": "y".repeat(20 << 10) }).to_string()));
    }
    for id in 600..1100 {
        ring.change(DeliveryId(id), |record| {
            record.respond(response(200, &large, &[]), &mut Keyring::new([]));
        });
        assert!(ring.size().1 <= BYTES);
    }
    assert!(ring.size().0 < DELIVERIES && ring.size().1 > BYTES - (1 << 20));
    assert!(ring.is_forgotten(0) && !ring.is_forgotten(before));
    ring.clear();
    assert!(ring.is_forgotten(before) && ring.size() == (0, 0));
}

#[test]
fn attempts_belong_together_by_id_event_and_version() {
    let mut ring = Ring::default();
    let body = r#"{"id":"evt_1"}"#;
    for (id, event, body) in
        [(1, "a.b", body), (2, "c.d", body), (3, "a.b", body), (4, "a.b", "{}"), (5, "a.b", "{}")]
    {
        ring.push(record(id, event, body));
    }
    let attempts =
        |id| ring.attempts(ring.find(DeliveryId(id)).unwrap()).map(|it| it.id.0).collect::<Vec<_>>();
    assert_eq!((attempts(1), attempts(3), attempts(2)), (vec![1, 3], vec![1, 3], vec![2]));
    // Without an id, each is one of its own.
    assert_eq!((attempts(4), attempts(5)), (vec![4], vec![5]));
}

#[test]
fn kiket_sends_again_after_5xx_429_and_silence_only() {
    for (attempt, seconds) in (1..).zip([30, 60, 300, 1800, 7200, 28_800]) {
        for status in [500, 503, 429] {
            let again = again(&ended(status, "", &[("retry-after", "7")]), attempt).unwrap();
            assert!(again.comes && again.what.contains("Retry-After"), "{again:?}");
            assert_eq!(again.at, Some(1_700_000_000_002 + seconds * 1000));
        }
    }
    let last = again(&ended(500, "", &[]), 7).unwrap();
    assert!(!last.comes && last.lost && last.what.contains("seven times"), "{last:?}");
    for (status, lost) in [(200, false), (302, false), (400, true), (401, true), (404, true), (422, true)] {
        let again = again(&ended(status, "", &[]), 1).unwrap();
        assert_eq!((again.comes, again.lost), (false, lost), "{status}");
    }
    assert_eq!(again(&record(1, "a.b", "{}"), 1), None);
    let mut silent = record(1, "a.b", "{}");
    let end = End::Nothing { why: "late".to_owned(), sender_left: false };
    silent.respond(ResponseSeen { took: Duration::from_secs(15), end }, &mut Keyring::new([]));
    assert_eq!(again(&silent, 1).unwrap().at, Some(1_700_000_045_000));
}

/// The contract's codes are those that are explained.
#[test]
fn each_code_of_the_contract_is_explained() {
    let contract = include_str!("../../../docs/wire-contract.md");
    let rows = contract.split("| Anchor | Situation | Response | `code` |").nth(1).unwrap();
    let mut count = 0;
    for row in rows.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let codes = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let status = row
            .split('|')
            .rev()
            .nth(2)
            .unwrap()
            .split(|it: char| !it.is_ascii_digit())
            .find(|it| it.len() == 3);
        for code in codes.split('`').skip(1).step_by(2) {
            let body = json!({ "error": "x", "code": code }).to_string();
            let status = status.and_then(|it| it.parse().ok()).unwrap_or(422);
            let explained = why(&ended(status, &body, &[]), &[]);
            assert!(
                explained.is_some_and(|why| why.what.len() >= 15 && !why.what.contains("with this status")),
                "{code}"
            );
            count += 1;
        }
    }
    assert!(count >= 29, "{count}");
}

#[test]
fn a_handler_that_was_meant_is_named() {
    let handlers =
        [handler("issue.created", "v2"), handler("issue.updated", "v1"), handler("case.created", "v1")];
    let code = r#"{"error":"x","code":"no_handler"}"#;
    let help = |event: &str, handlers: &[Handler]| {
        let mut record = record(1, event, "{}");
        record.respond(response(404, code, &[]), &mut Keyring::new([]));
        let why = why(&record, handlers).unwrap();
        assert!(!why.ran);
        why.help.unwrap()
    };
    assert!(help("issue.created", &handlers).contains("handlers of other versions: `v2`"));
    assert!(help("issue.updatd", &handlers).starts_with("Did you mean `issue.updated`"));
    assert!(
        help("a.completely.other", &handlers).contains("`case.created`, `issue.created`, `issue.updated`")
    );
    assert!(help("a.b", &[]).contains("no handlers"));
    let scopes = ended(403, r#"{"code":"insufficient_scopes","missing_scopes":["cases:read","b"]}"#, &[]);
    assert!(why(&scopes, &[]).unwrap().what.contains("`cases:read`, `b`"));
}

#[test]
fn duplicates_differ_from_replies() {
    let stored = ended(200, "{}", &[("x-kiket-replayed", "true")]);
    assert!(!why(&stored, &[]).unwrap().ran);
    assert!(deduplication(&stored, None, 2).unwrap().starts_with("A duplicate"));
    assert_eq!(why(&ended(200, "{}", &[]), &[]), None);
    assert!(deduplication(&ended(200, "{}", &[]), None, 1).unwrap().contains("stored by its id"));
    assert!(deduplication(&ended(500, "{}", &[]), None, 1).unwrap().starts_with("Released"));
    assert!(
        deduplication(&ended(404, r#"{"code":"no_handler"}"#, &[]), None, 1)
            .unwrap()
            .starts_with("Not reached")
    );
    let off = Handler { deduplicated: false, ..handler("a.b", "v1") };
    assert!(deduplication(&ended(200, "{}", &[]), Some(&off), 1).unwrap().starts_with("Off"));
}

/// A store with a clock that stands still, and a secret.
fn store() -> Store {
    let secrets = Secrets { webhook: vec![SECRET.into()], ..Secrets::default() };
    open_store(secrets, Clock::fixed(1_700_000_000))
}

#[test]
fn the_signature_of_a_delivery_is_judged() {
    let store = store();
    let body = r#"{"id":"evt_1"}"#;
    let signed = delivery("a.b", "v1", &()).body(body).sign(SECRET, 1_699_999_990);
    let headers = |pairs: &[(String, String)]| {
        pairs.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
    };
    let mut right = arrival("/v/v1/webhooks/a.b", body);
    right.headers = headers(&signed.headers);
    let accepted = store.arrived(right.clone());
    store.responded(accepted, response(200, "{}", &[]));
    let mut changed = right.clone();
    changed.body = r#"{"id":"evt_1"} "#.as_bytes().to_vec().into();
    let not_needed = store.arrived(changed.clone());
    store.responded(not_needed, response(200, "{}", &[]));
    let refused = store.arrived(changed);
    store.responded(refused, response(401, r#"{"error":"invalid signature"}"#, &[]));
    store.settle();
    let signature = |id| store.ring().find(id).unwrap().signature.clone();
    assert_eq!(signature(accepted), Signature::Accepted { secret: 0, age: 10 });
    assert_eq!(signature(not_needed), Signature::NotNeeded);
    // It is examined beside the store.
    let mut known = 0;
    while signature(refused) == Signature::Examined {
        known = store.wait(known, Duration::from_secs(30)).changed();
    }
    let Signature::Refused { verdict } = signature(refused) else { panic!("{:?}", signature(refused)) };
    assert_eq!((verdict.explained, verdict.causes[0].id), (true, "body_trimmed"));
}

#[test]
fn a_part_of_a_body_is_neither_judged_nor_sent_nor_shown() {
    let store = store();
    // Its end may be the half of a secret.
    let body = format!(r#"{{"id":"evt_1","text":"{} canary_ha"#, "x".repeat(5_000));
    let signed = delivery("a.b", "v1", &()).body(body.clone()).sign(SECRET, 1_700_000_000);
    let mut part = arrival("/v/v1/webhooks/a.b", &body);
    part.headers = signed.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    part.is_whole = false;
    let passed = |status| {
        let id = store.arrived(part.clone());
        store.responded(id, response(status, "{}", &[]));
        store.settle();
        store.ring().find(id).unwrap().clone()
    };
    let record = passed(503);
    assert_eq!(record.signature, Signature::Unknown);
    assert!(record.body.cut && record.body.size == body.len() && !record.body.text.contains("canary"));
    assert_eq!(record.body.text.len(), body.len() - (4 << 10));
    assert!(capture(&record).is_none());
    assert_eq!(replayed(&record, None, true), Err(Vec::new()));
    assert!(matches!(passed(401).signature, Signature::Unexamined { why } if why.contains("left")));
}

#[test]
fn what_no_handler_responded_is_no_test() {
    let mut record = record(1, "issue.created", r#"{"id":"evt_1"}"#);
    for (status, body, by_proxy, is_test) in [
        (502, "", true, false),
        (502, "", false, true),
        (401, r#"{"error":"invalid signature"}"#, false, false),
        (404, r#"{"error":"no","code":"no_handler"}"#, false, false),
        (404, r#"{"error":"there is nothing at this path","code":"not_found"}"#, false, false),
        (404, r#"{"error":"no issue","code":"not_found"}"#, false, true),
        (401, r#"{"error":"of the handler"}"#, false, true),
        (404, r#"{"error":"of the handler"}"#, false, true),
        (422, r#"{"error":"of the handler"}"#, false, true),
    ] {
        let end = End::Response {
            status,
            headers: Headers::default(),
            body: Bytes::from_static(body.as_bytes()),
            by_proxy,
        };
        record.respond(ResponseSeen { took: Duration::ZERO, end }, &mut Keyring::new([]));
        assert_eq!(capture(&record).is_some(), is_test, "{status} {body}");
    }
    assert_eq!(replayed(&record, None, false).as_deref(), Ok(r#"{"id":"evt_1"}"#));
}

#[test]
fn only_a_sender_that_was_let_in_proves_itself() {
    let store = store();
    let judged = |signed: bool, status: u16, body: &str, by_proxy: bool| {
        let mut arrival = arrival("/v/v1/webhooks/a.b", "{}");
        arrival.headers =
            if signed { [("X-Kiket-Signature", "00")].into_iter().collect() } else { Headers::default() };
        let id = store.arrived(arrival);
        let end = End::Response {
            status,
            headers: Headers::default(),
            body: body.as_bytes().to_vec().into(),
            by_proxy,
        };
        store.responded(id, ResponseSeen { took: Duration::ZERO, end });
        store.settle();
        let ring = store.ring();
        let record = ring.find(id).unwrap();
        (record.signature == Signature::NotNeeded, record.is_authentic())
    };
    // By a runtime token, with a signature that does not hold or without one.
    assert_eq!(
        (judged(true, 200, "{}", false), judged(false, 500, "{}", false)),
        ((true, true), (false, true))
    );
    assert_eq!(judged(true, 404, r#"{"code":"no_handler"}"#, false), (true, true));
    for (status, body, by_proxy) in [
        (503, "{}", true),
        (502, "{}", true),
        (401, "{}", false),
        (404, r#"{"code":"not_found"}"#, false),
        (413, r#"{"code":"body_too_large"}"#, false),
        (503, r#"{"code":"overloaded"}"#, false),
    ] {
        assert_eq!(judged(true, status, body, by_proxy), (false, false), "{status} {body}");
    }
    let left = store.arrived(arrival("/v/v1/webhooks/a.b", "{}"));
    store.settle();
    assert!(!store.ring().find(left).unwrap().is_authentic());
    let end = End::Nothing { why: "it left".to_owned(), sender_left: true };
    store.responded(left, ResponseSeen { took: Duration::ZERO, end });
    store.settle();
    assert!(!store.ring().find(left).unwrap().is_authentic());
}

/// Knows every secret, and keeps what is sent.
#[derive(Default)]
struct Sends(Mutex<Vec<Outgoing>>);

impl Control for Sends {
    fn send(&self, outgoing: Outgoing) -> Result<DeliveryId, String> {
        self.0.lock().unwrap().push(outgoing);
        Ok(DeliveryId(2))
    }

    fn webhook_secret(&self) -> Option<Secret> {
        Some(SECRET.into())
    }

    fn secret(&self, name: &str) -> Option<Secret> {
        Some(format!("value of {name}").into())
    }

    fn runtime_token(&self, _: &[String]) -> Option<Secret> {
        None
    }

    fn handlers(&self) -> Vec<Handler> {
        Vec::new()
    }

    fn save(&self, _: &str, _: &Capture) -> Result<PathBuf, String> {
        Err("it saves nothing".to_owned())
    }
}

/// What a replay of the record sends, or the secrets that it lacks.
fn replayed(record: &Record, body: Option<&str>, force: bool) -> Result<String, Vec<String>> {
    let control = Sends::default();
    let edited = Edited { event: None, version: None, body, same_id: true, force };
    send(&control, Some(record), &edited, 1_700_000_000).map_err(|refused| refused.missing)?;
    let sent = control.0.into_inner().unwrap().remove(0);
    Ok(String::from_utf8(sent.body.to_vec()).unwrap())
}

#[test]
fn a_replay_fills_only_what_redaction_replaced() {
    let sent = r#"{"id":"evt_1","secrets":{"A":"canary_1"},"title":"<redacted:AWS_KEY> canary_1"}"#;
    let mut authentic = record(1, "issue.created", sent);
    authentic.signature = Signature::Accepted { secret: 0, age: 0 };
    assert_eq!(placeholders(&authentic), ["A"]);
    assert_eq!(replayed(&authentic, None, false), Ok(sent.replace("canary_1", "value of A")));
    let edited = authentic.body.text.replace("evt_1", "evt_2");
    let expected = sent.replace("canary_1", "value of A").replace("evt_1", "evt_2");
    assert_eq!(replayed(&authentic, Some(&edited), false), Ok(expected));
    // A test that is made of it does the same.
    let capture = capture(&authentic).unwrap();
    assert_eq!(capture.placeholders(), ["A"]);
    let filled = capture.filled(|name| Some(format!("value of {name}").into()));
    assert_eq!(String::from_utf8(filled).unwrap(), sent.replace("canary_1", "value of A"));

    // What anyone may have sent gets nothing, whatever it says.
    let forged = record(1, "issue.created", sent);
    assert_eq!(replayed(&forged, None, false), Err(vec!["A".to_owned()]));
    assert_eq!(replayed(&forged, Some(&edited), false), Err(vec!["A".to_owned()]));
    assert_eq!(replayed(&forged, None, true), Ok(sent.replace("canary_1", "<redacted:A>")));
    // Without secrets it is sent to the byte.
    for sent in
        ["{ \"id\": 1,\t\"title\": \"<redacted:AWS_KEY> <redacted:>\" }", "no JSON <redacted:HOME>", ""]
    {
        assert_eq!(replayed(&record(1, "issue.created", sent), None, false).as_deref(), Ok(sent));
    }
}

#[test]
fn lines_and_calls_find_their_delivery() {
    let store = store();
    let id = store.arrived(arrival("/v/v1/webhooks/a.b", r#"{"id":"evt_1"}"#));
    let line = |id: &str| {
        json!({ "level": "INFO", "message": "m", "span": { "name": "delivery", "event": "a.b", "delivery_id": id, "handler": "crm::on" } }).to_string()
    };
    store.log_line(&line("evt_1"));
    store.log_line(&line("evt_2"));
    store.log_line("no JSON");
    store.settle();
    let ring = store.ring();
    let record = ring.find(id).unwrap();
    assert_eq!((record.lines.len(), record.handler.as_deref()), (1, Some("crm::on")));
}

#[test]
fn what_no_page_looks_at_is_not_even_read() {
    let store = store();
    let read = Arc::new(AtomicU64::new(0));
    let pass = |id: u64| {
        let (counted, body) = (Arc::clone(&read), format!(r#"{{"id":"evt_{id}"}}"#));
        let id = store.arrived_as(body.len(), move || {
            counted.fetch_add(1, Ordering::SeqCst);
            arrival("/v/v1/webhooks/a.b", &body)
        });
        store.responded(id, response(200, "{}", &[]));
    };
    store.event(Notice { level: Level::Error, text: "the first".to_owned() });
    (1..=DELIVERIES as u64 + 700).for_each(pass);
    assert_eq!(read.load(Ordering::SeqCst), 0);
    store.settle();
    // Only those that are kept, and what is no delivery.
    assert_eq!(read.load(Ordering::SeqCst), DELIVERIES as u64);
    let ring = store.ring();
    assert_eq!((ring.size().0, ring.oldest(), ring.missed), (DELIVERIES, Some(DeliveryId(701)), 0));
    assert!(ring.all().all(|record| record.response.is_some()));
    assert!(ring.notices_since(0).any(|notice| notice.text == "the first"));
    drop(ring);
    // What waits is bounded, whatever is delivered meanwhile.
    (0..20_000).for_each(pass);
    store.settle();
    let kept = store.ring().size().0;
    assert_eq!((kept, store.ring().all().all(|record| record.id.0 > 701)), (DELIVERIES, true));
}

#[test]
fn a_page_that_looks_gets_what_comes() {
    let store = store();
    let looking = thread::spawn({
        let store = store.clone();
        move || {
            let mut known = 0;
            while store.ring().find(DeliveryId(3)).is_none() {
                known = store.wait(known, Duration::from_secs(60)).changed();
            }
        }
    });
    for id in 1..=3 {
        store.arrived(arrival("/v/v1/webhooks/a.b", &format!(r#"{{"id":"evt_{id}"}}"#)));
    }
    looking.join().unwrap();
}

/// The frozen cases: each one that is refused names its cause, but for those of which nothing is known.
#[test]
fn each_refused_vector_names_its_cause() {
    let vectors: Value = serde_json::from_str(include_str!("../../../tests/signature-vectors.json")).unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for case in vectors["cases"].as_array().unwrap() {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let secrets: Vec<Secret> =
            case["secrets"].as_array().unwrap().iter().map(|secret| text(secret).into()).collect();
        let id = text(&case["id"]);
        if ["no-secrets", "blank-secret"].contains(&&*id) {
            continue; // no program starts with these
        }
        let store = open_store(Secrets { webhook: secrets, ..Secrets::default() }, Clock::system());
        let mut arrival = arrival("/v/v1/webhooks/a.b", "");
        arrival.body = Base64::decode_vec(&text(&case["body_b64"])).unwrap().into();
        arrival.at = SystemTime::UNIX_EPOCH + Duration::from_secs(case["now"].as_u64().unwrap());
        let pairs: Vec<(String, String)> = serde_json::from_value(case["headers"].clone()).unwrap();
        arrival.headers = pairs.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let delivery = store.arrived(arrival);
        let is_accepted = case["expect"] == "accept";
        store.responded(delivery, response(if is_accepted { 200 } else { 401 }, "{}", &[]));
        store.settle();
        let signature = || store.ring().find(delivery).unwrap().signature.clone();
        let mut known = 0;
        while signature() == Signature::Examined {
            known = store.wait(known, Duration::from_secs(60)).changed();
        }
        match signature() {
            Signature::Accepted { .. } if is_accepted => accepted += 1,
            Signature::Refused { verdict } if !is_accepted => {
                refused += 1;
                let has_cause = !["wrong-secret", "retired-secret", "body-tampered"].contains(&&*id);
                assert_eq!(!verdict.causes.is_empty(), has_cause, "{id}: {verdict:?}");
            }
            other => panic!("{id}: {other:?}"),
        }
    }
    assert_eq!((accepted, refused), (18, 49));
}
