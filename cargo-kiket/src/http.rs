//! The HTTP client of the tool: one request at a time, each with a deadline, no redirects, bounded responses.

use std::{
    error::Error as _,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use reqwest::{Body, Method, Url, redirect::Policy};

use crate::exit::{Error, Exit, Result};

/// A response, whatever its status.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// From the first byte of the request to the last byte of the response.
    pub(crate) took: Duration,
}

impl Response {
    /// The first value of a header, as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoResponse {
    /// There is no connection.
    Connect(String),
    /// The deadline passed.
    Late(Duration),
    /// The connection broke before the response was complete, or the response is none.
    Broken(String),
}

impl From<NoResponse> for Error {
    fn from(why: NoResponse) -> Self {
        match why {
            NoResponse::Connect(why) => {
                Self::new(Exit::Unreachable, format!("there is no connection: {why}"))
                    .help("see that it runs, and that the address is right")
            }
            NoResponse::Late(deadline) => {
                Self::new(Exit::Unreachable, format!("there is no response within {deadline:?}"))
            }
            NoResponse::Broken(why) => Self::new(
                Exit::Unreachable,
                format!("the connection broke before the response was complete: {why}"),
            ),
        }
    }
}

/// The largest response that is read, in bytes.
const LARGEST_RESPONSE: usize = 8 << 20;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// A client for one server.
#[derive(Debug)]
pub(crate) struct Client {
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Client {
    /// A client for the server of `url`. A proxy of the environment is used, unless the server is this machine.
    pub(crate) fn new(url: &Url) -> Result<Self> {
        // Another provider may be there already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            let client = reqwest::Client::builder()
                .redirect(Policy::none())
                .connect_timeout(CONNECT)
                // A server may close a connection after what it refuses; the next request would go down with it.
                .pool_max_idle_per_host(0)
                .user_agent(concat!("cargo-kiket/", env!("CARGO_PKG_VERSION")));
            if is_loopback(url) { client.no_proxy() } else { client }
        };
        let built = builder().build();
        // Without TLS no certificates are needed, and some images have none.
        let built = if url.scheme() == "https" {
            built
        } else {
            built.or_else(|_| builder().tls_certs_only([]).build())
        };
        let client = built.map_err(|error| {
            Error::input(format!("this machine cannot speak TLS: {}", chain(&error)))
                .help("install CA certificates (the package `ca-certificates`), or name their file in `SSL_CERT_FILE`")
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { client, runtime })
    }

    /// Sends one request and reads its response until `deadline` has passed.
    pub(crate) fn send(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: impl Into<Body>,
        deadline: Duration,
    ) -> std::result::Result<Response, NoResponse> {
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers;
        *request.body_mut() = Some(body.into());
        let begun = Instant::now();
        let exchange = async {
            let mut response = self.client.execute(request).await?;
            let mut body = BytesMut::new();
            while let Some(chunk) = response.chunk().await? {
                body.extend_from_slice(&chunk[..chunk.len().min(LARGEST_RESPONSE - body.len())]);
                if body.len() == LARGEST_RESPONSE {
                    break;
                }
            }
            let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
            Ok(Response { status, headers, body: body.freeze(), took: begun.elapsed() })
        };
        let exchanged = self.runtime.block_on(async { tokio::time::timeout(deadline, exchange).await });
        exchanged.unwrap_or(Err(None)).map_err(|error: Option<reqwest::Error>| match error {
            Some(error) if error.is_connect() => NoResponse::Connect(chain(&error)),
            Some(error) if !error.is_timeout() => NoResponse::Broken(chain(&error)),
            _ => NoResponse::Late(deadline),
        })
    }
}

/// Parses the address of an extension.
pub(crate) fn url(text: &str) -> std::result::Result<Url, String> {
    let url = text.parse::<Url>().map_err(|error| error.to_string())?;
    match (url.scheme(), url.host()) {
        ("http" | "https", Some(_)) => Ok(url),
        _ => Err("expected `http://` or `https://` and a host".to_owned()),
    }
}

/// Whether `url` is on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    match host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// The causes of an error, without its first level, which only repeats the URL.
fn chain(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        next = cause.source();
        // Some errors print their source themselves.
        if causes.last().is_none_or(|last: &String| !last.contains(&text)) {
            causes.push(text);
        }
    }
    if causes.is_empty() { "the request cannot be sent".to_owned() } else { causes.join(": ") }
}
