//! Sends one HTTP request: the only file that uses the HTTP client library.

use std::{pin::Pin, sync::OnceLock, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use tokio::{runtime::Handle, task::JoinSet};

use super::thread::Thread;
use crate::{
    error::{Chain, ClientErrorKind},
    types::BaseUrl,
};

/// The `User-Agent` of every request.
pub(super) const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("kiket-sdk-rust/", env!("CARGO_PKG_VERSION")));

/// An HTTP request.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
}

/// An HTTP response, whatever its status.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What may be before a text, and is none of it.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl Response {
    /// The body, without a byte order mark and without white space around it.
    pub(crate) fn text(&self) -> &[u8] {
        self.body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.body).trim_ascii()
    }

    /// Why the body is nothing that can be read, however it continues: an encoding, which no request asks for.
    pub(crate) fn unreadable(&self) -> Option<String> {
        let encoding =
            self.header(CONTENT_ENCODING).filter(|encoding| !encoding.eq_ignore_ascii_case("identity"));
        encoding.map(|encoding| format!("it has `Content-Encoding: {encoding}`, which was not asked for"))
    }

    /// Why the body may be no JSON.
    pub(crate) fn oddity(&self) -> Option<String> {
        let other = || self.header(CONTENT_TYPE).filter(|found| !found.to_ascii_lowercase().contains("json"));
        match std::str::from_utf8(self.text()) {
            Err(_) => Some("it is not UTF-8".to_owned()),
            Ok(_) => other().map(|found| format!("its `Content-Type` is `{found}`")),
        }
    }

    /// The start of a header's value, if it is not blank.
    fn header(&self, name: HeaderName) -> Option<String> {
        let value = String::from_utf8_lossy(self.headers.get(name)?.as_bytes());
        let start: String = value.trim().chars().take(60).collect();
        (!start.is_empty()).then_some(start)
    }
}

/// The reason why there is no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TransportError {
    #[error("{0}")]
    Unusable(String),
    #[error("no connection: {0}")]
    Connect(String),
    #[error("no response came before the deadline")]
    Timeout,
    #[error("the connection broke before the response was complete: {0}")]
    Interrupted(String),
    #[error("the response is larger than {LARGEST_RESPONSE} bytes")]
    TooLarge,
}

impl TransportError {
    pub(crate) fn kind(&self) -> ClientErrorKind {
        match self {
            Self::Unusable(_) => ClientErrorKind::NotConfigured,
            Self::Connect(_) => ClientErrorKind::Connect,
            Self::Timeout => ClientErrorKind::Timeout,
            Self::Interrupted(_) => ClientErrorKind::Interrupted,
            Self::TooLarge => ClientErrorKind::TooLarge,
        }
    }
}

pub(crate) type Sending<'t> = Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + 't>>;

/// Sends one request and reads its response, without a timeout of its own. Tests put a script in its place.
pub(crate) trait Transport: Send + Sync {
    /// Fails if nothing can be sent from this machine.
    fn check(&self) -> Result<(), TransportError> {
        Ok(())
    }

    fn send(&self, outgoing: Outgoing) -> Sending<'_>;

    /// Runs `work` in the background, where no handler can block it.
    fn spawn(&self, work: Pin<Box<dyn Future<Output = ()> + Send>>) {
        tokio::spawn(work);
    }
}

/// One pool of connections for the process, made when it is first needed. No worker runs a connection: others use it, too.
pub(crate) struct HttpTransport {
    connect_timeout: Duration,
    /// Whether it is called over TLS.
    secure: bool,
    /// Whether this machine is called: a proxy from the environment cannot reach its own addresses.
    loopback: bool,
    client: OnceLock<Result<reqwest::Client, String>>,
}

/// The maximum size of a response, in bytes: far above a page of records, far below the memory of a small machine.
pub(crate) const LARGEST_RESPONSE: usize = 8 * 1024 * 1024;

/// What to do where there are no certificates.
const CERTIFICATES: &str =
    "install CA certificates (the package `ca-certificates`), or name their file in `SSL_CERT_FILE`";

impl HttpTransport {
    /// Connections to the host of `called`.
    pub(crate) fn new(called: &BaseUrl, connect_timeout: Duration) -> Self {
        let (secure, loopback) = (called.is_secure(), called.is_loopback());
        Self { connect_timeout, secure, loopback, client: OnceLock::new() }
    }

