//! Tests of the client with a scripted transport and a paused clock.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::transport::{Outgoing, Sending, TransportError};
use super::*;
use crate::{
    api::{Endpoints, InboundEmail, IssueFields},
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
        Client::over(Box::new(self.clone()), options, Clock::system())
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

    fn token(&self) -> Option<&Secret> {
        self.token.as_ref()
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
    let script = Script::of([Line::Failure(TransportError::Connect("refused".into()))]);
    assert!(get(&script.client()).await.is_ok());
    assert_eq!(script.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn other_failures_are_not_retried() {
    for code in [400, 401, 403, 404, 409, 422, 500, 501, 302] {
        let script = Script::of([status(code)]);
        assert!(get(&script.client()).await.is_err());
        assert_eq!(script.attempts(), 1, "{code}");
    }
    for error in [
        TransportError::Timeout,
        TransportError::TooLarge,
        TransportError::Interrupted("cut".into()),
        TransportError::Unusable("no CA".into()),
    ] {
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
    let client = |options| Client::over(Box::new(script.clone()), options, Clock::system());
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
