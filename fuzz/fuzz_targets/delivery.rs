//! Any path, headers and body get a response with a status of the wire contract and a JSON body, without secrets.
//!
//! The line is the path with its query. An `@` in a header is the signature.

#![no_main]

mod request;

use std::{cell::OnceCell, time::Duration};

use bytes::Bytes;
use kiket_runtime::{
    Clock, Context, Decision, Extension, HandlerError, Headers, Json, Payload, RawBody, Result, Settings, StatusCode,
    internals::dispatch_to,
    signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER},
};
use libfuzzer_sys::{Corpus, fuzz_target};
use request::Request;
use serde::Deserialize;
use serde_json::{Value, json};

const NOW: u64 = 1_700_000_000;
const SECRET: &str = "sh_cAn4rY_delivery";

thread_local! {
    static RUNTIME: OnceCell<tokio::runtime::Runtime> = const { OnceCell::new() };
}

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some(mut request) = Request::read(input) else { return Corpus::Reject };
    if input.windows(6).any(|window| window.eq_ignore_ascii_case(b"cAn4rY")) {
        return Corpus::Reject;
    }
    request.sign(SECRET);
    let body = Bytes::copy_from_slice(request.body);
    // A new one for each input: the replies it stored for others would change its responses.
    let extension = extension();
    let ask = || dispatch_to(&extension, request.line, request.headers(), body.clone());
    let responses = RUNTIME.with(|runtime| {
        let runtime = runtime
            .get_or_init(|| tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap());
        runtime.block_on(async { (ask().await, ask().await) })
    });
    assert_eq!(extension.in_flight(), 0);
    assert_eq!(responses.0, responses.1, "a repeated delivery gets another response");
    let Some((status, response)) = responses.0 else { return Corpus::Keep };

    let text = str::from_utf8(&response).unwrap();
    assert!(!text.contains("cAn4rY"), "{text}");
    let response: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let once = |name| request.all(name).len() == 1;
    let signed = once(TIMESTAMP_HEADER) && once(SIGNATURE_HEADER) && input.contains(&b'@');
    match status {
        200 => assert!(signed),
        401 => assert_eq!(response, json!({ "error": "invalid signature" })),
        400 | 404 | 410 | 422 | 500 | 503 => {
            assert!(response["error"].is_string() && response["code"].is_string(), "{text}");
            assert!(response["delivery_id"].is_string() || response.get("delivery_id").is_none(), "{text}");
        }
        _ => panic!("{status}: {text}"),
    }
    Corpus::Keep
});

fn extension() -> Extension {
    Extension::builder()
        .environment([("KIKET_SECRET_NAME", "unused")])
        .without_manifest()
        .without_collected()
        .telemetry(|telemetry| telemetry.enabled(false))
        .id("com.example.fuzzed")
        .webhook_secret(SECRET)
        .setting("RETRIES", 3)
        .clock(Clock::fixed(NOW))
        .on("issue.created", "v1", typed)
        .on("issue.created", "v2", untyped)
        .on("context", "1.0", context)
        .on("fails", "v1", fails)
        .on("raw", "v1", raw)
        .on("waits", "v1", waits)
        .build()
        .unwrap()
}

#[derive(Deserialize)]
struct Created {
    title: String,
    issue: Option<Box<Created>>,
}

async fn typed(payload: Payload<Created>) -> Decision {
    let Created { title, issue } = payload.0;
    Decision::allow().message(title).data("inner", issue.map(|inner| inner.title))
}

async fn untyped(payload: Payload) -> Json<Value> {
    Json(payload.0)
}

/// Everything that a context knows.
async fn context(context: Context, headers: Headers, settings: Settings) -> Value {
    let _ = (context.client(), context.endpoints(), context.secrets());
    json!({
        "event": context.event().as_str(),
        "version": context.event_version().as_str(),
        "id": context.delivery_id(),
        "key": context.delivery_key(),
        "occurred_at": context.occurred_at(),
        "signed_at": context.signed_at(),
        "headers": headers.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        "settings": settings.keys().collect::<Vec<_>>(),
        "debug": format!("{context:?} {headers:?}").len(),
    })
}

#[derive(Deserialize)]
struct Failing {
    how: Option<String>,
    after: Option<u64>,
    status: Option<u16>,
    text: Option<String>,
}

async fn fails(payload: Payload<Failing>) -> Result<()> {
    let Failing { how, after, status, text } = payload.0;
    let text = format!("{} {SECRET}", text.unwrap_or_default());
    match how.as_deref() {
        Some("retry") => Err(HandlerError::retry(text)),
        Some("later") => Err(HandlerError::retry_after(Duration::from_secs(after.unwrap_or_default()), text)),
        Some("never") => Err(HandlerError::permanent(text)),
        // A status that is no 4xx counts as 422; of the others one is enough.
        Some("refuse") => {
            let status = status.and_then(|status| StatusCode::from_u16(status).ok());
            let status = status.filter(|status| !status.is_client_error()).unwrap_or(StatusCode::GONE);
            Err(HandlerError::reject(status, text))
        }
        Some(text) => Ok(text.parse::<f64>().map(drop)?),
        None => Ok(()),
    }
}

async fn raw(body: RawBody) -> Json<usize> {
    Json(body.len())
}

async fn waits(payload: Payload) -> Option<Value> {
    tokio::task::yield_now().await;
    payload.0.get("answer").cloned()
}