    fn client(&self) -> Result<&reqwest::Client, TransportError> {
        let client = self.client.get_or_init(|| {
            install_tls_provider();
            let built = self.builder().build();
            // Without TLS no certificates are needed, and some images have none.
            let built = if self.secure {
                built
            } else {
                built.or_else(|_| self.builder().tls_certs_only([]).build())
            };
            built.map_err(|error| format!("this machine cannot speak TLS: {}; {CERTIFICATES}", chain(&error)))
        });
        client.as_ref().map_err(|reason| TransportError::Unusable(reason.clone()))
    }

    fn builder(&self) -> reqwest::ClientBuilder {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(Duration::from_secs(60));
        if self.loopback { client.no_proxy() } else { client }
    }

    /// Exchanges in a task of the thread of connections, which ends when this is dropped.
    async fn exchange(&self, outgoing: Outgoing) -> Result<Response, TransportError> {
        let mut task = JoinSet::new();
        task.spawn_on(exchange(self.client()?.clone(), outgoing), connections()?);
        match task.join_next().await {
            Some(Ok(exchanged)) => exchanged,
            panicked => Err(TransportError::Interrupted(format!("the call has ended: {panicked:?}"))),
        }
    }
}

/// The runtime of all connections, on a thread of its own, which starts with the first request.
fn connections() -> Result<&'static Handle, TransportError> {
    static THREAD: OnceLock<Thread> = OnceLock::new();
    if let Some(thread) = THREAD.get() {
        return Ok(thread.runtime());
    }
    let failed =
        |error| TransportError::Connect(format!("the thread of connections does not start: {error}"));
    let started = Thread::start("kiket-calls").map_err(failed)?;
    Ok(THREAD.get_or_init(|| started).runtime())
}

async fn exchange(client: reqwest::Client, outgoing: Outgoing) -> Result<Response, TransportError> {
    let Outgoing { method, url, headers, body } = outgoing;
    let url = url.parse().map_err(|error| TransportError::Unusable(format!("`{url}` is no URL: {error}")))?;
    let mut request = reqwest::Request::new(method, url);
    *request.headers_mut() = headers;
    *request.body_mut() = body.map(Into::into);
    let mut response = client.execute(request).await.map_err(|error| transport_error(&error))?;
    let announced = response.content_length().unwrap_or_default();
    if announced > LARGEST_RESPONSE as u64 {
        return Err(TransportError::TooLarge);
    }
    let body = collect(&mut response).await?;
    Ok(Response { status: response.status(), headers: std::mem::take(response.headers_mut()), body })
}

/// The body of a response. Most have one chunk, which needs no copy.
async fn collect(response: &mut reqwest::Response) -> Result<Bytes, TransportError> {
    let mut next = async |so_far: usize| match response.chunk().await {
        Ok(Some(chunk)) if chunk.len() > LARGEST_RESPONSE.saturating_sub(so_far) => {
            Err(TransportError::TooLarge)
        }
        chunk => chunk.map_err(|error| transport_error(&error)),
    };
    let Some(first) = next(0).await? else { return Ok(Bytes::new()) };
    let Some(second) = next(first.len()).await? else { return Ok(first) };
    let mut body = BytesMut::with_capacity(first.len().saturating_add(second.len()));
    body.extend_from_slice(&first);
    body.extend_from_slice(&second);
    while let Some(chunk) = next(body.len()).await? {
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

impl Transport for HttpTransport {
    fn check(&self) -> Result<(), TransportError> {
        self.client().map(drop)
    }

    fn send(&self, outgoing: Outgoing) -> Sending<'_> {
        Box::pin(self.exchange(outgoing))
    }

    fn spawn(&self, work: Pin<Box<dyn Future<Output = ()> + Send>>) {
        match connections() {
            Ok(runtime) => runtime.spawn(work),
            Err(_) => tokio::spawn(work),
        };
    }
}

/// Installs the TLS provider of the process, unless it has one.
pub(crate) fn install_tls_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn transport_error(error: &reqwest::Error) -> TransportError {
    if error.is_timeout() && !error.is_connect() {
        return TransportError::Timeout;
    }
    let reason = chain(error);
    if error.is_builder() {
        return TransportError::Unusable(format!("the request cannot be sent: {reason}"));
    }
    if error.is_connect() { TransportError::Connect(reason) } else { TransportError::Interrupted(reason) }
}

/// The causes of an error, without its first level, which only repeats the URL.
fn chain(error: &reqwest::Error) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| "the request cannot be sent".to_owned(), |cause| Chain(cause).to_string())
}
