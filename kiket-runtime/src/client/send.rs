//! Sends a call: headers, attempts, and the result of the response.

use std::sync::{Arc, atomic::AtomicBool};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tokio::time::Instant;

use super::{
    credentials::{API_KEY, InvalidHeaderValue, bearer, sensitive},
    idempotency,
    options::ClientOptions,
    page::Parse,
    rate_limit::{RateLimiter, TooLate},
    request::{Idempotency, Request},
    retry::{retried, retry_after},
    scope::{CallScope, RuntimeToken},
    transport::{Outgoing, Response, Transport, TransportError, USER_AGENT},
};
use crate::{
    error::{ClientError, ClientErrorKind},
    metrics::{Metrics, known_family, traces::traced},
    types::{Clock, Secret, VERSION_HEADER, after},
};

/// The state that all calls of the process share.
pub(super) struct ClientInner {
    pub(super) transport: Box<dyn Transport>,
    pub(super) options: ClientOptions,
    pub(super) clock: Clock,
    pub(super) rate_limiter: RateLimiter,
    /// Learnt from a response, and true for all calls of the process.
    pub(super) secrets_in_collection: AtomicBool,
    pub(super) metrics: Arc<Metrics>,
    /// The header values of the tokens, made once; `Err` for a token that no header can carry.
    authorization: Option<Result<HeaderValue, InvalidHeaderValue>>,
    api_key: Option<Result<HeaderValue, InvalidHeaderValue>>,
}

impl ClientInner {
    pub(super) fn new(
        transport: Box<dyn Transport>,
        options: ClientOptions,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            rate_limiter: RateLimiter::new(options.limits.calls_per_minute, options.limits.concurrent_calls),
            authorization: options.workspace_token.as_ref().map(bearer),
            api_key: options.extension_api_key.as_ref().map(|key| sensitive(key.expose())),
            secrets_in_collection: AtomicBool::new(false),
            metrics,
            transport,
            options,
            clock,
        }
    }
}

/// A call: a request, and the client and scope that it is sent with.
pub(super) struct Call<'c> {
    pub(super) client: &'c ClientInner,
    pub(super) scope: &'c CallScope,
    pub(super) request: &'c Request,
}

