//! Calls to Kiket: one client for the process, and a view of it for each delivery.

mod credentials;
mod fetch;
mod idempotency;
mod pagination;
mod rate_limit;
mod reporter;
mod request;
mod resource;
mod retry;
mod send;
mod transport;

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderValue, Method};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

pub(crate) use self::{
    credentials::{Credentials, Given},
    fetch::Fetcher,
    idempotency::Keys,
    reporter::Reporter,
    request::{Idempotency, Request},
    resource::Wrapped,
};
pub use self::{pagination::Items, rate_limit::RateWindow};
use self::{
    rate_limit::Pace,
    transport::{Http, Options, Transport},
};
use crate::{
    api::{Endpoints, Ingestion},
    config::Config,
    error::{ClientError, ClientErrorKind},
    types::{BaseUrl, Clock, Secret},
};

/// Calls Kiket with the tokens of the extension.
///
/// There is one pool of connections for the process. The client of a [`Context`](crate::Context) is a view of it: it
/// sends the version of the delivery, and no call of it outlasts the delivery's deadline. Its clones are the same view.
///
/// The verbs are for calls that have no method of their own; the others are at [`Endpoints`](crate::Endpoints).
///
/// ```no_run
/// # async fn example(context: kiket_runtime::Context) -> kiket_runtime::Result<()> {
/// use serde_json::{Value, json};
///
/// let webhooks: Value = context.client().get("/api/v1/webhooks").await?;
/// let webhook = json!({ "url": "https://example.com/kiket", "events": ["case.created"] });
/// let created: Value = context.client().post("/api/v1/webhooks", &webhook).await?;
/// # Ok(())
/// # }
/// ```
///
/// Calls are tried three times in all: those with an idempotent method, and those that carry an idempotency key, on
/// connection errors and on 429, 502, 503 and 504, with exponential pauses and full jitter, no sooner than `Retry-After`
/// says. A call takes 15 s at most, attempts and pauses together. Redirects are not followed.
#[derive(Clone)]
pub struct Client {
    line: Arc<Line>,
    view: View,
}

/// What all calls of the process share.
struct Line {
    transport: Box<dyn Transport>,
    base_url: BaseUrl,
    /// Where tokens may go besides.
    allowed: Vec<BaseUrl>,
    tokens: Tokens,
    extension_id: Option<String>,
    clock: Clock,
    pace: Pace,
    call_timeout: Duration,
}

/// What calls are signed with.
#[derive(Clone, Default)]
struct Tokens {
    workspace: Option<Secret>,
    extension_key: Option<Secret>,
    /// As headers carry them, made once; `Err` where a header cannot.
    authorization: Option<Result<HeaderValue, InvalidHeaderValue>>,
    api_key: Option<Result<HeaderValue, InvalidHeaderValue>>,
}

impl Tokens {
    fn new(workspace: Option<Secret>, extension_key: Option<Secret>) -> Self {
        let bearer = workspace.as_ref().map(|token| sensitive(&format!("Bearer {}", token.expose())));
        let api_key = extension_key.as_ref().map(|key| sensitive(key.expose()));
        Self { workspace, extension_key, authorization: bearer, api_key }
    }
}

/// A header value that no log of the library below shows.
fn sensitive(text: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| InvalidHeaderValue)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A text that a header cannot carry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InvalidHeaderValue;

/// What the calls of one delivery share, and what the caller said of them.
#[derive(Clone, Default)]
struct View {
    occasion: Option<Arc<dyn Occasion>>,
    /// Where the delivery says that Kiket is, if tokens may go there.
    base_url: Option<BaseUrl>,
    given_version: Option<String>,
    given_key: Option<String>,
}

/// What calls are made for: a delivery, as far as it concerns them.
pub(crate) trait Occasion: Send + Sync {
    /// The version that goes with every call.
    fn version(&self) -> &str;

    /// When every call has ended.
    fn deadline(&self) -> Instant;

