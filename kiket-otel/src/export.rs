//! Sends spans to a collector: OTLP over HTTP, on a thread and with connections of its own.

use std::{
    error::Error as _,
    fmt::Write as _,
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use kiket_runtime::__private::traces::retry_after;
use opentelemetry::Context;
use opentelemetry_proto::{
    tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    transform::{
        common::tonic::ResourceAttributesWithSchema, trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::{Resource, trace::SpanData};
use prost::Message as _;
use reqwest::Url;
use tokio::time::{Instant, sleep, timeout};

use crate::{clean::cleaned, queue::Queue};

/// Where spans go, and how long a request may take.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) url: Url,
    /// Their values are not printed.
    pub(crate) headers: HeaderMap,
    pub(crate) timeout: Duration,
}

/// How long one batch is tried. Others wait in the queue meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);
/// The wait before the first retry, which doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The largest response that is read.
const LARGEST_RESPONSE: usize = 64 * 1024;
/// How often it is logged that spans are lost.
const LOGGED: Duration = Duration::from_secs(60);

/// Starts the thread that sends what is queued. Where it cannot run, all spans are lost, and counted.
pub(crate) fn start(queue: &Arc<Queue>, target: Target, resource: &Resource) {
    let resource = ResourceAttributesWithSchema::from(resource);
    let ended = Ended(Arc::clone(queue));
    let thread = thread::Builder::new().name("kiket-traces".to_owned());
    let spawned = thread.spawn(move || {
        let ended = ended; // also after a panic
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match (runtime, client(&target)) {
            (Ok(runtime), Ok(client)) => {
                // What this thread does is in no trace.
                let _suppressed = Context::enter_telemetry_suppressed_scope();
                runtime.block_on(
                    Exporter { target, client, resource, failing: None, unlogged: 0 }.run(&ended.0),
                );
            }
            (Err(error), _) => tracing::error!(%error, "traces are off: failed to start a runtime"),
            (_, Err(error)) => tracing::error!(error, "traces are off: this machine cannot speak TLS"),
        }
    });
    if let Err(error) = spawned {
        tracing::error!(%error, "traces are off: failed to spawn a thread");
    }
}

/// Where nothing sends any more, nothing waits.
struct Ended(Arc<Queue>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

fn client(target: &Target) -> Result<reqwest::Client, String> {
    let builder = || {
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(target.timeout)
            .timeout(target.timeout);
        // A proxy cannot reach this machine's own addresses.
        if is_loopback(&target.url) { builder.no_proxy() } else { builder }
    };
    let built = builder().build();
    // Without TLS no certificates are needed, and some images have none.
    let is_plain = target.url.scheme() == "http";
    let built = if is_plain { built.or_else(|_| builder().tls_certs_only([]).build()) } else { built };
    built.map_err(|error| causes(&error))
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

struct Exporter {
    target: Target,
    client: reqwest::Client,
    resource: ResourceAttributesWithSchema,
    /// When it was last logged that spans are lost; `None` while none are.
    failing: Option<Instant>,
    /// The spans that were lost since.
    unlogged: u64,
}

/// A request that failed.
struct Failure {
    reason: String,
    /// Whether the next attempt may succeed, and the least wait before it.
    retry: Option<Duration>,
}

impl Failure {
    /// The collector responded, and took nothing.
    fn refused(status: StatusCode, headers: &HeaderMap) -> Self {
        let is_temporary = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        );
        let retry = is_temporary.then(|| retry_after(headers).unwrap_or_default());
        Self { reason: format!("the collector responded {status}"), retry }
    }
}

impl Exporter {
    async fn run(mut self, queue: &Queue) {
        while let Some(spans) = queue.next().await {
            let sent = spans.len() as u64;
            let lost = match self.send(spans, queue).await {
                Ok((rejected, reason)) => {
                    let rejected = rejected.min(sent);
                    self.note(rejected, (rejected > 0).then_some(&reason));
                    rejected
                }
                Err(reason) => {
                    self.note(sent, Some(&reason));
                    sent
                }
            };
            queue.finish(lost);
        }
    }

    /// Sends spans, with retries. Returns how many the collector rejected, and why.
    async fn send(&self, spans: Vec<SpanData>, queue: &Queue) -> Result<(u64, String), String> {
        let spans = spans.into_iter().map(cleaned).collect();
        let resource_spans = group_spans_by_resource_and_scope(spans, &self.resource);
        let body = Bytes::from(ExportTraceServiceRequest { resource_spans }.encode_to_vec());
        let (until, mut wait, mut urgent) = (Instant::now() + PATIENCE, FIRST_WAIT, 0);
        loop {
            let Failure { reason, retry } = match self.attempt(body.clone()).await {
                Ok(rejected) => return Ok(rejected),
                Err(failure) => failure,
            };
            urgent += u32::from(queue.is_urgent());
            // A flush has little time: others are behind this, and a collector that is down is asked once.
            let is_last = urgent > u32::from(self.failing.is_none());
            let Some(least) = retry.filter(|_| !is_last) else { return Err(reason) };
            let jitter = Duration::from_millis(u64::from(
                SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().subsec_micros() % 100,
            ));
            let pause = wait.max(least) + jitter;
            if Instant::now() + pause > until {
                return Err(reason);
            }
            // It ends where a flush begins.
            tokio::select! {
                () = sleep(pause) => {}
                () = queue.urgent(), if urgent == 0 => {}
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn attempt(&self, body: Bytes) -> Result<(u64, String), Failure> {
        let Target { url, headers, timeout: patience, .. } = &self.target;
        let request = self
            .client
            .post(url.clone())
            .headers(headers.clone())
            .header(header::CONTENT_TYPE, PROTOBUF)
            .header(header::USER_AGENT, concat!("kiket-otel/", env!("CARGO_PKG_VERSION")))
            .body(body);
        let exchange = async {
            let mut response = request.send().await?;
            let mut text = Vec::new();
            while let Some(chunk) = response.chunk().await? {
                if text.len() + chunk.len() > LARGEST_RESPONSE {
                    break;
                }
                text.extend_from_slice(&chunk);
            }
            Ok::<_, reqwest::Error>((response.status(), std::mem::take(response.headers_mut()), text))
        };
        let again = |reason| Failure { reason, retry: Some(Duration::ZERO) };
        let (status, headers, text) = match timeout(*patience, exchange).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_builder() => {
                return Err(Failure { reason: causes(&error), retry: None });
            }
            Ok(Err(error)) => return Err(again(causes(&error))),
            Err(_) => return Err(again(format!("no response came in {patience:?}"))),
        };
        if status.is_success() {
            let is_protobuf = headers
                .get(header::CONTENT_TYPE)
                .is_some_and(|kind| kind.as_bytes().starts_with(PROTOBUF.as_bytes()));
            let response = ExportTraceServiceResponse::decode(&*text).ok().filter(|_| is_protobuf);
            let partial = response.and_then(|response| response.partial_success).unwrap_or_default();
            let rejected = u64::try_from(partial.rejected_spans).unwrap_or_default();
            return Ok((
                rejected,
                format!("the collector rejected spans: {}", excerpt(&partial.error_message)),
            ));
        }
        Err(Failure::refused(status, &headers))
    }

    /// Logs that spans are lost, now and then, and that they are not any more.
    fn note(&mut self, lost: u64, reason: Option<&String>) {
        self.unlogged += lost;
        let url = shown(&self.target.url);
        match (reason, self.failing) {
            (Some(reason), logged) if logged.is_none_or(|logged| logged.elapsed() >= LOGGED) => {
                let lost = std::mem::take(&mut self.unlogged);
                tracing::warn!(lost, url, reason, "spans are lost");
                self.failing = Some(Instant::now());
            }
            (None, Some(_)) => {
                let lost = std::mem::take(&mut self.unlogged);
                tracing::info!(lost, url, "spans are exported again");
                self.failing = None;
            }
            _ => {}
        }
    }
}

const PROTOBUF: &str = "application/x-protobuf";

/// An address without what may be secret in it.
pub(crate) fn shown(url: &Url) -> String {
    let mut shown = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
    if let Some(port) = url.port() {
        let _ = write!(shown, ":{port}");
    }
    shown + url.path()
}

/// The causes of an error, without its first level, which only repeats the URL.
fn causes(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, "{}{error}", if text.is_empty() { "" } else { ": " });
        cause = error.source();
    }
    if text.is_empty() { "the request failed".to_owned() } else { text }
}

/// The start of a text from outside.
fn excerpt(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_left_alone_for_as_long_as_it_asks() {
        let refused = |status: StatusCode, wait: &str| {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, wait.parse().unwrap())]);
            Failure::refused(status, &headers).retry
        };
        for far in ["86401", "4294967296", "184467440737095516150", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE] {
                assert_eq!(refused(status, far), Some(Duration::from_secs(86_400)), "{far}");
            }
            assert_eq!(refused(StatusCode::BAD_REQUEST, far), None);
        }
        assert_eq!(refused(StatusCode::BAD_GATEWAY, "7"), Some(Duration::from_secs(7)));
        assert_eq!(refused(StatusCode::BAD_GATEWAY, "soon"), Some(Duration::ZERO));
    }
}
