//! One request on its way: the request, its envelope, and the delivery it becomes.

mod envelope;
mod request;
mod services;
mod target;

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tracing::Span;

#[cfg(feature = "internals")]
pub(crate) use self::envelope::decode;
pub(crate) use self::{
    envelope::Envelope,
    request::{JsonText, Request},
    services::{HandlerKey, Services, TypeMap},
    target::Target,
};
use crate::{
    auth::{Auth, Authentic, Grant},
    client::{Client, DeliveryScope, IdempotencyKeys},
    error::Rejection,
    types::{EventName, EventVersion, Headers, MissingScopes, Secret, hex, read_rfc3339, read_time},
};

/// One delivery, verified and routed: what extractors and middleware read.
///
/// See [`FromDelivery`](crate::FromDelivery) and [`Middleware`](crate::Middleware). Its clones are the same delivery.
#[derive(Clone)]
pub struct Delivery(Arc<Contents>);

struct Contents {
    services: Arc<Services>,
    handler: Arc<HandlerKey>,
    headers: Headers,
    body: JsonText,
    authentic: Authentic,
    deadline: Instant,
    /// Found when the payload is decoded, or when it is first needed.
    envelope: OnceLock<Envelope>,
    /// The idempotency keys of the calls that are made for it, from the first call on.
    keys: OnceLock<IdempotencyKeys>,
    /// What middleware inserted, one of a type.
    values: OnceLock<Box<Mutex<TypeMap>>>,
}

impl Delivery {
    pub(crate) fn new(
        services: Arc<Services>,
        handler: Arc<HandlerKey>,
        headers: Headers,
        body: JsonText,
        authentic: Authentic,
        deadline: Instant,
    ) -> Self {
        let (envelope, keys, values) = Default::default();
        Self(Arc::new(Contents {
            services,
            handler,
            headers,
            body,
            authentic,
            deadline,
            envelope,
            keys,
            values,
        }))
    }

    pub(crate) fn services(&self) -> &Services {
        &self.0.services
    }

