//! One attempt on the wire: the only file that knows the HTTP client library.

use std::{fmt, net::IpAddr, pin::Pin, sync::OnceLock, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};

use crate::error::Chain;

/// What is sent.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
}

/// What comes back, whatever its status.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why nothing came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The client cannot be made on this machine.
    Unusable(String),
    Connect(String),
    Timeout,
    Interrupted(String),
    TooLarge,
}

pub(crate) type Sending<'t> = Pin<Box<dyn Future<Output = Result<Response, Trouble>> + Send + 't>>;

/// Sends one request and reads its answer; whoever asks limits the time. Tests put a script in its place.
pub(crate) trait Transport: Send + Sync {
    fn send(&self, outgoing: Outgoing) -> Sending<'_>;
}

/// The real one: one pool of connections for the process, made when it is first needed.
pub(crate) struct Http {
    options: Options,
    client: OnceLock<Result<reqwest::Client, String>>,
}

/// How connections are made.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) connect_timeout: Duration,
    /// The host that is called, to know whether a proxy could be on the way.
    pub(crate) host: String,
}

/// The largest answer, in bytes: far above a page of records, far below the memory of a small machine.
pub(crate) const LARGEST_ANSWER: usize = 8 * 1024 * 1024;

impl Http {
    pub(crate) fn new(options: Options) -> Self {
        Self { options, client: OnceLock::new() }
    }

    fn client(&self) -> Result<&reqwest::Client, Trouble> {
        let client = self.client.get_or_init(|| connect(&self.options).map_err(|error| chain(&error)));
        client.as_ref().map_err(|reason| Trouble::Unusable(reason.clone()))
    }

    async fn exchange(&self, outgoing: Outgoing) -> Result<Response, Trouble> {
        let Outgoing { method, url, headers, body } = outgoing;
        let client = self.client()?;
        let url = url.parse().map_err(|error| Trouble::Unusable(format!("`{url}` is no URL: {error}")))?;
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers;
        *request.body_mut() = body.map(Into::into);
        let mut answer = client.execute(request).await.map_err(|error| trouble(&error))?;
        let announced = answer.content_length().unwrap_or_default();
        if announced > LARGEST_ANSWER as u64 {
            return Err(Trouble::TooLarge);
        }
        let body = collect(&mut answer).await?;
        Ok(Response { status: answer.status(), headers: std::mem::take(answer.headers_mut()), body })
    }
}

/// The body of an answer. Most come in one piece, which needs no copy.
async fn collect(answer: &mut reqwest::Response) -> Result<Bytes, Trouble> {
    let mut next = async |so_far: usize| match answer.chunk().await {
        Ok(Some(chunk)) if chunk.len() > LARGEST_ANSWER.saturating_sub(so_far) => Err(Trouble::TooLarge),
        chunk => chunk.map_err(|error| trouble(&error)),
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

impl Transport for Http {
    fn send(&self, outgoing: Outgoing) -> Sending<'_> {
        Box::pin(self.exchange(outgoing))
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.options, f)
    }
}

fn connect(options: &Options) -> reqwest::Result<reqwest::Client> {
    // Whoever installed a provider before us keeps it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(Duration::from_secs(60));
    if is_loopback(&options.host) { client.no_proxy().build() } else { client.build() }
}

/// A proxy of the environment knows nothing of this machine's own addresses.
fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn trouble(error: &reqwest::Error) -> Trouble {
    if error.is_timeout() && !error.is_connect() {
        return Trouble::Timeout;
    }
    let reason = chain(error);
    if error.is_connect() { Trouble::Connect(reason) } else { Trouble::Interrupted(reason) }
}

/// The causes of an error, without its first level, which only repeats the URL.
fn chain(error: &reqwest::Error) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| "the request cannot be sent".to_owned(), |cause| Chain(cause).to_string())
}