    /// The runtime token, where it was checked: it takes the place of the workspace token.
    fn token(&self) -> Option<&Secret>;

    /// The keys of the calls that create something; most deliveries make none.
    fn keys(&self) -> &Keys;
}

/// How long a connection may take to be made; contract 2.1.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a call may take; contract 2.1.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// How many calls a minute has unless Kiket says less: the platform's limit.
pub(crate) const CALLS_PER_MINUTE: u32 = 600;
/// How many calls are on the way at once.
pub(crate) const CALLS_AT_ONCE: usize = 64;

const USER_AGENT: &str = concat!("kiket-sdk-rust/", env!("CARGO_PKG_VERSION"));
const API_KEY_HEADER: &str = "x-kiket-api-key";

/// How the client calls, as the builder was told.
#[derive(Debug, Clone)]
pub(crate) struct Outbound {
    pub(crate) connect_timeout: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) per_minute: u32,
    pub(crate) at_once: usize,
}

impl Default for Outbound {
    fn default() -> Self {
        Self {
            connect_timeout: CONNECT_TIMEOUT,
            call_timeout: CALL_TIMEOUT,
            per_minute: CALLS_PER_MINUTE,
            at_once: CALLS_AT_ONCE,
        }
    }
}

impl Client {
    pub(crate) fn new(config: &Config, outbound: &Outbound, clock: Clock) -> Self {
        let options =
            Options { connect_timeout: outbound.connect_timeout, host: config.base_url.host().to_owned() };
        Self::over(Box::new(Http::new(options)), config, outbound, clock)
    }

    /// A client without tokens, which calls nobody.
    #[cfg(feature = "internals")]
    pub(crate) fn unconfigured() -> Self {
        let line = Line {
            transport: Box::new(Http::new(Options { connect_timeout: CONNECT_TIMEOUT, host: String::new() })),
            base_url: BaseUrl::kiket(),
            allowed: Vec::new(),
            tokens: Tokens::default(),
            extension_id: None,
            clock: Clock::system(),
            pace: Pace::new(CALLS_PER_MINUTE, CALLS_AT_ONCE),
            call_timeout: CALL_TIMEOUT,
        };
        Self { line: Arc::new(line), view: View::default() }
    }

    fn over(transport: Box<dyn Transport>, config: &Config, outbound: &Outbound, clock: Clock) -> Self {
        let tokens = Tokens::new(config.workspace_token.clone(), config.extension_api_key.clone());
        let line = Line {
            transport,
            base_url: config.base_url.clone(),
            allowed: config.allowed_base_urls.clone(),
            tokens,
            extension_id: config.id.clone(),
            clock,
            pace: Pace::new(outbound.per_minute, outbound.at_once),
            call_timeout: outbound.call_timeout,
        };
        Self { line: Arc::new(line), view: View::default() }
    }

    /// The view of a delivery: its version goes with every call, and its deadline ends them.
    pub(crate) fn for_delivery(&self, delivery: Arc<dyn Occasion>) -> Self {
        Self { line: Arc::clone(&self.line), view: View { occasion: Some(delivery), ..View::default() } }
    }

    /// The client that calls where a delivery says that Kiket is, if tokens may go there. Nobody has verified what
    /// it says, and whoever gets a token has it.
    pub(crate) fn at_base_url_of_delivery(mut self, told: &str) -> Self {
        let Line { base_url, allowed, .. } = &*self.line;
        match told.parse::<BaseUrl>() {
            Ok(told) if told.has_origin_of(base_url) => {}
            Ok(told) if allowed.iter().any(|allowed| told.has_origin_of(allowed)) => {
                self.view.base_url = Some(told);
            }
            _ => tracing::warn!(
                told = told.get(..100).unwrap_or(told),
                "the delivery names another base URL, which is not allowed: its calls go to the configured one"
            ),
        }
        self
    }

