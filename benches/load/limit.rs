//! The limit: the same work by hand, with nothing between it and actix-web; also with one log line for each request.

use std::{
    future::poll_fn,
    hint::black_box,
    io::{self, Write as _},
    pin::Pin,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use actix_web::{
    App, HttpResponse, HttpServer,
    http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue},
    web::{self, Bytes, BytesMut, Payload},
};
use futures_core::Stream as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tracing_subscriber::fmt::{
    format::Writer,
    time::{FormatTime as _, SystemTime as SystemTimer},
};

use crate::{
    deliveries::{EVENT, IssueCreated, SECRET, VERSION},
    process,
};

const BODY_LIMIT: usize = 1024 * 1024;
const TOLERANCE_SECONDS: u64 = 300;
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const HEAD_WAIT: Duration = Duration::from_secs(5);

type Key = Hmac<Sha256>;

/// Serves until the process is killed.
pub(crate) fn serve(workers: usize, logs: bool) -> io::Result<()> {
    actix_web::rt::System::new().block_on(async {
        let key = Key::new_from_slice(SECRET.as_bytes()).expect("HMAC takes keys of any length");
        let server = HttpServer::new(move || {
            let path = format!("/v/{VERSION}/webhooks/{EVENT}");
            let app = App::new().app_data(web::Data::new(key.clone()));
            app.route(&path, if logs { web::post().to(deliver_and_log) } else { web::post().to(deliver) })
        })
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_WAIT)
        .workers(workers)
        .disable_signals()
        .bind(("127.0.0.1", 0))?;
        let [address] = server.addrs()[..] else { panic!("one address was bound") };
        process::announce(address);
        server.run().await
    })
}

async fn deliver(request: actix_web::HttpRequest, payload: Payload, key: web::Data<Key>) -> HttpResponse {
    let headers = request.headers();
    let Some(body) = read(headers, payload).await else { return HttpResponse::PayloadTooLarge().finish() };
    if verify(headers, &body, &key).is_none() {
        return HttpResponse::Unauthorized().finish();
    }
    // One look over all bytes is faster than `from_slice`, which looks at each text.
    match std::str::from_utf8(&body).ok().and_then(|text| serde_json::from_str::<IssueCreated>(text).ok()) {
        Some(payload) => {
            black_box(payload);
            let mut response = HttpResponse::Ok().body(Bytes::from_static(br#"{"ok":true}"#));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        None => HttpResponse::BadRequest().finish(),
    }
}

/// Writes a line as long as ours, in one call.
async fn deliver_and_log(
    request: actix_web::HttpRequest,
    payload: Payload,
    key: web::Data<Key>,
) -> HttpResponse {
    let from = Instant::now();
    let response = deliver(request, payload, key).await;
    let mut now = String::with_capacity(32);
    let timed = SystemTimer.format_time(&mut Writer::new(&mut now));
    let (status, micros) = (response.status().as_u16(), from.elapsed().as_micros());
    let line = format!(
        r#"{{"timestamp":"{now}","level":"INFO","message":"delivery handled","status":{status},"duration_ms":{}.{:03},"span":{{"name":"delivery","event":"{EVENT}","version":"{VERSION}","delivery_id":"evt_01JZ8Q4W7C5N2M","handler":"load::limit::deliver_and_log"}}}}{}"#,
        micros / 1000,
        micros % 1000,
        '\n',
    );
    // A line that is lost changes no response.
    let _ = timed.map_err(io::Error::other).and_then(|()| io::stdout().write_all(line.as_bytes()));
    response
}

/// The body: without a copy where it arrives in one piece, and with one where it does not.
async fn read(headers: &HeaderMap, mut payload: Payload) -> Option<Bytes> {
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let announced = announced.unwrap_or_default();
    if announced > BODY_LIMIT {
        return None;
    }
    let mut next = async || poll_fn(|context| Pin::new(&mut payload).poll_next(context)).await;
    let Some(first) = next().await else { return Some(Bytes::new()) };
    let first = first.ok()?;
    if first.len() == announced {
        return Some(first);
    }
    let mut body = BytesMut::with_capacity(announced.max(first.len()));
    body.extend_from_slice(&first);
    while let Some(chunk) = next().await {
        let chunk = chunk.ok()?;
        if chunk.len() > BODY_LIMIT - body.len() {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body.freeze())
}

fn verify(headers: &HeaderMap, body: &[u8], key: &Key) -> Option<()> {
    let timestamp = headers.get("x-kiket-timestamp")?.to_str().ok()?;
    let signature = headers.get("x-kiket-signature")?.as_bytes();
    let signature = signature.strip_prefix(b"sha256=").unwrap_or(signature);
    let seconds: u64 = timestamp.parse().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    if seconds.abs_diff(now) > TOLERANCE_SECONDS {
        return None;
    }
    let mut expected = [0; 32];
    let expected = base16ct::mixed::decode(signature, &mut expected).ok()?;
    let mut mac = key.clone();
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.verify_slice(expected).ok()
}
