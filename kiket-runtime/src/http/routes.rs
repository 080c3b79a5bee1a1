//! The paths of an extension; contract 1.1.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::Method,
    web::{self, Payload, ServiceConfig},
};
use serde_json::json;

use super::{
    body::{self, Bounds},
    respond::{closing, json, leave_unread, method_not_allowed, reject, respond},
};
use crate::{
    dispatch::{Dispatcher, Incoming},
    extension::Extension,
    headers::Headers,
    routing::Target,
};

/// Adds the routes of `extension`.
pub(crate) fn configure(config: &mut ServiceConfig, extension: &Extension) {
    let limits = extension.limits();
    let bounds = Bounds { bytes: limits.body, wait: limits.body_wait };
    let at = |path: &str| format!("{}{path}", limits.prefix);
    for path in ["/v/{version}/webhooks/{event}", "/webhooks/{event}", "/webhook"] {
        let dispatcher = Arc::clone(extension.dispatcher());
        config.service(web::resource(at(path)).to(move |request: HttpRequest, payload: Payload| {
            let dispatcher = Arc::clone(&dispatcher);
            async move { deliver(&dispatcher, &request, payload, bounds).await }
        }));
    }
    let health: bytes::Bytes = health(extension).into();
    config
        .service(web::resource(at("/health")).to(probe(health, || false)))
        .service(web::resource(at("/health/live")).to(probe(ALIVE.into(), || false)))
        .service(web::resource(at("/health/ready")).to({
            let extension = extension.clone();
            probe(READY.into(), move || extension.is_draining())
        }));
}

const ALIVE: &str = r#"{"status":"ok"}"#;
const READY: &str = r#"{"status":"ready"}"#;
const DRAINING: &str = r#"{"status":"draining"}"#;

async fn deliver(
    dispatcher: &Arc<Dispatcher>,
    request: &HttpRequest,
    mut payload: Payload,
    bounds: Bounds,
) -> HttpResponse {
    if request.method() != Method::POST {
        return leave_unread(method_not_allowed("POST"), payload);
    }
    let response = match take(dispatcher, request, &mut payload, bounds).await {
        Ok(body) => {
            let target = target(request);
            respond(dispatcher.answer(Incoming { target, headers: headers(request), body }).await)
        }
        Err(rejection) => {
            tracing::debug!(code = rejection.code, "delivery refused");
            leave_unread(reject(&rejection), payload)
        }
    };
    if dispatcher.gate.is_draining() { closing(response) } else { response }
}

/// The segments as they were sent: those that were matched are decoded already, save for `%25`, and what is decoded
/// twice names another event.
fn target(request: &HttpRequest) -> Target<'_> {
    let matched = request.match_info();
    let mut sent = request.uri().path().rsplit('/');
    Target {
        event: matched.get("event").and(sent.next()),
        version: matched.get("version").and(sent.nth(1)),
        query: request.query_string(),
    }
}

/// Contract 1.4, rows 2 and 3. The body is read also where its delivery is turned away, for a connection on which
/// it was left unread cannot be used again.
async fn take(
    dispatcher: &Dispatcher,
    request: &HttpRequest,
    payload: &mut Payload,
    bounds: Bounds,
) -> Result<bytes::Bytes, crate::error::Rejection> {
    let arriving = dispatcher.gate.arrive()?;
    let turned_away = dispatcher.gate.turns_away();
    let body = body::read(request.headers(), payload, bounds).await;
    drop(arriving);
    match turned_away {
        Some(rejection) => Err(rejection),
        None => body,
    }
}

fn headers(request: &HttpRequest) -> Headers {
    /// Names and values of a usual request take less.
    const USUAL_BYTES: usize = 512;

    let all = request.headers();
    let mut headers = Headers::with_capacity(all.len(), USUAL_BYTES);
    for (name, value) in all {
        headers.push(name.as_str(), value.as_bytes());
    }
    headers
}

/// Contract 1.1: no secrets; event names sorted, each once.
fn health(extension: &Extension) -> String {
    json!({
        "status": "ok",
        "extension_id": extension.id(),
        "extension_version": extension.version(),
        "registered_events": extension.events(),
    })
    .to_string()
}

/// Answers `GET` with `body`, or with 503 while `unavailable`.
fn probe(
    body: bytes::Bytes,
    unavailable: impl Fn() -> bool + Clone + 'static,
) -> impl Fn(HttpRequest, Payload) -> std::future::Ready<HttpResponse> + Clone {
    move |request, payload| {
        std::future::ready(match *request.method() {
            Method::GET | Method::HEAD if unavailable() => {
                json(http::StatusCode::SERVICE_UNAVAILABLE, DRAINING)
            }
            Method::GET | Method::HEAD => json(http::StatusCode::OK, body.clone()),
            _ => leave_unread(method_not_allowed("GET, HEAD"), payload),
        })
    }
}