impl Call<'_> {
    /// Sends the request, with its retries, before its deadline.
    pub(super) async fn send(&self) -> Result<Response, ClientError> {
        let Self { client, scope, request } = self;
        request.check()?;
        let latest = after(client.options.limits.call_timeout);
        let deadline = scope.delivery.as_ref().map_or(latest, |delivery| delivery.deadline().min(latest));
        let key = self.idempotency_key();
        let repeatable = key.is_some() || request.is_repeatable();
        let attempt = || async {
            let result = self.attempt(key.as_deref(), deadline).await;
            self.count(&result);
            result
        };
        retried(attempt, repeatable, deadline).await.map_err(|error| self.redacted(error))
    }

    /// Reads a response; one without a body is `null`.
    pub(super) fn read<T>(&self, response: &Response, parse: Parse<T>) -> Result<T, ClientError> {
        let text = response.text();
        let unreadable = |reason: String| {
            let message = format!("failed to deserialize the response{reason}");
            let error = ClientError::new(ClientErrorKind::Unreadable, self.request.call(), message);
            let error = error.with_request_id(request_id(&response.headers));
            self.redacted(error.with_excerpt(self.excerpt(response)))
        };
        if let Some(reason) = response.unreadable().filter(|_| !text.is_empty()) {
            return Err(unreadable(format!(": {reason}")));
        }
        parse(if text.is_empty() { b"null" } else { text }).map_err(|error| {
            // Where the response may hold a secret, the error would quote it.
            let detail = if self.request.confidential { String::new() } else { format!(": {error}") };
            let oddity = response.oddity().map(|oddity| format!(" ({oddity})")).unwrap_or_default();
            unreadable(format!("{detail}{oddity}"))
        })
    }

    fn count(&self, result: &Result<Response, ClientError>) {
        let (status, failure) = match result {
            Ok(response) => (Some(response.status), "other"),
            Err(error) => (error.status(), name(error.kind())),
        };
        let result = status.as_ref().map_or(failure, StatusCode::as_str);
        self.client.metrics.calls.add(self.request.family(), result);
    }

    async fn attempt(
        &self,
        idempotency_key: Option<&str>,
        deadline: Instant,
    ) -> Result<Response, ClientError> {
        let Self { client, scope, request } = self;
        let base_url = scope.base_url.as_ref().unwrap_or(&client.options.base_url);
        let mut outgoing = Outgoing {
            method: request.method.clone(),
            url: format!("{base_url}{}", request.target),
            headers: self.headers(idempotency_key)?,
            body: request.body.clone(),
        };
        let calls = &client.metrics.calls;
        let permit = if let Some(permit) = client.rate_limiter.try_acquire() {
            permit
        } else {
            let from = Instant::now();
            let acquired = client.rate_limiter.acquire(deadline).await;
            calls.waits.observe(from.elapsed());
            acquired.map_err(|late| self.too_late(&late))?
        };
        let from = Instant::now();
        if deadline <= from {
            return Err(self.too_late(&TooLate { wait: None }));
        }
        let attempt = traced(|traces| {
            traces.attempt(&request.method, known_family(request.family()), &mut outgoing.headers)
        });
        let sent = tokio::time::timeout_at(deadline, client.transport.send(outgoing)).await;
        calls.seconds.observe(from.elapsed());
        drop(permit);
        let sent = sent.unwrap_or(Err(TransportError::Timeout));
        if let Some(attempt) = attempt {
            let failure = sent.as_ref().err().map_or("", |error| name(error.kind()));
            traced(|_| attempt.end(sent.as_ref().ok().map(|response| response.status), failure));
        }
        let failed =
            |error: TransportError| ClientError::new(error.kind(), request.call(), error.to_string());
        let response = sent.map_err(failed)?;
        let retry_after = retry_after(&response.headers);
        let too_many = response.status == StatusCode::TOO_MANY_REQUESTS;
        client.rate_limiter.observe(&response.headers, retry_after.filter(|_| too_many));
        if response.status.is_success() {
            return Ok(response);
        }
        let unreadable = response.unreadable().filter(|_| !response.body.is_empty());
        let text = if unreadable.is_some() { b"" } else { response.text() };
        Err(ClientError::of_response(&request.call(), response.status, text, self.excerpt(&response))
            .with_note(unreadable.map(|reason| format!("its body cannot be read: {reason}")).as_deref())
            .with_request_id(request_id(&response.headers))
            .with_retry_after(retry_after))
    }

    /// The headers: credentials, version, idempotency key.
    fn headers(&self, idempotency_key: Option<&str>) -> Result<HeaderMap, ClientError> {
        let mut headers = HeaderMap::with_capacity(MOST_HEADERS);
        match &self.request.credentials {
            None => self.add_tokens(&mut headers)?,
            Some(credentials) => headers.extend(credentials.headers.iter().cloned()),
        }
        headers.insert(header::USER_AGENT, USER_AGENT);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if self.request.body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(version) = self.scope.version() {
            headers.insert(VERSION, self.usable(sensitive(version), "the version")?);
        }
        if let Some(key) = idempotency_key {
            headers.insert(IDEMPOTENCY_KEY, self.usable(sensitive(key), "the idempotency key")?);
        }
        Ok(headers)
    }

    /// Adds the tokens of the extension that the request is meant for.
    fn add_tokens(&self, headers: &mut HeaderMap) -> Result<(), ClientError> {
        let ClientInner { authorization, api_key, .. } = self.client;
        let runtime_token = match self.scope.runtime_token() {
            RuntimeToken::None => None,
            RuntimeToken::Valid(token) => Some(token),
            RuntimeToken::Gone(why) => {
                let message =
                    format!("{why}: `context.as_workspace()` calls with the tokens of the extension");
                let kind = ClientErrorKind::TokenExpired;
                return Err(ClientError::new(kind, self.request.call(), message));
            }
        };
        // A delivery with a runtime token acts with that, and with no more.
        let authorization = authorization.as_ref().filter(|_| runtime_token.is_none());
        let api_key = api_key.as_ref().filter(|_| self.request.is_below_ext());
        if authorization.is_none() && runtime_token.is_none() && api_key.is_none() {
            return Err(self.not_configured(if self.request.is_below_ext() {
                "there is no extension API key: set `KIKET_EXTENSION_API_KEY` (and `KIKET_WORKSPACE_TOKEN`)"
            } else {
                "there is no workspace token: set `KIKET_WORKSPACE_TOKEN`"
            }));
        }
        if let Some(token) = authorization {
            headers.insert(header::AUTHORIZATION, self.usable(token.clone(), "the workspace token")?);
        }
        if let Some(token) = runtime_token {
            headers.insert(RUNTIME_TOKEN, self.usable(sensitive(token.expose()), "the runtime token")?);
        }
        if let Some(key) = api_key {
            headers.insert(API_KEY, self.usable(key.clone(), "the extension API key")?);
        }
        Ok(())
    }

    /// The idempotency key: the caller's, else one made from what the call does.
    fn idempotency_key(&self) -> Option<String> {
        match (&self.request.idempotency, &self.scope.idempotency_key) {
            (Idempotency::Never, _) | (Idempotency::ByMethod, None) => None,
            (_, given @ Some(_)) => given.clone(),
            (Idempotency::Random, None) => Some(idempotency::random()),
            (Idempotency::Derived(content), None) => Some(match &self.scope.delivery {
                Some(delivery) => delivery.keys().next(self.request, content),
                None => idempotency::random(),
            }),
        }
    }

    /// The error without the tokens that Kiket may have sent back, and cut.
    fn redacted(&self, error: ClientError) -> ClientError {
        self.secrets().fold(error, |error, secret| error.without(secret.expose())).cut()
    }

    /// The start of a response body, where it may be shown and is a text.
    fn excerpt(&self, response: &Response) -> Option<String> {
        if self.request.confidential || response.unreadable().is_some() {
            return None;
        }
        // Secrets are redacted before the text is cut, which could leave half of one.
        let text = String::from_utf8_lossy(response.text()).into_owned();
        let text = self.secrets().fold(text, |text, secret| text.replace(secret.expose(), "…"));
        let start: String = text.chars().take(EXCERPT).collect();
        (!start.is_empty()).then_some(start)
    }

    /// The secrets to redact: the tokens of the extension and the caller's credentials.
    fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let ClientOptions { workspace_token, extension_api_key, .. } = &self.client.options;
        let own = workspace_token.iter().chain(extension_api_key).chain(self.scope.runtime_token().valid());
        let given = self.request.credentials.iter().map(|credentials| &credentials.secret);
        own.chain(given).filter(|token| !token.expose().is_empty())
    }

    fn usable(
        &self,
        value: Result<HeaderValue, InvalidHeaderValue>,
        name: &str,
    ) -> Result<HeaderValue, ClientError> {
        value.map_err(|_| self.not_configured(&format!("{name} has characters that a header cannot carry")))
    }

    fn not_configured(&self, message: &str) -> ClientError {
        ClientError::new(ClientErrorKind::NotConfigured, self.request.call(), message)
    }

    fn too_late(&self, late: &TooLate) -> ClientError {
        let call = self.request.call();
        if self.scope.delivery.as_ref().is_some_and(|delivery| delivery.deadline() <= Instant::now()) {
            return ClientError::new(ClientErrorKind::Timeout, call, DELIVERY_IS_OVER);
        }
        let Some(wait) = late.wait else {
            let message = "the deadline passed before the request could be sent";
            return ClientError::new(ClientErrorKind::Timeout, call, message);
        };
        let seconds = wait.as_secs().saturating_add(1);
        let message =
            format!("the rate limit allows the next call in {seconds} s, which is past the deadline");
        ClientError::new(ClientErrorKind::RateLimited, call, message).with_retry_after(Some(wait))
    }
}

/// What metrics call an attempt without a response.
fn name(kind: ClientErrorKind) -> &'static str {
    match kind {
        ClientErrorKind::Connect => "connect",
        ClientErrorKind::Interrupted => "interrupted",
        ClientErrorKind::RateLimited => "rate_limited",
        ClientErrorKind::Timeout => "timeout",
        ClientErrorKind::NotConfigured | ClientErrorKind::InvalidRequest | ClientErrorKind::TokenExpired => {
            "unusable"
        }
        _ => "other",
    }
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    headers.get("x-request-id").and_then(|id| id.to_str().ok()).map(str::to_owned)
}

/// Why a call of a task that outlives its delivery is not sent.
const DELIVERY_IS_OVER: &str = "the delivery is over, and with it the calls of its client: its deadline has passed; for \
     work that outlives a delivery, give the task `context.detached()`, or the client of the extension, `Extension::client`";
const RUNTIME_TOKEN: HeaderName = HeaderName::from_static("x-kiket-runtime-token");
const VERSION: HeaderName = HeaderName::from_static(VERSION_HEADER);
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// A map with room for twice as many never grows.
const MOST_HEADERS: usize = 16;
/// The length of the excerpt of a response in an error, in characters.
const EXCERPT: usize = 512;
