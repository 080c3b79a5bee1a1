//! Makes a call: what it carries, when it is sent, and what its answer means.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{
    API_KEY_HEADER, Client, InvalidHeaderValue, Tokens, USER_AGENT,
    credentials::Credentials,
    idempotency,
    rate_limit::TooLate,
    request::{Idempotency, Request},
    retry::{retried, retry_after},
    sensitive,
    transport::{LARGEST_ANSWER, Outgoing, Response, Trouble},
};
use crate::error::{ClientError, ClientErrorKind};
use crate::types::{Secret, VERSION_HEADER};

impl Client {
    /// Makes a call, and reads its answer as a `T`.
    pub(crate) async fn send<T: DeserializeOwned>(&self, request: Request) -> Result<T, ClientError> {
        let Response { headers, body, .. } = self.answer(&request).await?;
        let json = if body.trim_ascii().is_empty() { b"null".as_slice() } else { &body };
        serde_json::from_slice(json).map_err(|error| {
            // Where the answer may hold a secret, its reading would quote it.
            let message = if request.confidential {
                "the answer is not what was asked for".to_owned()
            } else {
                format!("the answer is not what was asked for: {error}")
            };
            let error = ClientError::new(ClientErrorKind::Unreadable, request.call(), message);
            let excerpt = self.excerpt(&body, &request);
            self.redacted(&request, error.with_request_id(request_id(&headers)).with_excerpt(excerpt))
        })
    }

    /// Makes a call whose answer nobody reads.
    pub(crate) async fn order(&self, request: Request) -> Result<(), ClientError> {
        self.answer(&request).await.map(drop)
    }

    async fn answer(&self, request: &Request) -> Result<Response, ClientError> {
        let latest = Instant::now() + self.line.call_timeout;
        let deadline = self.view.occasion.as_ref().map_or(latest, |delivery| delivery.deadline().min(latest));
        let key = self.idempotency_key(request);
        let repeatable = key.is_some() || request.is_repeatable();
        let attempt = || self.attempt(request, key.as_deref(), deadline);
        retried(attempt, repeatable, deadline).await.map_err(|error| self.redacted(request, error))
    }

    async fn attempt(
        &self,
        request: &Request,
        idempotency_key: Option<&str>,
        deadline: Instant,
    ) -> Result<Response, ClientError> {
        let outgoing = Outgoing {
            method: request.method.clone(),
            url: format!("{}{}", self.base_url(), request.target),
            headers: self.headers(request, idempotency_key)?,
            body: request.body.clone(),
        };
        let place = self.line.pace.turn(deadline).await.map_err(|late| too_late(request, &late))?;
        if deadline <= Instant::now() {
            return Err(too_late(request, &TooLate { wait: None }));
        }
        let sent = tokio::time::timeout_at(deadline, self.line.transport.send(outgoing)).await;
        drop(place);
        let response = sent.unwrap_or(Err(Trouble::Timeout)).map_err(|trouble| troubled(request, trouble))?;
        let asked = retry_after(&response.headers);
        let too_many = response.status == StatusCode::TOO_MANY_REQUESTS;
        self.line.pace.follow(&response.headers, asked.filter(|_| too_many));
        if response.status.is_success() {
            return Ok(response);
        }
        let excerpt = self.excerpt(&response.body, request);
        Err(ClientError::answered(&request.call(), response.status, &response.body, excerpt)
            .with_request_id(request_id(&response.headers))
            .with_retry_after(asked))
    }

    /// The headers of a call: credentials, version, key.
    fn headers(&self, request: &Request, idempotency_key: Option<&str>) -> Result<HeaderMap, ClientError> {
        let mut headers = HeaderMap::with_capacity(MOST_HEADERS);
        match &request.credentials {
            Credentials::Extension => self.add_tokens(request, &mut headers)?,
            Credentials::Given(given) => headers.extend(given.headers.iter().cloned()),
        }
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if request.body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(version) = self.version() {
            headers.insert(VERSION, made(request, sensitive(version), "the version")?);
        }
        if let Some(key) = idempotency_key {
            headers.insert(IDEMPOTENCY_KEY, made(request, sensitive(key), "the idempotency key")?);
        }
        Ok(headers)
    }

    /// Adds the tokens of the extension, each where it is for.
    fn add_tokens(&self, request: &Request, headers: &mut HeaderMap) -> Result<(), ClientError> {
        let Tokens { authorization, api_key, .. } = &self.line.tokens;
        let runtime_token = self.runtime_token();
        // A delivery that came with a token of its own acts with that, and with no more.
        let authorization = authorization.as_ref().filter(|_| runtime_token.is_none());
        let api_key = api_key.as_ref().filter(|_| request.is_below_ext());
        if authorization.is_none() && runtime_token.is_none() && api_key.is_none() {
            return Err(not_configured(
                request,
                if request.is_below_ext() {
                    "there is no extension API key: set `KIKET_EXTENSION_API_KEY` (and `KIKET_WORKSPACE_TOKEN`)"
                } else {
                    "there is no workspace token: set `KIKET_WORKSPACE_TOKEN`"
                },
            ));
        }
        if let Some(token) = authorization {
            headers.insert(header::AUTHORIZATION, made(request, token.clone(), "the workspace token")?);
        }
        if let Some(token) = runtime_token {
            headers.insert(RUNTIME_TOKEN, made(request, sensitive(token.expose()), "the runtime token")?);
        }
        if let Some(key) = api_key {
            headers.insert(API_KEY, made(request, key.clone(), "the extension API key")?);
        }
        Ok(())
    }