    /// Gives a value to the handler and to the middleware behind, which extract it with
    /// [`FromMiddleware<T>`](crate::FromMiddleware). It replaces another value of its type.
    pub fn insert<T: Send + Sync + 'static>(&self, value: T) {
        self.values().insert(Arc::new(value));
    }

    /// The value of type `T` that middleware inserted.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.values.get().and_then(|_| self.values().get())
    }

    fn values(&self) -> MutexGuard<'_, TypeMap> {
        self.0.values.get_or_init(Box::default).lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The event, as its handler is registered.
    pub fn event(&self) -> &EventName {
        &self.0.handler.event
    }

    /// The version, as its handler is registered.
    pub fn version(&self) -> &EventVersion {
        &self.0.handler.version
    }

    /// The headers of the request.
    pub fn headers(&self) -> &Headers {
        &self.0.headers
    }

    /// The body: verified bytes, valid UTF-8, and known to start like a JSON object.
    pub fn body(&self) -> &str {
        self.0.body.as_str()
    }

    pub(crate) fn body_bytes(&self) -> &bytes::Bytes {
        self.0.body.bytes()
    }

    /// The body as a `T`, which may borrow from the delivery.
    ///
    /// # Errors
    ///
    /// `serde_json`'s, without the path of the field; [`Payload`](crate::Payload) finds that.
    pub(crate) fn decode<'d, T: Deserialize<'d>>(&'d self) -> serde_json::Result<T> {
        let (decoded, envelope) = envelope::decode(self.body());
        if let Ok(envelope) = envelope {
            let _ = self.0.envelope.set(envelope); // a second payload extractor finds the same
        }
        decoded
    }

    /// The envelope, read now unless a payload was decoded before.
    pub(crate) fn envelope(&self) -> serde_json::Result<&Envelope> {
        self.0.envelope()
    }

    /// The id of the delivery: body `id`, else `delivery_id`, else header `X-Kiket-Invocation`, else
    /// `X-Kiket-Delivery`. Only the body is signed: use [`key`](Self::key) to tell deliveries apart.
    pub fn id(&self) -> Option<Cow<'_, str>> {
        self.0.signed_id().or_else(|| unsigned_id(self.headers()))
    }

    /// What makes this delivery the same as another one, from signed text only: the body's `id`, else its
    /// `delivery_id`, else the SHA-256 of the body and of the time that was signed with it. Every attempt at a delivery that
    /// has an id has the same.
    pub fn key(&self) -> String {
        self.0.key()
    }

    /// What makes the work of a handler the same as other work: its event and version, and the delivery's key. A
    /// delivery that is sent to the handler of another version is work of its own.
    pub(crate) fn work_key(&self) -> String {
        self.0.work_key()
    }

    /// When it happened: `timestamp`, `occurred_at`, `createdAt` or `received_at` in the body, as RFC 3339 text or
    /// Unix seconds, also with a fraction, or Unix milliseconds. `None` where there is none or another text.
    pub fn occurred_at(&self) -> Option<SystemTime> {
        read_time(self.envelope().ok()?.time(self.body())?)
    }

    /// When it was signed: the time of `X-Kiket-Timestamp`, else that of its runtime token.
    pub fn signed_at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0.authentic.signed_at)
    }

    /// Which of the live webhook secrets signed it, by position: 0 is the current one. `None` where a runtime token alone
    /// proved it.
    pub fn secret_position(&self) -> Option<usize> {
        self.0.authentic.secret
    }

    /// Whom it acts for and what it may do: as its runtime token says it, or, where none was checked, what its body says.
    pub fn auth(&self) -> Option<Auth> {
        if let Some(token) = &self.0.authentic.token {
            return Some(token.auth.clone());
        }
        let mut said = self.envelope().ok()?.authentication(self.body())?;
        let text = |name| said.get(name).and_then(Value::as_str).map(str::to_owned);
        let (token_type, expires_at) = (text("token_type"), text("expires_at"));
        let scopes = said.remove("scopes").and_then(|scopes| serde_json::from_value(scopes).ok());
        let expires_at = expires_at.and_then(|time| read_rfc3339(&time)?.duration_since(UNIX_EPOCH).ok());
        let grant = Grant {
            scopes: scopes.unwrap_or_default(),
            expires_at: expires_at.map(|since| since.as_secs()),
            ..Grant::default()
        };
        Some(Auth::new(grant).of_type(token_type))
    }

    /// What it lacks of `required` scopes.
    ///
    /// # Errors
    ///
    /// When nobody can say for a while, for its runtime token could not be checked.
    pub(crate) fn lacks<S: AsRef<str>>(&self, required: &[S]) -> Result<Option<MissingScopes>, Rejection> {
        let Authentic { token, undecided, .. } = &self.0.authentic;
        if let Some(wait) = undecided.filter(|_| !required.is_empty()) {
            return Err(Rejection::keys_unavailable(wait));
        }
        Ok(MissingScopes::of(required, token.as_ref().map(|token| token.auth.scopes())))
    }

    /// The secret `key`: from the delivery, else from the environment.
    pub(crate) fn secret(&self, key: &str) -> Option<Secret> {
        let brought = self.secrets().into_iter().find(|(name, _)| name == key);
        let variables = &self.services().secret_variables;
        brought.map(|(_, secret)| secret).or_else(|| variables.find(key).cloned())
    }

    /// The keys of the secrets that Kiket does not have.
    pub(crate) fn missing_secrets(&self) -> Vec<String> {
        self.envelope().map(|envelope| envelope.missing_secrets(self.body())).unwrap_or_default()
    }

    fn secrets(&self) -> Vec<(String, Secret)> {
        self.envelope().map(|envelope| envelope.secrets(self.body())).unwrap_or_default()
    }

    /// What came with it and nobody may read: its secrets and its token.
    pub(crate) fn confidential(&self) -> Vec<Secret> {
        let said = self.envelope().ok().and_then(|envelope| envelope.authentication(self.body()));
        let token = said.and_then(|said| said.get("runtime_token")?.as_str().map(Secret::from));
        self.secrets().into_iter().map(|(_, secret)| secret).chain(token).collect()
    }

    /// How long the handler may still run; zero when its deadline has passed.
    pub fn remaining(&self) -> Duration {
        self.0.deadline.saturating_duration_since(Instant::now())
    }

    /// The client of the extension, as this delivery uses it.
    pub(crate) fn client(&self) -> Client {
        let client = self.services().client.for_delivery(Arc::clone(&self.0) as Arc<dyn DeliveryScope>);
        match self.envelope().ok().and_then(|envelope| envelope.base_url(self.body())) {
            Some(told) => client.at_base_url_of_delivery(&told),
            None => client,
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.0.deadline
    }

    /// Gives the current span the id of the delivery, which is known without another pass once the body is decoded.
    pub(crate) fn name_in_span(&self) {
        let span = Span::current();
        if !span.is_disabled() {
            span.record("delivery_id", self.id().as_deref());
        }
    }
}

impl Contents {
    fn envelope(&self) -> serde_json::Result<&Envelope> {
        if let Some(envelope) = self.envelope.get() {
            return Ok(envelope);
        }
        let envelope = Envelope::read(self.body.as_str())?;
        Ok(self.envelope.get_or_init(|| envelope))
    }

    fn signed_id(&self) -> Option<Cow<'_, str>> {
        self.envelope().ok().and_then(|envelope| envelope.delivery_id(self.body.as_str()))
    }

    fn key(&self) -> String {
        if let Some(id) = self.signed_id() {
            return format!("id:{id}");
        }
        // Where a token alone proves it, that is in the body, and tells it from every other one; a time there may be none.
        let signed_at = self.authentic.secret.map(|_| self.authentic.signed_at.to_string());
        let hash = Sha256::new()
            .chain_update(signed_at.unwrap_or_default())
            .chain_update(".")
            .chain_update(self.body.as_str())
            .finalize();
        format!("sha256:{}", hex(&hash))
    }

    fn work_key(&self) -> String {
        format!("{}:{}:{}", self.handler.event, self.handler.version, self.key())
    }
}

impl DeliveryScope for Contents {
    fn version(&self) -> &str {
        self.handler.version.as_str()
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn token(&self) -> Option<&Secret> {
        self.authentic.token.as_ref().map(|token| &token.text)
    }

    fn keys(&self) -> &IdempotencyKeys {
        self.keys.get_or_init(|| IdempotencyKeys::new(self.work_key()))
    }
}

/// The id in the headers, which are not signed.
pub(crate) fn unsigned_id(headers: &Headers) -> Option<Cow<'_, str>> {
    ["x-kiket-invocation", "x-kiket-delivery"]
        .into_iter()
        .find_map(|name| headers.get(name).map(str::trim).filter(|id| !id.is_empty()))
        .map(Cow::Borrowed)
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("event", self.event())
            .field("version", self.version())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
