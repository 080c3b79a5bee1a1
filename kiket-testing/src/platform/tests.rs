//! The fake platform, asked over plain sockets.

mod access;
mod deliveries;
mod expectations;
mod failures;
mod intake;
mod lists;
mod projects;
mod seeds;
mod table;

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use kiket_runtime::{
    Authentication, Clock, Extension, HandlerError, Payload, Reply, Secret, signature::SignatureError,
};
use serde_json::{Value, json};

use super::*;
use crate::{
    delivery,
    extension::{SECRET, TestExtension},
};

/// No test waits longer for anything.
const BOUND: Duration = Duration::from_secs(10);

const NOW: u64 = 1_700_000_000;

/// A fake platform whose clock stands.
fn platform() -> FakePlatform {
    FakePlatform::builder().clock(Clock::fixed(NOW)).start().unwrap()
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

    fn begin(&self, platform: &FakePlatform) -> TcpStream {
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
    fn raw(&self, platform: &FakePlatform) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = self.begin(platform).read_to_end(&mut bytes);
        bytes
    }

    #[track_caller]
    fn send(&self, platform: &FakePlatform) -> Received {
        let bytes = self.raw(platform);
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a response has a head");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Received { status, head, body: bytes[end + 4..].to_vec() }
    }

    #[track_caller]
    fn check(&self, platform: &FakePlatform, status: u16) -> Received {
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

/// What is refused as invalid, and the fields that the response names.
#[track_caller]
fn check_invalid(platform: &FakePlatform, ask: &Ask, errors: &Value) {
    assert_eq!(ask.check(platform, 422).json()["errors"], *errors, "{} {}", ask.method, ask.target);
}

/// The items of a list, by one of their fields.
#[track_caller]
fn listed(platform: &FakePlatform, target: &str, field: &str) -> Vec<Value> {
    let list = ask("GET", target).check(platform, 200).json();
    list["data"].as_array().unwrap().iter().map(|item| item[field].clone()).collect()
}
const ANCHORS: &str = "/api/v1/audit/anchors";
const RAW_EVENTS: &str = "/api/v1/platform/raw-events";

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
fn an_observer_sees_each_call_before_the_caller_its_response() {
    let (sender, seen) = mpsc::channel();
    let observed = FakePlatform::builder().on_call(move |call| sender.send(format!("{call:?}")).unwrap());
    let platform = observed.start().unwrap();
    ask("GET", RATE).check(&platform, 200);
    assert_eq!(seen.try_recv().unwrap(), "GET /api/v1/ext/rate_limit → 200");
}

#[test]
fn everything_may_lie_below_a_path() {
    let platform = FakePlatform::builder().base_path("/tenant/a/").start().unwrap();
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
    // The server responds before all of it is there, and may have closed by then.
    let _ = stream.write_all(&large.body);
    let mut status = [0; 12];
    if stream.read_exact(&mut status).is_ok() {
        assert_eq!(&status, b"HTTP/1.1 413");
    }
    ask("GET", SECRETS).check(&platform, 200);
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let platform = platform();
    let error = FakePlatform::builder().port(platform.address().port()).start().unwrap_err();
    assert!(error.to_string().contains("the platform cannot listen on 127.0.0.1:"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn it_responds_while_tokios_clock_is_paused() {
    let platform = platform();
    let answered = tokio::task::spawn_blocking(move || ask("GET", SECRETS).send(&platform).status).await;
    assert_eq!(answered.unwrap(), 200);
}

#[test]
fn many_callers_at_once_all_get_responses_and_are_recorded() {
    let platform = FakePlatform::builder().rate_limit(100_000, Duration::from_secs(60)).start().unwrap();
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