    /// The key of a call: the given one, else one made from what the call does.
    fn idempotency_key(&self, request: &Request) -> Option<String> {
        match (&request.idempotency, &self.view.given_key) {
            (Idempotency::Never, _) | (Idempotency::ByMethod, None) => None,
            (_, given @ Some(_)) => given.clone(),
            (Idempotency::Anew, None) => Some(idempotency::random()),
            (Idempotency::Derived(what), None) => Some(match &self.view.occasion {
                Some(delivery) => delivery.keys().next(request, what),
                None => idempotency::random(),
            }),
        }
    }

    /// Whatever Kiket sent back, a token in it is not shown.
    fn redacted(&self, request: &Request, error: ClientError) -> ClientError {
        self.tokens(request).fold(error, |error, token| error.without(token.expose()))
    }

    /// The start of an answer, where it may be shown.
    fn excerpt(&self, body: &[u8], request: &Request) -> Option<String> {
        if request.confidential {
            return None;
        }
        // Tokens are taken out of all of it, so that none is cut in half and then not known.
        let text = String::from_utf8_lossy(body).into_owned();
        let text = self.tokens(request).fold(text, |text, token| text.replace(token.expose(), "…"));
        let start: String = text.chars().take(EXCERPT).collect();
        (!start.is_empty()).then_some(start)
    }

    /// What must not be shown: the tokens of the extension, and what the call carries instead.
    fn tokens<'t>(&'t self, request: &'t Request) -> impl Iterator<Item = &'t Secret> {
        let Tokens { workspace, extension_key, .. } = &self.line.tokens;
        let own = workspace.iter().chain(extension_key).chain(self.runtime_token());
        own.chain(request.credentials.secret()).filter(|token| !token.expose().is_empty())
    }

    fn runtime_token(&self) -> Option<&Secret> {
        self.view.occasion.as_ref()?.token()
    }
}

const API_KEY: HeaderName = HeaderName::from_static(API_KEY_HEADER);
const RUNTIME_TOKEN: HeaderName = HeaderName::from_static("x-kiket-runtime-token");
const VERSION: HeaderName = HeaderName::from_static(VERSION_HEADER);
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// A map that has room for twice as many never grows.
const MOST_HEADERS: usize = 16;

/// How much of an answer an error shows, in characters.
const EXCERPT: usize = 512;

fn not_configured(request: &Request, message: &str) -> ClientError {
    ClientError::new(ClientErrorKind::NotConfigured, request.call(), message)
}

fn made(
    request: &Request,
    value: Result<HeaderValue, InvalidHeaderValue>,
    what: &str,
) -> Result<HeaderValue, ClientError> {
    let refused = |_| not_configured(request, &format!("{what} has characters that a header cannot carry"));
    value.map_err(refused)
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    headers.get("x-request-id").and_then(|id| id.to_str().ok()).map(str::to_owned)
}

fn too_late(request: &Request, late: &TooLate) -> ClientError {
    match late.wait {
        Some(wait) => {
            let seconds = wait.as_secs().saturating_add(1);
            let message = format!("the next call may be made in {seconds} s, which is past the deadline");
            ClientError::new(ClientErrorKind::RateLimited, request.call(), message)
                .with_retry_after(Some(wait))
        }
        None => ClientError::new(
            ClientErrorKind::Timeout,
            request.call(),
            "the deadline came before it could be sent",
        ),
    }
}

fn troubled(request: &Request, trouble: Trouble) -> ClientError {
    let (kind, message) = match trouble {
        Trouble::Unusable(why) => {
            (ClientErrorKind::NotConfigured, format!("HTTP cannot be spoken on this machine: {why}"))
        }
        Trouble::Connect(why) => (ClientErrorKind::Connect, format!("no connection: {why}")),
        Trouble::Timeout => (ClientErrorKind::Timeout, "no answer came before the deadline".to_owned()),
        Trouble::Interrupted(why) => (
            ClientErrorKind::Interrupted,
            format!("the connection broke before the answer was complete: {why}"),
        ),
        Trouble::TooLarge => {
            (ClientErrorKind::TooLarge, format!("the answer is larger than {LARGEST_ANSWER} bytes"))
        }
    };
    ClientError::new(kind, request.call(), message)
}