    /// Sends this `Idempotency-Key` with the calls of the returned client, which are then tried again where they may
    /// have failed in a passing way, `POST` and `PATCH` too.
    #[must_use]
    pub fn with_idempotency_key(&self, key: impl Into<String>) -> Self {
        let view = View { given_key: Some(key.into()), ..self.view.clone() };
        Self { line: Arc::clone(&self.line), view }
    }

    /// Sends this event version with the calls of the returned client, as a delivery's client does with its own.
    #[must_use]
    pub fn with_version(&self, version: impl Into<String>) -> Self {
        let view = View { given_version: Some(version.into()), ..self.view.clone() };
        Self { line: Arc::clone(&self.line), view }
    }

    /// `GET` of a path below the base URL, like `/api/v1/ext/rate_limit?a=b`.
    ///
    /// # Errors
    ///
    /// When the call fails, or its answer is not a `T`. An answer without a body is `()` or `None`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.send(Request::raw(Method::GET, path)?).await
    }

    /// `POST` of a JSON body. It is tried once, unless it carries an [idempotency key](Self::with_idempotency_key).
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get), and when the body cannot be JSON.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.send(Request::raw(Method::POST, path)?.json(body)?).await
    }

    /// `PUT` of a JSON body.
    ///
    /// # Errors
    ///
    /// As for [`post`](Self::post).
    pub async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.send(Request::raw(Method::PUT, path)?.json(body)?).await
    }

    /// `PATCH` with a JSON body. It is tried once, unless it carries an [idempotency key](Self::with_idempotency_key).
    ///
    /// # Errors
    ///
    /// As for [`post`](Self::post).
    pub async fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.send(Request::raw(Method::PATCH, path)?.json(body)?).await
    }

    /// `DELETE` of a path below the base URL.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.send(Request::raw(Method::DELETE, path)?).await
    }

    /// The typed calls.
    pub fn endpoints(&self) -> Endpoints {
        Endpoints::new(self.clone())
    }

    /// The ingestion of raw events and evidence into an organisation, with an API key of its own instead of the
    /// extension's tokens. Both are taken from here alone, never from the environment.
    pub fn ingestion(&self, api_key: impl Into<Secret>, organization_id: impl fmt::Display) -> Ingestion {
        Ingestion::new(self.clone(), api_key.into(), &organization_id.to_string())
    }

    /// What the last answer said of the rate of calls; `None` before the first that says anything.
    pub fn rate_window(&self) -> Option<RateWindow> {
        self.line.pace.seen()
    }

    /// The base URL that is called, without a slash at the end.
    pub fn base_url(&self) -> &str {
        self.view.base_url.as_ref().unwrap_or(&self.line.base_url).as_str()
    }

    /// The id of the extension, which `call` needs.
    pub(crate) fn extension_id(&self, call: &str) -> Result<&str, ClientError> {
        self.line.extension_id.as_deref().ok_or_else(|| {
            let message = "the extension has no id: write `id` into the manifest, or give it to the builder";
            ClientError::new(ClientErrorKind::NotConfigured, call, message)
        })
    }

    /// The version that goes with the calls: the given one, else that of the delivery.
    pub(crate) fn version(&self) -> Option<&str> {
        let View { given_version, occasion, .. } = &self.view;
        given_version.as_deref().or_else(|| occasion.as_ref().map(|occasion| occasion.version()))
    }

    /// The time, as the platform's calls write it: RFC 3339, UTC, whole seconds.
    pub(crate) fn now(&self) -> String {
        rfc3339(self.line.clock.unix_seconds())
    }
}

/// A time of Unix seconds as RFC 3339 in UTC.
pub(crate) fn rfc3339(unix_seconds: u64) -> String {
    let seconds = i64::try_from(unix_seconds).unwrap_or_default();
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.base_url())
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

/// The wire, for tests that put a script in its place.
#[cfg(test)]
pub(crate) mod wire {
    pub(crate) use crate::client::transport::{Outgoing, Response, Sending, Transport};
}

#[cfg(test)]
mod tests;
