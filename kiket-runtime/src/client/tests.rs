//! Tests of the client with a scripted transport and a paused clock.

use std::{
    collections::VecDeque,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::transport::{Outgoing, Sending, TransportError};
use super::*;
use crate::{
    api::{Endpoints, InboundEmail, IssueFields, Secrets, SlaFilter},
    types::Secret,
};

/// A transport that responds with its lines in order, then with 200 `{}`.
#[derive(Clone, Default)]
struct Script {
    lines: Arc<Mutex<VecDeque<Line>>>,
    sent: Arc<Mutex<Vec<(Instant, Outgoing)>>>,
}

enum Line {
    Response(Response),
    Failure(TransportError),
    Silence,
}

impl Transport for Script {
    fn send(&self, outgoing: Outgoing) -> Sending<'_> {
        self.sent.lock().unwrap().push((Instant::now(), outgoing));
        let line = self.lines.lock().unwrap().pop_front().unwrap_or_else(|| status(200));
        Box::pin(async move {
            match line {
                Line::Response(response) => Ok(response),
                Line::Failure(error) => Err(error),
                Line::Silence => std::future::pending().await,
            }
        })
    }
}

fn status(status: u16) -> Line {
    response(status, &[], "{}")
}

fn response(status: u16, headers: &[(&'static str, &str)], body: &str) -> Line {
    let headers =
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    let status = StatusCode::from_u16(status).unwrap();
    Line::Response(Response { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) })
}

impl Script {
    fn of(lines: impl IntoIterator<Item = Line>) -> Self {
        Self { lines: Arc::new(Mutex::new(lines.into_iter().collect())), sent: Arc::default() }
    }

    fn client(&self) -> Client {
        self.client_with(ClientLimits::default())
    }

    fn client_with(&self, limits: ClientLimits) -> Client {
        let options = ClientOptions {
            workspace_token: Some(Secret::from("wk_canary")),
            extension_api_key: Some(Secret::from("ek_canary")),
            limits,
            ..ClientOptions::default()
        };
        Client::over(Box::new(self.clone()), options, Clock::system(), Arc::default())
    }

    fn attempts(&self) -> usize {
        self.sent.lock().unwrap().len()
    }

    fn header(&self, attempt: usize, name: &str) -> Option<String> {
        let sent = self.sent.lock().unwrap();
        sent[attempt].1.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    /// The delays between the attempts.
    fn pauses(&self) -> Vec<Duration> {
        let sent = self.sent.lock().unwrap();
        sent.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
    }
}

/// A delivery that calls are made for.
struct Made {
    version: &'static str,
    deadline: Instant,
    keys: IdempotencyKeys,
    token: Option<Secret>,
}

impl Made {
    fn by(version: &'static str, seconds: u64, key: &str) -> Arc<Self> {
        Arc::new(Self::plain(version, seconds, key))
    }

    fn plain(version: &'static str, seconds: u64, key: &str) -> Self {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        Self { version, deadline, keys: IdempotencyKeys::new(key.into()), token: None }
    }
}

impl DeliveryScope for Made {
    fn version(&self) -> &str {
        self.version
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn token(&self) -> RuntimeToken<'_> {
        self.token.as_ref().map_or(RuntimeToken::None, RuntimeToken::Valid)
    }

    fn keys(&self) -> &IdempotencyKeys {
        &self.keys
    }
}

async fn get(client: &Client) -> Result<Value, ClientError> {
    client.get("/api/v1/ext/x").await
}

async fn post(client: &Client) -> Result<Value, ClientError> {
    client.post("/api/v1/x", &json!({ "a": 1 })).await
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_retried_up_to_three_attempts() {
    for code in [429, 502, 503, 504] {
        let script = Script::of([status(code), status(code)]);
        assert_eq!(get(&script.client()).await.unwrap(), json!({}), "{code}");
        assert_eq!(script.attempts(), 3);

        let script = Script::of([status(code), status(code), status(code)]);
        assert_eq!(get(&script.client()).await.unwrap_err().status().map(|s| s.as_u16()), Some(code));
        assert_eq!(script.attempts(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_error_is_retried() {
    for error in [TransportError::Connect("refused".into()), TransportError::Interrupted("cut".into())] {
        let script = Script::of([Line::Failure(error.clone())]);
        assert!(get(&script.client()).await.is_ok());
        assert_eq!(script.attempts(), 2);
        let script = Script::of((0..3).map(|_| Line::Failure(error.clone())));
        assert_eq!(get(&script.client()).await.unwrap_err().kind(), error.kind());
        assert_eq!(script.attempts(), 3);
        let script = Script::of([Line::Failure(error.clone())]);
        assert_eq!(post(&script.client()).await.unwrap_err().kind(), error.kind());
        assert_eq!(script.attempts(), 1, "it may have taken effect");
    }
}

#[tokio::test(start_paused = true)]
async fn other_failures_are_not_retried() {
    for code in [400, 401, 403, 404, 409, 422, 500, 501, 302] {
        let script = Script::of([status(code)]);
        assert!(get(&script.client()).await.is_err());
        assert_eq!(script.attempts(), 1, "{code}");
    }
    for error in [TransportError::Timeout, TransportError::TooLarge, TransportError::Unusable("no CA".into())]
    {
        let script = Script::of([Line::Failure(error.clone())]);
        assert!(get(&script.client()).await.is_err());
        assert_eq!(script.attempts(), 1, "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_is_retried_only_with_an_idempotency_key() {
    let script = Script::of([status(503)]);
    assert!(post(&script.client()).await.is_err());
    assert_eq!(script.attempts(), 1);

    let script = Script::of([status(503), status(503)]);
    assert!(post(&script.client().with_idempotency_key("k-1")).await.is_ok());
    assert_eq!(script.attempts(), 3);
    assert!((0..3).all(|attempt| script.header(attempt, "idempotency-key").as_deref() == Some("k-1")));
}

#[tokio::test(start_paused = true)]
async fn put_and_delete_are_retried() {
    let script = Script::of([status(503), status(200), status(503)]);
    let client = script.client();
    let () = client.put("/x", &()).await.map(|_: Value| ()).unwrap();
    let _: Value = client.delete("/x").await.unwrap();
    assert_eq!(script.attempts(), 4);
}

#[tokio::test(start_paused = true)]
async fn backoff_grows_and_has_full_jitter() {
    let script = Script::of([status(503), status(503)]);
    get(&script.client()).await.unwrap();
    let pauses = script.pauses();
    assert!(pauses[0] <= Duration::from_millis(201) && pauses[1] <= Duration::from_millis(401), "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_for_retry_after() {
    let script = Script::of([
        response(429, &[("retry-after", "7")], "{}"),
        response(503, &[("retry-after", "3")], "{}"),
    ]);
    get(&script.client()).await.unwrap();
    let seconds: Vec<_> = script.pauses().iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [7, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_past_the_deadline_fails_at_once() {
    let script = Script::of([response(429, &[("retry-after", "60")], r#"{"error":"Rate limit exceeded"}"#)]);
    let from = Instant::now();
    let error = get(&script.client()).await.unwrap_err();
    assert_eq!((error.retry_after(), from.elapsed()), (Some(Duration::from_secs(60)), Duration::ZERO));
    assert_eq!(error.message(), "Rate limit exceeded");

    let error = crate::error::HandlerError::from(error).into_error();
    assert_eq!(error.kind(), crate::error::ErrorKind::RetryAfter(Duration::from_secs(60)));
    assert_eq!(error.message(), None);
}

#[tokio::test(start_paused = true)]
async fn no_delay_that_a_server_asks_for_is_too_long() {
    let far = ["86401", "18446744073709551615", "184467440737095516150", "Fri, 31 Dec 9999 23:59:59 GMT"];
    for (status, delay) in [429, 503].into_iter().flat_map(|status| far.map(|delay| (status, delay))) {
        let limits = ["x-ratelimit-limit", "x-ratelimit-reset"].map(|name| (name, "18446744073709551615"));
        let headers = [limits[0], limits[1], ("x-ratelimit-remaining", "0"), ("retry-after", delay)];
        let script = Script::of([response(status, &headers, "{}")]);
        let error = get(&script.client()).await.unwrap_err();
        let day = Duration::from_secs(86_400);
        assert_eq!((error.kind(), error.retry_after()), (status_of(status), Some(day)), "{delay}");
        assert_eq!(script.attempts(), 1);
    }
}

fn status_of(status: u16) -> ClientErrorKind {
    ClientErrorKind::Status(StatusCode::from_u16(status).unwrap())
}

#[tokio::test(start_paused = true)]
async fn limits_may_be_as_large_as_numbers_are() {
    let limits = || ClientLimits {
        connect_timeout: Duration::MAX,
        call_timeout: Duration::MAX,
        calls_per_minute: u32::MAX,
        concurrent_calls: usize::MAX,
    };
    let script = Script::of([response(503, &[("retry-after", "18446744073709551615")], "{}")]);
    get(&script.client_with(limits())).await.unwrap();
    assert_eq!(script.pauses(), [Duration::from_secs(86_400)]);
    let error = Client::new(
        ClientOptions { limits: limits(), ..to("http://127.0.0.1:1") },
        Clock::system(),
        Arc::default(),
    );
    assert!(get(&error).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_byte_order_mark_is_skipped() {
    let script = Script::of([
        response(200, &[], "\u{feff} {\"a\":1}"),
        response(200, &[], "\u{feff}"),
        response(422, &[], "\u{feff}{\"error\":\"no\",\"code\":\"nope\"}"),
    ]);
    let client = script.client();
    assert_eq!(get(&client).await.unwrap(), json!({ "a": 1 }));
    assert_eq!(get(&client).await.unwrap(), Value::Null);
    let error = get(&client).await.unwrap_err();
    assert_eq!((error.message(), error.code()), ("no", Some("nope")));
    assert!(error.excerpt().unwrap().starts_with('{'));
}

#[tokio::test(start_paused = true)]
async fn an_unasked_encoding_is_named() {
    for (status, encoding) in [(200, "gzip"), (201, "br"), (404, "gzip"), (500, "zstd, gzip")] {
        let headers = [("content-encoding", encoding), ("x-request-id", "r-9")];
        let error =
            get(&Script::of([response(status, &headers, "\u{1f}\u{8b}rubbish")]).client()).await.unwrap_err();
        assert!(error.message().contains(&format!("`Content-Encoding: {encoding}`")), "{error}");
        assert_eq!((error.excerpt(), error.request_id()), (None, Some("r-9")));
        assert_eq!(error.status().is_some(), status >= 400);
    }
    let script = Script::of([
        response(200, &[("content-encoding", "Identity")], "{}"),
        response(200, &[("content-encoding", "gzip")], ""),
        response(200, &[("content-encoding", &"x".repeat(5000))], "{}"),
    ]);
    let client = script.client();
    assert_eq!((get(&client).await.unwrap(), get(&client).await.unwrap()), (json!({}), Value::Null));
    assert!(get(&client).await.unwrap_err().message().len() < 200);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_no_json_says_what_it_is() {
    let page = || response(200, &[("content-type", "text/html; charset=utf-8")], "<html>");
    let error = get(&Script::of([page()]).client()).await.unwrap_err();
    assert!(error.message().ends_with("(its `Content-Type` is `text/html; charset=utf-8`)"), "{error}");
    let Line::Response(mut utf16) = response(200, &[], "") else { panic!("no response") };
    utf16.body = Bytes::from_static(b"\xff\xfe{\0}\0");
    let error = get(&Script::of([Line::Response(utf16)]).client()).await.unwrap_err();
    assert!(error.message().ends_with("(it is not UTF-8)"), "{error}");
    let Line::Response(mut page) = page() else { panic!("no response") };
    page.headers.insert("content-type", "application/problem+json".parse().unwrap());
    let error = get(&Script::of([Line::Response(page)]).client()).await.unwrap_err();
    assert!(error.message().ends_with("column 1"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_texts_of_a_response_are_cut_in_an_error() {
    let long = "é".repeat(32 * 1024);
    // A token that the cut would halve.
    let message = format!("{}wk_canary{long}", "x".repeat(4_090));
    let fields: serde_json::Map<_, _> = (0..10_000)
        .map(|field| (format!("{field}{long}"), json!(format!("wk_canary{long}"))))
        .take(3)
        .collect();
    let many: serde_json::Map<_, _> =
        (0..10_000).map(|field| (field.to_string(), json!(["x", "y"]))).collect();
    for body in [
        json!({ "error": &message, "code": &long, "request_id": &long, "errors": fields }),
        json!({ "title": &message, "detail": &long, "type": &long, "errors": many }),
        json!({ "errors": [&long] }),
    ] {
        let error = get(&Script::of([response(400, &[], &body.to_string())]).client()).await.unwrap_err();
        let (shown, debug) = (error.to_string(), format!("{error:?}"));
        assert!(shown.len() < 8 * 1024, "{} bytes", shown.len());
        assert!(debug.len() < 64 * 1024, "{} bytes", debug.len());
        assert!(!debug.contains("canary") && !debug.contains("wk_"), "{debug}");
    }
    let id = [("x-request-id", &*"i".repeat(5_000))];
    let error = get(&Script::of([response(400, &id, "{}")]).client()).await.unwrap_err();
    assert_eq!(error.request_id().map(|id| id.chars().count()), Some(257));
    // What a decoder quotes is a text of the response, too.
    let quoted = response(200, &[], &json!({ "a": long }).to_string());
    let numbers = Script::of([quoted]).client().get::<std::collections::BTreeMap<String, u8>>("/x").await;
    assert!(numbers.unwrap_err().to_string().len() < 8 * 1024);
}

/// A page of a list, with the items and the next page.
fn page(items: &Value, next: &Value) -> Line {
    response(200, &[], &json!({ "data": items, "meta": { "next_page": next } }).to_string())
}

fn an_item() -> Value {
    json!([{ "id": 1, "issue_id": 2, "project_id": 7, "state": "imminent", "triggered_at": "2026-01-01T00:00:00Z" }])
}

/// Reads a list to its end. Returns the number of its items, the error, and the number of requests.
async fn read_list(pages: impl IntoIterator<Item = Line>) -> (usize, Option<ClientError>, usize) {
    let script = Script::of(pages);
    let endpoints = Endpoints::from(script.client());
    let mut list = endpoints.sla_events(7).stream(SlaFilter::default());
    let (mut items, mut error) = (0, None);
    while let Some(item) = list.next().await {
        match item {
            Ok(_) => items += 1,
            Err(failed) => error = Some(failed),
        }
    }
    (items, error, script.attempts())
}

#[tokio::test(start_paused = true)]
async fn a_ring_of_pages_is_an_error() {
    let item = an_item();
    for (ring, requests) in [
        (vec![json!(2), json!(3), json!(2), json!(3)], 3),
        (vec![json!("b"), json!("b")], 2),
        (vec![json!(1), json!(2), json!(3), json!(4), json!(1)], 5),
        ((0..2000).map(|page| json!(page % 1000)).collect(), 1001),
    ] {
        let (items, error, made) = read_list(ring.iter().map(|next| page(&item, next))).await;
        let error = error.expect("a ring is an error");
        assert_eq!(
            (error.kind(), items, made),
            (ClientErrorKind::EndlessPages, requests, requests),
            "{error}"
        );
        assert!(error.to_string().contains("twice"), "{error}");
    }
    let name = json!("x".repeat(5000));
    let (.., error, _) = read_list([page(&item, &name), page(&item, &name)]).await;
    assert!(error.unwrap().to_string().len() < 200);
}

#[tokio::test(start_paused = true)]
async fn endless_empty_pages_are_an_error() {
    let empty = |next: usize| page(&json!([]), &json!(next));
    let (items, error, made) = read_list((2..1000).map(empty)).await;
    let error = error.expect("empty pages are an error");
    assert_eq!((error.kind(), items, made), (ClientErrorKind::EndlessPages, 0, 10), "{error}");

    // A few are none, and an item begins anew.
    let pages = (2..40).map(|next| page(&if next % 10 == 0 { an_item() } else { json!([]) }, &json!(next)));
    let (items, error, made) = read_list(pages.chain([page(&an_item(), &Value::Null)])).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((items, made), (4, 39));
}

#[tokio::test(start_paused = true)]
async fn a_call_after_its_delivery_says_what_to_use() {
    let script = Script::default();
    let client = script.client().for_delivery(Made::by("v1", 1, "id:1"));
    get(&client).await.unwrap();
    tokio::time::advance(Duration::from_millis(1500)).await;
    // The rate limit is not the reason, either.
    let pause = Some(Duration::from_secs(60));
    for pause in [None, pause] {
        client.inner.rate_limiter.observe(&http::HeaderMap::new(), pause);
        let error = get(&client).await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Timeout);
        let text = error.to_string();
        assert!(text.contains("the delivery is over") && text.contains("`context.detached()`"), "{text}");
    }
    assert_eq!(script.attempts(), 1);
}

fn secrets(script: &Script) -> Secrets {
    let options = ClientOptions {
        workspace_token: Some(Secret::from("wk_canary")),
        extension_id: Some("com.example.x".into()),
        ..ClientOptions::default()
    };
    Endpoints::from(Client::over(Box::new(script.clone()), options, Clock::system(), Arc::default()))
        .secrets()
}

/// The calls of a script: method, end of the path, body.
fn calls(script: &Script) -> Vec<(String, String, Value)> {
    let sent = script.sent.lock().unwrap();
    let call = |(_, outgoing): &(Instant, Outgoing)| {
        let path = outgoing.url.rsplit_once("com.example.x").unwrap().1.to_owned();
        (outgoing.method.to_string(), path, serde_json::from_slice(outgoing.body.as_ref().unwrap()).unwrap())
    };
    sent.iter().map(call).collect()
}

#[tokio::test(start_paused = true)]
async fn the_dialect_of_secrets_is_learnt_and_remembered() {
    let own = |key: &str, value| ("POST".into(), format!("/secrets/{key}"), json!({ "value": value }));
    let collected =
        |key, value| ("POST".into(), "/secrets".into(), json!({ "secret": { "key": key, "value": value } }));
    for code in [404, 405, 501] {
        let script = Script::of([status(code)]);
        let secrets = secrets(&script);
        secrets.set("A", "1").await.unwrap();
        secrets.clone().set("B", "2").await.unwrap();
        assert_eq!(calls(&script), [own("A", "1"), collected("A", "1"), collected("B", "2")], "{code}");
        let keys: Vec<_> = (0..3).map(|attempt| script.header(attempt, "idempotency-key")).collect();
        assert!(keys.iter().all(Option::is_some) && keys[0] != keys[1] && keys[1] != keys[2]);

        // A platform that no longer takes it is asked anew.
        script.lines.lock().unwrap().push_back(status(code));
        secrets.set("C", "3").await.unwrap();
        secrets.set("D", "4").await.unwrap();
        assert_eq!(calls(&script)[3..], [collected("C", "3"), own("C", "3"), own("D", "4")], "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_refused_in_both_dialects_is_an_error() {
    for (first, second, reported) in [(404, 404, 404), (405, 404, 405), (404, 422, 422), (404, 403, 403)] {
        let script = Script::of([status(first), status(second), status(200)]);
        let secrets = secrets(&script);
        let error = secrets.set("A", "1").await.unwrap_err();
        assert_eq!((error.kind(), script.attempts()), (status_of(reported), 2));
        secrets.set("A", "1").await.unwrap();
        assert_eq!(calls(&script)[2].1, "/secrets/A", "a failure teaches nothing");
    }
    for code in [400, 401, 403, 422, 500] {
        let script = Script::of([status(code)]);
        assert!(secrets(&script).set("A", "1").await.is_err());
        assert_eq!(script.attempts(), 1, "{code}");
    }
    let script = Script::of([status(404)]);
    let secrets = secrets(&script);
    secrets.set("A", "1").await.unwrap();
    assert_eq!(secrets.set(" ", "1").await.unwrap_err().kind(), ClientErrorKind::InvalidRequest);
    assert_eq!(script.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_without_rotation_is_a_set_in_either_dialect() {
    for code in [405, 501] {
        let script = Script::of([status(code), status(code)]);
        let secrets = secrets(&script);
        secrets.rotate("A", "1").await.unwrap();
        let made: Vec<_> =
            calls(&script).into_iter().map(|(method, path, _)| format!("{method} {path}")).collect();
        assert_eq!(made, ["PATCH /secrets/A", "POST /secrets/A", "POST /secrets"]);
    }
    let script = Script::of([status(404)]);
    assert!(secrets(&script).rotate("A", "1").await.is_err(), "there is no such secret");
    assert_eq!(script.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_response_without_a_secret_does_not_say_that_there_is_none() {
    for body in ["{}", "", r#"{"value":null}"#, r#"{"secret":{}}"#, r#"{"secret":"canary"}"#] {
        let error = secrets(&Script::of([response(200, &[], body)])).get("A").await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Unreadable, "{body}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
    for body in [r#"{"key":"A","value":"x"}"#, r#"{"secret":{"key":"A","value":"x"}}"#] {
        let secret = secrets(&Script::of([response(200, &[], body)])).get("A").await.unwrap();
        assert_eq!(secret.unwrap().expose(), "x", "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_response_to_a_secret_is_shown() {
    for lines in [[status(404), response(422, &[], "canary")], [response(422, &[], "canary"), status(200)]] {
        let error = secrets(&Script::of(lines)).set("A", "canary").await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}

#[test]
fn a_long_base_url_of_a_delivery_is_cut_in_the_log() {
    struct Fields(Arc<Mutex<String>>);
    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Fields {
        fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            let mut text = self.0.lock().unwrap();
            event.record(&mut |_: &tracing::field::Field, value: &dyn fmt::Debug| {
                let _ = fmt::Write::write_fmt(&mut *text, format_args!("{value:?} "));
            });
        }
    }
    use tracing_subscriber::layer::SubscriberExt as _;
    let logged = Arc::new(Mutex::new(String::new()));
    let fields = Arc::new(tracing_subscriber::registry().with(Fields(Arc::clone(&logged))));
    // Each letter has two bytes: in one of the two, byte 100 is within a letter.
    for start in ["", "x"] {
        let named = start.to_owned() + &"ü".repeat(10_000);
        tracing::subscriber::with_default(Arc::clone(&fields), || {
            Script::default().client().at_base_url_of_delivery(&named)
        });
        let logged = std::mem::take(&mut *logged.lock().unwrap());
        assert!(logged.contains("another base URL") && logged.len() < 400, "{logged}");
    }
}

/// How a server treats a request on a connection that it keeps.
#[derive(Debug, Clone, Copy)]
enum Treatment {
    Respond(&'static str),
    Close,
    /// With unread bytes, so that the connection is reset.
    Reset,
}

use Treatment::{Close, Reset, Respond};

const WHOLE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
const CUT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{\"a\":";
const CUT_CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n";
const CUT_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-le";

/// A server of these connections, which it closes after their last treatment. Returns its URL.
fn serve<const N: usize>(connections: [&'static [Treatment]; N]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for treatments in connections {
            let (mut stream, _) = listener.accept().unwrap();
            for treatment in treatments {
                let mut head = [0; 1];
                let mut seen = Vec::new();
                while !seen.ends_with(b"\r\n\r\n") && stream.read(&mut head).unwrap() > 0 {
                    seen.push(head[0]);
                    if matches!(treatment, Reset) {
                        break;
                    }
                }
                if let Respond(text) = treatment {
                    stream.write_all(text.as_bytes()).unwrap();
                }
            }
        }
    });
    url
}

fn to(url: &str) -> ClientOptions {
    let token = Some(Secret::from("wk"));
    let options =
        ClientOptions { workspace_token: token.clone(), extension_api_key: token, ..Default::default() };
    ClientOptions { base_url: url.parse().unwrap(), ..options }
}

const TREATMENTS: [&[Treatment]; 5] = [
    &[Respond(WHOLE), Close],
    &[Respond(WHOLE), Reset],
    &[Respond(WHOLE), Respond(CUT)],
    &[Respond(WHOLE), Respond(CUT_CHUNKED)],
    &[Respond(WHOLE), Respond(CUT_HEAD)],
];

#[tokio::test]
async fn a_connection_that_breaks_while_reused_fails_no_call() {
    for broken in TREATMENTS {
        let client = || Client::new(to(&serve([broken, &[Respond(WHOLE)]])), Clock::system(), Arc::default());
        let get_twice = client();
        get(&get_twice).await.unwrap();
        assert_eq!(get(&get_twice).await.unwrap(), json!({}), "{broken:?}");

        let delete = client();
        get(&delete).await.unwrap();
        assert_eq!(delete.delete::<Value>("/x").await.unwrap(), json!({}), "{broken:?}");

        let with_key = client().with_idempotency_key("k");
        get(&with_key).await.unwrap();
        assert_eq!(post(&with_key).await.unwrap(), json!({}), "{broken:?}");

        let without_key = client();
        get(&without_key).await.unwrap();
        let error = post(&without_key).await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Interrupted, "it may have taken effect: {broken:?}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_while_reused_loses_no_document() {
    for broken in TREATMENTS {
        let fetcher = Fetcher::new(&serve([broken, &[Respond(WHOLE)]]).parse().unwrap(), "/keys");
        for _ in 0..2 {
            assert_eq!(fetcher.fetch().await.as_deref(), Ok(&b"{}"[..]), "{broken:?}");
        }
    }
    let fetcher = Fetcher::new(&serve([&[Respond(CUT)], &[Respond(CUT)]]).parse().unwrap(), "/keys");
    assert!(fetcher.fetch().await.unwrap_err().contains("the connection broke"));
}

#[tokio::test]
async fn connections_that_always_break_are_an_error() {
    for broken in [Close, Reset, Respond(CUT), Respond(CUT_CHUNKED)] {
        let connections: &'static [Treatment] = Box::leak(Box::new([broken]));
        let client = Client::new(to(&serve([connections; 3])), Clock::system(), Arc::default());
        assert_eq!(get(&client).await.unwrap_err().kind(), ClientErrorKind::Interrupted, "{broken:?}");
    }
}

/// A server that keeps its connections, and calls `before` with the number of each request before it responds.
fn serve_all(before: impl Fn(usize) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (before, number) = (Arc::new(before), Arc::new(AtomicUsize::new(0)));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, before, number) = (stream.unwrap(), Arc::clone(&before), Arc::clone(&number));
            std::thread::spawn(move || {
                while has_request(&mut stream) {
                    before(number.fetch_add(1, Ordering::SeqCst));
                    stream.write_all(WHOLE.as_bytes()).unwrap();
                }
            });
        }
    });
    url
}

/// Reads the head of a request; false where the connection is closed.
fn has_request(stream: &mut TcpStream) -> bool {
    let (mut byte, mut head) = ([0], Vec::new());
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or_default() == 0 {
            return false;
        }
        head.push(byte[0]);
    }
    true
}

/// Runs `work` like a worker of the server: in a runtime of its own.
fn on_a_worker<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> std::thread::JoinHandle<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || runtime.block_on(work))
}

/// Makes a call, and lets its connection become free.
async fn opens(client: Client) {
    get(&client).await.unwrap();
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_worker_that_blocks_holds_up_no_call_of_others() {
    let client = Client::new(to(&serve_all(|_| ())), Clock::system(), Arc::default());
    let ((open, is_open), (release, released)) = (mpsc::channel(), mpsc::channel::<()>());
    let opening = opens(client.clone());
    let blocked = on_a_worker(async move {
        opening.await;
        open.send(()).unwrap();
        let _ = released.recv(); // it blocks, as no handler should
    });
    is_open.recv().unwrap();
    let called = on_a_worker(async move { get(&client).await }).join().unwrap();
    drop(release);
    blocked.join().unwrap();
    assert_eq!(called.unwrap(), json!({}));
}

#[test]
fn a_worker_that_ends_breaks_no_call_of_others() {
    let ((asked, is_asked), (end, ended)) = (mpsc::channel(), mpsc::channel::<()>());
    let ended = Mutex::new(ended);
    let url = serve_all(move |number| {
        if number == 1 {
            asked.send(()).unwrap();
            let _ = ended.lock().unwrap().recv();
        }
    });
    let client = Client::new(to(&url), Clock::system(), Arc::default());
    let (open, is_open) = mpsc::channel();
    let opening = opens(client.clone());
    let ends = on_a_worker(async move {
        opening.await;
        open.send(()).unwrap();
        tokio::task::spawn_blocking(move || is_asked.recv()).await.unwrap().unwrap();
    });
    is_open.recv().unwrap();
    let calls = on_a_worker(async move { post(&client).await });
    ends.join().unwrap();
    drop(end);
    assert_eq!(calls.join().unwrap().unwrap(), json!({}), "it is not retried");
}

#[tokio::test]
async fn a_call_that_is_dropped_ends_its_request() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, is_asked) = tokio::sync::oneshot::channel();
    let server = tokio::task::spawn_blocking(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        assert!(has_request(&mut stream));
        asked.send(()).unwrap();
        stream.read(&mut [0]).unwrap()
    });
    let far = ClientLimits { call_timeout: Duration::from_secs(600), ..ClientLimits::default() };
    let client = Client::new(ClientOptions { limits: far, ..to(&url) }, Clock::system(), Arc::default());
    let call = tokio::spawn(async move { get(&client).await });
    is_asked.await.unwrap();
    call.abort();
    assert_eq!(server.await.unwrap(), 0, "the connection is closed");
}

#[tokio::test]
async fn a_request_that_no_url_can_carry_is_not_sent() {
    let client = Client::new(to("http://127.0.0.1:1"), Clock::system(), Arc::default());
    let error = client.get::<Value>(&format!("/x?{}", "a".repeat(70_000))).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::NotConfigured, "{error:?}");
    assert!(error.to_string().len() < 300, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_at_its_deadline_or_that_of_the_delivery() {
    let script = Script::of([Line::Silence, Line::Silence]);
    let client = script.client();
    let from = Instant::now();
    assert_eq!(get(&client).await.unwrap_err().kind(), ClientErrorKind::Timeout);
    assert_eq!(from.elapsed().as_secs(), 15);

    let client = client.for_delivery(Made::by("v1", 2, "id:1"));
    let from = Instant::now();
    assert_eq!(get(&client).await.unwrap_err().kind(), ClientErrorKind::Timeout);
    assert_eq!(from.elapsed().as_secs(), 2);
    assert_eq!(get(&client).await.unwrap_err().kind(), ClientErrorKind::Timeout, "the delivery is over");
    assert_eq!(script.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_has_tokens_version_and_user_agent() {
    let script = Script::default();
    let client = script.client().for_delivery(Made::by("v2", 9, "id:1"));
    get(&client).await.unwrap();
    post(&client).await.unwrap();
    let header = |attempt, name| script.header(attempt, name);
    assert_eq!(header(0, "authorization").as_deref(), Some("Bearer wk_canary"));
    assert_eq!(header(0, "x-kiket-api-key").as_deref(), Some("ek_canary"));
    assert_eq!(header(0, "x-kiket-event-version").as_deref(), Some("v2"));
    assert_eq!(header(0, "user-agent"), Some(format!("kiket-sdk-rust/{}", env!("CARGO_PKG_VERSION"))));
    assert_eq!(header(0, "content-type"), None);
    assert_eq!(header(1, "x-kiket-api-key"), None, "the extension key is for ext alone");
    assert_eq!(header(1, "content-type").as_deref(), Some("application/json"));
    assert_eq!(script.sent.lock().unwrap()[1].1.url, "https://kiket.dev/api/v1/x");
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_token_fails_before_it_is_sent() {
    let script = Script::default();
    let client = |options| Client::over(Box::new(script.clone()), options, Clock::system(), Arc::default());
    let error = post(&client(ClientOptions::default())).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::NotConfigured);
    assert!(error.to_string().contains("set `KIKET_WORKSPACE_TOKEN`"), "{error}");
    assert!(
        get(&client(ClientOptions::default()))
            .await
            .unwrap_err()
            .to_string()
            .contains("set `KIKET_EXTENSION_API_KEY`")
    );
    assert_eq!(script.attempts(), 0);

    let unsendable =
        ClientOptions { workspace_token: Some(Secret::from("wk\ncanary")), ..ClientOptions::default() };
    let error = post(&client(unsendable)).await.unwrap_err();
    assert!(error.to_string().contains("cannot carry") && !format!("{error:?}").contains("canary"));

    let key_alone = ClientOptions { extension_api_key: Some(Secret::from("ek")), ..ClientOptions::default() };
    assert!(get(&client(key_alone)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_response_may_be_empty_but_not_of_another_shape() {
    let lines = ["", " ", "nonsense", r#"{"a":1}"#, r#"{"a":1}"#]
        .map(|body| response(200, &[("x-request-id", "r-9")], body));
    let client = Script::of(lines).client();
    let () = client.get("/x").await.unwrap();
    let none: Option<Value> = client.get("/x").await.unwrap();
    assert_eq!(none, None);
    let error = client.get::<Value>("/x").await.unwrap_err();
    assert_eq!((error.kind(), error.request_id()), (ClientErrorKind::Unreadable, Some("r-9")));
    assert_eq!(error.excerpt(), Some("nonsense"));
    let error = client.get::<Vec<u8>>("/x").await.unwrap_err();
    assert!(error.to_string().contains("expected a sequence"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn no_part_of_a_long_token_is_shown() {
    let token = "canary_".repeat(100);
    let made = |before: &str| {
        let body = format!("{before}{token} {token} {token}");
        let delivery = Made { token: Some(Secret::from(token.clone())), ..Made::plain("v1", 10, "k") };
        Script::of([response(400, &[], &body)]).client().for_delivery(Arc::new(delivery))
    };
    for before in ["", "x", &"x".repeat(400), &"x".repeat(511)] {
        let error = get(&made(before)).await.unwrap_err();
        let excerpt = error.excerpt().unwrap();
        assert!(excerpt.starts_with(before) && !excerpt.contains("canary"), "{excerpt}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_in_a_response_is_redacted() {
    let echo = r#"{"error":"bad token wk_canary","errors":{"key":"ek_canary"}}"#;
    let client =
        Script::of([response(401, &[("x-request-id", "wk_canary")], echo), response(200, &[], "wk_canary")])
            .client();
    for _ in 0..2 {
        let error = client.get::<Value>("/api/v1/ext/x").await.unwrap_err();
        let shown = format!("{error} {error:?} {client:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn redeliveries_repeat_idempotency_keys_and_calls_differ() {
    async fn keys_of(delivery: &str) -> Vec<String> {
        let script = Script::default();
        let client = script.client().for_delivery(Made::by("v1", 9, delivery));
        for body in [1, 1, 2] {
            let request = Request::post(&["x"]).json(&body).idempotent();
            client.execute(request).await.unwrap();
        }
        (0..3).map(|attempt| script.header(attempt, "idempotency-key").unwrap()).collect()
    }
    let (first, again, other) = (keys_of("id:1").await, keys_of("id:1").await, keys_of("id:2").await);
    assert_eq!(first, again);
    let mut all: Vec<_> = first.iter().chain(&other).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 6, "every call has a key of its own");
}

#[tokio::test(start_paused = true)]
async fn calls_that_change_something_have_keys_per_delivery() {
    async fn keys_of(delivery: &str) -> Vec<String> {
        let script = Script::default();
        let endpoints = Endpoints::from(script.client().for_delivery(Made::by("v1", 9, delivery)));
        let (issues, submissions) = (endpoints.issues(), endpoints.intake_forms(7).submissions("k"));
        // Most calls fail to read the response `{}`; only the requests matter.
        for _ in 0..2 {
            let _ = issues.create("t", IssueFields::default()).await;
            let _ = issues.update("K-1", IssueFields::default()).await;
            let _ = issues.comment("K-1", "b").await;
            let _ = issues.transition("K-1", "done").await;
            let _ = submissions.create(&json!({}), ()).await;
            let _ = submissions.approve(1, None).await;
            let _ = submissions.reject(1, None).await;
            let _ = endpoints.analytics().track("e", ()).await;
            let _ = endpoints.inbound_emails().create(&InboundEmail::new("a", "b")).await;
        }
        (0..script.attempts()).map(|attempt| script.header(attempt, "idempotency-key").unwrap()).collect()
    }
    let (first, again, other) = (keys_of("id:1").await, keys_of("id:1").await, keys_of("id:2").await);
    assert_eq!(first, again);
    let all: std::collections::HashSet<_> = first.iter().chain(&other).collect();
    assert_eq!((first.len(), all.len()), (18, 36));
}

#[tokio::test(start_paused = true)]
async fn a_retry_repeats_url_body_and_key() {
    let script = Script::of([
        status(503),
        Line::Failure(TransportError::Connect("refused".into())),
        status(429),
        status(502),
    ]);
    let endpoints = Endpoints::from(script.client());
    let error = endpoints.intake_forms(7).submissions("k").approve(1, "Fine").await.unwrap_err();
    assert_eq!((error.status().map(|s| s.as_u16()), script.attempts()), (Some(429), 3));
    endpoints.analytics().track("e", json!({ "a": 1 })).await.unwrap();
    assert_eq!(script.attempts(), 5);
    let sent = script.sent.lock().unwrap();
    for attempts in [&sent[..3], &sent[3..]] {
        for (_, attempt) in attempts {
            assert_eq!((&attempt.url, &attempt.body), (&attempts[0].1.url, &attempts[0].1.body));
            assert_eq!(attempt.headers["idempotency-key"], attempts[0].1.headers["idempotency-key"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_concurrent_calls_all_finish() {
    let script = Script::default();
    let client = script.client_with(ClientLimits {
        calls_per_minute: 60_000,
        call_timeout: Duration::from_secs(60),
        ..ClientLimits::default()
    });
    let calls: Vec<_> = (0..10_000)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { get(&client).await.map(drop) })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(script.attempts(), 10_000);
}
