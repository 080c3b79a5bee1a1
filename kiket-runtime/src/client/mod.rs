//! Calls Kiket: one client for the process, and a view of it for each delivery.

mod credentials;
mod fetch;
mod idempotency;
mod options;
mod page;
mod pagination;
mod rate_limit;
mod reporter;
mod request;
pub(crate) mod resource;
mod retry;
mod scope;
#[cfg(feature = "internals")]
mod scripted;
mod send;
pub(crate) mod thread;
pub(crate) mod transport;

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use http::Method;
use serde::{Serialize, de::DeserializeOwned};

#[cfg(feature = "internals")]
pub use self::scripted::{ListRead, read_list, read_retry_after};
pub(crate) use self::{
    credentials::CallerCredentials,
    fetch::Fetcher,
    idempotency::IdempotencyKeys,
    options::{ClientLimits, ClientOptions},
    reporter::Reporter,
    request::{Idempotency, Request},
    resource::resources,
    scope::{DeliveryScope, RuntimeToken},
    transport::install_tls_provider,
};
use self::{
    options::CONNECT_TIMEOUT,
    page::Parse,
    resource::Resource,
    scope::CallScope,
    send::{Call, ClientInner},
    transport::{HttpTransport, Response, Transport},
};
pub use self::{page::Page, pagination::Paginator, rate_limit::RateWindow, retry::retry_after};
use crate::{
    error::{ClientError, ClientErrorKind},
    metrics::Metrics,
    types::{BaseUrl, Clock, shortened},
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
/// # Retries and timeouts
///
/// A call is retried twice if its method is idempotent or it carries an idempotency key: on connection errors, when the
/// connection breaks before the response is complete, and on 429, 502, 503 and 504, with exponential backoff and full jitter, and no sooner than `Retry-After`. A call takes at
/// most 15 seconds with its retries. Redirects are not followed.
#[derive(Clone)]
pub struct Client {
    inner: Arc<ClientInner>,
    scope: CallScope,
}

/// Calls of a path, each by its method and perhaps with a JSON body.
macro_rules! verbs {
    ($($(#[$doc:meta])* $verb:ident($($body:ident)?) => $method:ident;)*) => {
        $(
            $(#[$doc])*
            pub async fn $verb<T: DeserializeOwned>(
                &self,
                path: &str,
                $($body: &impl Serialize,)?
            ) -> Result<T, ClientError> {
                self.send(Request::raw(Method::$method, path)$(.json($body))?).await
            }
        )*
    };
}

impl Client {
    pub(crate) fn new(options: ClientOptions, clock: Clock, metrics: Arc<Metrics>) -> Self {
        let transport = HttpTransport::new(&options.base_url, options.limits.connect_timeout);
        Self::over(Box::new(transport), options, clock, metrics)
    }

    /// A client without tokens, whose calls fail.
    #[cfg(feature = "internals")]
    pub(crate) fn unconfigured() -> Self {
        Self::new(ClientOptions::default(), Clock::system(), Arc::default())
    }

    fn over(
        transport: Box<dyn Transport>,
        options: ClientOptions,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        let inner = ClientInner::new(transport, options, clock, metrics);
        Self { inner: Arc::new(inner), scope: CallScope::default() }
    }

    /// The view of a delivery: its calls have its version, its token and its deadline.
    pub(crate) fn for_delivery(&self, delivery: Arc<dyn DeliveryScope>) -> Self {
        self.scoped(CallScope { delivery: Some(delivery), ..CallScope::default() })
    }

    /// The view that calls the base URL that a delivery names, if that may receive tokens. The name is not verified.
    pub(crate) fn at_base_url_of_delivery(mut self, named: &str) -> Self {
        let ClientOptions { base_url, allowed_base_urls, .. } = &self.inner.options;
        match named.parse::<BaseUrl>().map(|url| url.without_api_path().unwrap_or(url)) {
            Ok(named) if named.has_origin_of(base_url) => {}
            Ok(named) if allowed_base_urls.iter().any(|allowed| named.has_origin_of(allowed)) => {
                self.scope.base_url = Some(named);
            }
            _ => tracing::warn!(
                base_url = &*shortened(named, 100),
                "the delivery names another base URL, which is not allowed: its calls go to the configured one"
            ),
        }
        self
    }

    fn scoped(&self, scope: CallScope) -> Self {
        Self { inner: Arc::clone(&self.inner), scope }
    }

    /// Sends this `Idempotency-Key` with the calls of the returned client. They are then retried after transient
    /// failures, `POST` and `PATCH` too.
    #[must_use]
    pub fn with_idempotency_key(&self, key: impl Into<String>) -> Self {
        self.scoped(CallScope { idempotency_key: Some(key.into()), ..self.scope.clone() })
    }

    /// Sends this event version with the calls of the returned client, as a delivery's client does with its own.
    #[must_use]
    pub fn with_version(&self, version: impl Into<String>) -> Self {
        self.scoped(CallScope { version: Some(version.into()), ..self.scope.clone() })
    }

    verbs! {
        /// `GET` of a path below the base URL, like `/api/v1/ext/rate_limit?a=b`.
        ///
        /// # Errors
        ///
        /// When the call fails, or its response is not a `T`. A response without a body is `()` or `None`.
        get() => GET;
        /// `POST` of a JSON body. It is not retried, unless it carries an [idempotency key](Self::with_idempotency_key).
        ///
        /// # Errors
        ///
        /// As for [`get`](Self::get), and when the body cannot be JSON.
        post(body) => POST;
        /// `PUT` of a JSON body.
        ///
        /// # Errors
        ///
        /// As for [`post`](Self::post).
        put(body) => PUT;
        /// `PATCH` with a JSON body. It is not retried, unless it carries an [idempotency key](Self::with_idempotency_key).
        ///
        /// # Errors
        ///
        /// As for [`post`](Self::post).
        patch(body) => PATCH;
        /// `DELETE` of a path below the base URL.
        ///
        /// # Errors
        ///
        /// As for [`get`](Self::get).
        delete() => DELETE;
    }

    /// The rate limit that the last response reported; `None` before the first that reports one.
    pub fn rate_window(&self) -> Option<RateWindow> {
        self.inner.rate_limiter.window()
    }

    /// The base URL that is called, without a slash at the end.
    pub fn base_url(&self) -> &str {
        self.scope.base_url.as_ref().unwrap_or(&self.inner.options.base_url).as_str()
    }

    /// Why this machine cannot speak TLS; `None` where it need not: for calls with a token, for keys, and for `others`.
    pub(crate) fn unusable(&self, fetches_keys: bool, others: Option<&BaseUrl>) -> Option<String> {
        let ClientOptions { base_url, allowed_base_urls, workspace_token, extension_api_key, .. } =
            &self.inner.options;
        let calls = workspace_token.is_some() || extension_api_key.is_some();
        let mut others = others.into_iter().chain(allowed_base_urls.iter().filter(|_| calls));
        let checked = if base_url.is_secure() && (calls || fetches_keys) {
            self.inner.transport.check()
        } else {
            let secure = others.find(|url| url.is_secure());
            secure.map_or(Ok(()), |url| HttpTransport::new(url, CONNECT_TIMEOUT).check())
        };
        checked.err().map(|error| error.to_string())
    }

    /// Whether the platform takes a secret at the path of all secrets, and not at one of its own.
    pub(crate) fn secrets_in_collection(&self) -> &AtomicBool {
        &self.inner.secrets_in_collection
    }

    /// The id of the extension, which `call` needs.
    pub(crate) fn extension_id(&self, call: &str) -> Result<&str, ClientError> {
        self.inner.options.extension_id.as_deref().ok_or_else(|| {
            let message = "the extension has no id: write `id` into the manifest, or give it to the builder";
            ClientError::new(ClientErrorKind::NotConfigured, call, message)
        })
    }

    /// The event version of the calls: the caller's, else that of the delivery.
    pub(crate) fn version(&self) -> Option<&str> {
        self.scope.version()
    }

    /// The time of the client's clock, in Unix seconds.
    pub(crate) fn unix_seconds(&self) -> u64 {
        self.inner.clock.unix_seconds()
    }

    /// Makes a call whose response is a `T`.
    pub(crate) async fn send<T: DeserializeOwned>(&self, request: Request) -> Result<T, ClientError> {
        self.read(&request, |json| serde_json::from_slice(json)).await
    }

    /// Makes a call whose response is one resource.
    pub(crate) async fn one<T: Resource>(&self, request: Request) -> Result<T, ClientError> {
        self.read(&request, resource::read_one).await
    }

    /// The resources of a list, in pages.
    pub(crate) fn pages<T: Resource>(&self, request: Request) -> Paginator<T> {
        Paginator::new(self.clone(), request, resource::read_page)
    }

    /// Makes a call and ignores the body of its response.
    pub(crate) async fn execute(&self, request: Request) -> Result<(), ClientError> {
        self.call(&request).send().await.map(drop)
    }

    async fn read<T>(&self, request: &Request, parse: Parse<T>) -> Result<T, ClientError> {
        let call = self.call(request);
        let response: Response = call.send().await?;
        call.read(&response, parse)
    }

    fn call<'c>(&'c self, request: &'c Request) -> Call<'c> {
        Call { client: &self.inner, scope: &self.scope, request }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.base_url())
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
