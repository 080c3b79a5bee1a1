//! What a delivery costs without HTTP, step by step.
//!
//! ```text
//! cargo bench --bench micro
//! ```
//!
//! The steps take turns in many short batches, and the fastest batch counts: whatever else the machine does only
//! adds. The bench fails on a wrong response, never on a time.

mod count;
#[path = "../deliveries/mod.rs"]
mod deliveries;
mod step;

use std::{
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use kiket::{
    Extension, ExtensionBuilder, Headers, Payload, Reply, Secret,
    auth::{Authentication, TokenRules},
    config::Clock,
    signature::{self, SIGNATURE_HEADER, TIMESTAMP_HEADER, Verifier},
    testing::TokenIssuer,
};
use serde_json::{Value, json};
use sha2::Sha256;

use deliveries::{EVENT, IssueCreated, SECRET, SIZES, VERSION};
use step::{Step, row};

/// When the deliveries are signed, and when they arrive.
const NOW: u64 = 1_700_000_000;

fn main() {
    if count::asked() {
        return;
    }
    // `cargo test --all-targets` only wants to see that it works.
    let batches = if std::env::args().any(|argument| argument == "--bench") { 300 } else { 1 };
    for (size, name) in SIZES {
        measure(size, name, batches);
    }
}

fn measure(size: usize, name: &str, batches: usize) {
    let body = Bytes::from(deliveries::body(size));
    let (timestamp, signed) = (NOW.to_string(), signature::sign(SECRET, NOW, &body));
    let headers = headers(&timestamp, &signed, &size.to_string());
    let verifier = Verifier::new([&Secret::from(SECRET)]).expect("the secret is usable");
    let key = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("HMAC takes keys of any length");
    let extension = extension();
    let issuer = TokenIssuer::new();
    let by_token = extension_with(&issuer);
    let known = with_token(&issuer, size, 0);
    // More than are remembered, so that each is new when its turn comes again.
    let unknown: Vec<_> = (1..=TOKENS).map(|number| with_token(&issuer, size, number)).collect();
    let mut turns = unknown.iter().cycle();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime is there");
    let _entered = runtime.enter();

    let mut verify_once = Step::new("`signature::verify`, key built each time", || {
        black_box(signature::verify(SECRET, &timestamp, &signed, &body, NOW)).expect("the signature holds");
    });
    let mut verify = Step::new("`Verifier::verify`, key kept", || {
        black_box(verifier.verify(&headers, &body, NOW)).expect("the signature holds");
    });
    let mut mac = Step::new("the MAC alone", || {
        let mut mac = key.clone();
        mac.update(timestamp.as_bytes());
        mac.update(b".");
        mac.update(&body);
        black_box(mac.finalize());
    });
    let mut json = Step::new("the JSON alone, from bytes", || {
        let text = std::str::from_utf8(&body).expect("the body is text");
        black_box(serde_json::from_str::<IssueCreated>(text)).expect("the body decodes");
    });
    let mut total = Step::new("a delivery without HTTP", || deliver(&extension, headers.clone(), &body));
    let mut known_token =
        Step::new("the same with its token, that is known", || deliver(&by_token, headers.clone(), &known));
    let mut new_token = Step::new("the same with a token that is new", || {
        deliver(&by_token, headers.clone(), turns.next().expect("there is no end of them"));
    });
    for _ in 0..batches {
        for step in
            [&mut verify_once, &mut verify, &mut mac, &mut json, &mut total, &mut known_token, &mut new_token]
        {
            step.run();
        }
    }

    println!("\n{name}");
    for step in [&verify_once, &verify, &mac, &json, &total, &known_token, &new_token] {
        row(step.name, step.fastest, "");
    }
    let rest = total.fastest - mac.fastest - json.fastest;
    row("the rest: a delivery less MAC and JSON", rest, "target: below 2 µs");
}

async fn on_issue_created(payload: Payload<IssueCreated>) -> Reply {
    black_box(payload.0);
    Reply::ok()
}

fn deliver(extension: &Extension, headers: Headers, body: &Bytes) {
    let response = kiket_runtime::internals::dispatch(extension, EVENT, VERSION, headers, body.clone());
    // The handler waits for nothing, so that the response is there at once.
    let response = pin!(response).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready((200, body)) = response else { panic!("the response is {response:?}") };
    assert_eq!(body, br#"{"ok":true}"#.as_slice());
}

/// It remembers no delivery, for it gets the same again and again, and each is to run.
fn builder() -> ExtensionBuilder {
    let builder =
        Extension::builder().webhook_secret(SECRET).without_manifest().dedupe(|dedupe| dedupe.enabled(false));
    builder.clock(Clock::fixed(NOW)).on(EVENT, VERSION, on_issue_created)
}

fn extension() -> Extension {
    builder().build().expect("the extension is complete")
}

fn extension_with(issuer: &TokenIssuer) -> Extension {
    let rules = TokenRules::new().extension_number(7).keys(issuer.jwks().to_string());
    let builder = builder().authentication(Authentication::Token).token_rules(rules);
    builder.build().expect("the extension is complete")
}

/// How many tokens there are: a few more than are remembered.
const TOKENS: u64 = 5000;

fn with_token(issuer: &TokenIssuer, size: usize, number: u64) -> Bytes {
    let claims =
        json!({ "iss": "kiket.dev", "ext_id": 7, "jti": number.to_string(), "iat": NOW, "exp": NOW + 300 });
    let mut body: Value = serde_json::from_slice(&deliveries::body(size)).expect("the body is JSON");
    body["authentication"] = json!({ "runtime_token": issuer.sign(&claims), "token_type": "runtime" });
    body.to_string().into()
}

fn headers(timestamp: &str, signature: &str, length: &str) -> Headers {
    [
        ("host", "127.0.0.1"),
        ("user-agent", "Kiket-Webhooks/1.0"),
        ("accept", "*/*"),
        ("content-type", "application/json"),
        ("content-length", length),
        (TIMESTAMP_HEADER, timestamp),
        (SIGNATURE_HEADER, signature),
        ("x-kiket-delivery", "evt_01JZ8Q4W7C5N2M"),
    ]
    .into_iter()
    .collect()
}
