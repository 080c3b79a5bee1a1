//! A delivery: the request, its envelope, and the services that it uses.

mod envelope;
#[cfg(feature = "inbox")]
mod inbox;
#[cfg(feature = "inbox")]
mod members;
mod recent;
mod request;
#[cfg(feature = "inbox")]
mod schedule;
mod scopes;
mod services;
#[cfg(feature = "inbox")]
mod stored;
mod target;
mod tasks;

use std::{
    borrow::Cow,
    fmt,
    num::NonZeroU64,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tracing::Span;

#[cfg(feature = "internals")]
pub(crate) use self::envelope::decode;
#[cfg(feature = "inbox")]
pub use self::schedule::InboxHandle;
use self::scopes::AsWorkspace;
pub(crate) use self::{
    envelope::Envelope,
    recent::recent_secrets,
    request::{JsonText, Request, without_mark},
    services::{HandlerKey, Services, TypeMap},
    target::{Target, Version},
    tasks::{Task, Tasks},
};
#[cfg(feature = "inbox")]
pub(crate) use self::{
    envelope::confidential,
    inbox::{InboxService, Placement},
    services::LaterHandler,
    stored::StoredDelivery,
};
#[cfg(feature = "inbox")]
use crate::store::{DedupeKey, StoreError, inbox::NewWork};
use crate::{
    auth::{Auth, Authentic, Grant},
    client::{Client, DeliveryScope, IdempotencyKeys, RuntimeToken},
    error::Rejection,
    types::{
        EventName, EventVersion, Headers, LONGEST_ID, MissingScopes, Mutex, Secret, hex, read_rfc3339,
        read_time, shortened, unix_time,
    },
};

/// A verified and routed delivery, as extractors and middleware read it.
///
/// See [`FromDelivery`](crate::FromDelivery) and [`Middleware`](crate::handler::Middleware). Clones are cheap and are the same
/// delivery.
#[derive(Clone)]
pub struct Delivery(Arc<Contents>);

struct Contents {
    services: Arc<Services>,
    handler: Arc<HandlerKey>,
    headers: Headers,
    body: JsonText,
    authentic: Authentic,
    deadline: Instant,
    /// Found when the payload is decoded, else when it is first needed.
    envelope: OnceLock<Envelope>,
    /// The hash of what all attempts at the delivery share, made when it is first needed.
    content_hash: OnceLock<[u8; 32]>,
    /// The idempotency keys of its calls, made for the first call.
    keys: OnceLock<IdempotencyKeys>,
    /// The values that middleware inserted, one of each type.
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
            content_hash: OnceLock::new(),
            keys,
            values,
        }))
    }

    /// The work of its handler, for an inbox.
    #[cfg(feature = "inbox")]
    pub(crate) fn work(
        &self,
        inbox: &InboxService,
        placement: &Placement<'_>,
    ) -> Result<NewWork, StoreError> {
        let key = self.work_key();
        let handler = self.0.handler.name();
        let content = stored::write(&self.0.headers, &self.0.body, &self.0.authentic, inbox.with_secrets);
        let content =
            content.map_err(|error| StoreError::new("the delivery cannot be stored").because(error))?;
        inbox.work(key, handler, &content, placement, self.organisation(), self.body())
    }

    /// The key of its row.
    #[cfg(feature = "inbox")]
    fn work_key(&self) -> DedupeKey {
        self.services().keys.key(|text| self.write_work_key(text))
    }

    /// Who waits for it: the organisation of its token, else that of its body, else its project, as `project:12`.
    #[cfg(feature = "inbox")]
    fn organisation(&self) -> String {
        let token = self.0.authentic.token.as_ref();
        let verified = token.and_then(|token| token.auth.organization_id()).map(str::to_owned);
        let (project, none) = ("project:", "");
        let paths = [
            ("organization_id", none),
            ("organization.id", none),
            ("project_id", project),
            ("project.id", project),
        ];
        let mut named =
            paths.into_iter().filter_map(|(path, of)| Some((of, members::value_at(self.body(), path)?)));
        verified.or_else(|| named.next().map(|(of, name)| format!("{of}{name}"))).unwrap_or_default()
    }

    pub(crate) fn services(&self) -> &Services {
        &self.0.services
    }

    /// Inserts a value for the handler and for later middleware, which extract it with
    /// [`FromMiddleware<T>`](crate::handler::FromMiddleware). It replaces another value of its type.
    #[doc(alias = "extensions")]
    pub fn insert<T: Send + Sync + 'static>(&self, value: T) {
        self.0.values.get_or_init(Box::default).lock().insert(Arc::new(value));
    }

    /// The value of type `T` that middleware inserted.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.values.get()?.lock().get()
    }

    /// The event of the handler, as it was registered.
    pub fn event(&self) -> &EventName {
        &self.0.handler.event
    }

    /// The event version of the handler, as it was registered.
    pub fn version(&self) -> &EventVersion {
        &self.0.handler.version
    }

    /// The headers of the request.
    pub fn headers(&self) -> &Headers {
        &self.0.headers
    }

    /// The verified body: valid UTF-8 that begins like a JSON object.
    pub fn body(&self) -> &str {
        self.0.body.as_str()
    }

    pub(crate) fn body_bytes(&self) -> &bytes::Bytes {
        self.0.body.bytes()
    }

    /// Decodes the body into a `T`, which may borrow from the delivery.
    ///
    /// # Errors
    ///
    /// When the body is no `T`. The error has no path; [`Payload`](crate::Payload) finds it.
    pub(crate) fn decode<'d, T: Deserialize<'d>>(&'d self) -> serde_json::Result<T> {
        let (decoded, envelope) = envelope::decode(self.body());
        if let Ok(envelope) = envelope {
            let _ = self.0.envelope.set(envelope); // a second payload extractor finds the same envelope
        }
        decoded
    }

    /// The envelope; it is read now, unless a payload was decoded before.
    pub(crate) fn envelope(&self) -> serde_json::Result<&Envelope> {
        self.0.envelope()
    }

    /// The id of the delivery: body `id`, else `delivery_id`, else header `X-Kiket-Invocation`, else
    /// `X-Kiket-Delivery`. Only the body is signed: use [`key`](Self::key) to distinguish deliveries.
    pub fn id(&self) -> Option<Cow<'_, str>> {
        self.0.signed_id().or_else(|| unsigned_id(self.headers()))
    }

    /// The deduplication key, from signed text only: the body's `id`, else its `delivery_id`, else the SHA-256 of the body
    /// without `authentication`, `secrets`, `secret_status` and `api`, and of the signed timestamp unless the body has
    /// `timestamp`, `occurred_at` or `received_at`. All attempts at a delivery with an id, or with such a time, have the same key.
    #[doc(alias("deduplication key", "idempotency key"))]
    pub fn key(&self) -> String {
        let mut text = String::new();
        self.0.write_key(&mut text);
        text
    }

    /// Writes the key of the handler's work: its event and version, and the delivery's key. The same delivery to the handler of
    /// another version is other work.
    pub(crate) fn write_work_key(&self, text: &mut String) {
        self.0.write_work_key(text);
    }

    /// A fast hash of what all attempts at the delivery share.
    pub(crate) fn fingerprint(&self) -> Option<NonZeroU64> {
        let envelope = self.0.envelope().ok()?;
        NonZeroU64::new(envelope.fingerprint(self.0.body.as_str()))
    }

    /// The time of the event: `timestamp`, `occurred_at`, `createdAt` or `received_at` in the body, as RFC 3339 text,
    /// Unix seconds (also with a fraction) or Unix milliseconds. `None` if it is missing or has another format.
    pub fn occurred_at(&self) -> Option<SystemTime> {
        read_time(self.envelope().ok()?.time(self.body())?)
    }

    /// The time of the signature: `X-Kiket-Timestamp`, else the time of the runtime token.
    pub fn signed_at(&self) -> SystemTime {
        unix_time(self.0.authentic.signed_at)
    }

    /// The position of the webhook secret that signed it: 0 is the current one. `None` if only a runtime token
    /// authenticated it.
    pub fn secret_position(&self) -> Option<usize> {
        self.0.authentic.secret
    }

    /// The identity and the scopes of the delivery: from its runtime token if that was verified, else from its body.
    pub fn auth(&self) -> Option<Auth> {
        if let Some(token) = &self.0.authentic.token {
            return Some(token.auth.clone());
        }
        let mut claims = self.envelope().ok()?.authentication(self.body())?;
        let text = |name| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let (token_type, expires_at) = (text("token_type"), text("expires_at"));
        let scopes = claims.remove("scopes").and_then(|scopes| serde_json::from_value(scopes).ok());
        let expires_at = expires_at.and_then(|time| read_rfc3339(&time)?.duration_since(UNIX_EPOCH).ok());
        let grant = Grant {
            scopes: scopes.unwrap_or_default(),
            expires_at: expires_at.map(|since| since.as_secs()),
            ..Grant::default()
        };
        Some(Auth::new(grant).of_type(token_type))
    }

    /// The scopes of `required` that it does not have.
    ///
    /// # Errors
    ///
    /// When its runtime token could not be checked yet.
    pub(crate) fn missing_scopes<S: AsRef<str>>(
        &self,
        required: &[S],
    ) -> Result<Option<MissingScopes>, Rejection> {
        if !required.is_empty() {
            self.decided()?;
        }
        let token = self.0.authentic.token.as_ref();
        Ok(MissingScopes::of(required, token.map(|token| token.auth.scopes())))
    }

    /// Fails with 503 while the runtime token of the delivery cannot be checked.
    pub(crate) fn decided(&self) -> Result<(), Rejection> {
        self.0.authentic.undecided.as_ref().map_or(Ok(()), |rejection| Err(Rejection::clone(rejection)))
    }

    /// The secret `key`: from the delivery, else the setting, else from the environment.
    pub(crate) fn secret(&self, key: &str) -> Option<Secret> {
        let own = self.secrets().into_iter().find(|(name, _)| name == key);
        own.map(|(_, secret)| secret).or_else(|| self.services().settings.find(key))
    }

    fn secrets(&self) -> Vec<(String, Secret)> {
        self.envelope().map(|envelope| envelope.secrets(self.body())).unwrap_or_default()
    }

    /// The texts to redact: its secrets and its token.
    pub(crate) fn confidential(&self) -> Vec<Secret> {
        self.envelope().map(|envelope| envelope.confidential(self.body())).unwrap_or_default()
    }

    /// Keeps the texts to redact for panics beside it. One without them costs nothing.
    pub(crate) fn keep_confidential(&self) {
        if let Some(members) = self.envelope().ok().and_then(|read| read.confidential_members(self.body())) {
            recent::keep(Arc::downgrade(&self.0) as _, members);
        }
    }

    /// The time until the handler's deadline; zero if it has passed.
    #[doc(alias("deadline", "timeout"))]
    pub fn remaining(&self) -> Duration {
        self.0.deadline.saturating_duration_since(Instant::now())
    }

    /// The client of the extension, with the version, token and deadline of the delivery.
    pub(crate) fn client(&self) -> Client {
        self.client_of(Arc::clone(&self.0) as Arc<dyn DeliveryScope>)
    }

    /// The client of the extension with the version of the delivery, and without its token. It has the deadline of the delivery,
    /// or none for a task that outlives it.
    pub(crate) fn workspace_client(&self, task: Option<Task>) -> Client {
        self.client_of(Arc::new(AsWorkspace {
            delivery: Arc::clone(&self.0) as Arc<dyn DeliveryScope>,
            task,
        }))
    }

    fn client_of(&self, scope: Arc<dyn DeliveryScope>) -> Client {
        let client = self.services().client.for_delivery(scope);
        match self.envelope().ok().and_then(|envelope| envelope.base_url(self.body())) {
            Some(named) => client.at_base_url_of_delivery(&named),
            None => client,
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.0.deadline
    }

    /// Records the id of the delivery in the current span. Call it after the payload was decoded, when that needs no other
    /// pass.
    pub(crate) fn name_in_span(&self) {
        let span = Span::current();
        if !span.is_disabled() {
            span.record("delivery_id", self.id().map(|id| shortened(id, LONGEST_ID)).as_deref());
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

    fn write_key(&self, text: &mut String) {
        if let Some(id) = self.signed_id() {
            text.push_str("id:");
            return text.push_str(&id);
        }
        // An attempt is signed anew: its time distinguishes deliveries only where nothing else does.
        let timed = self.envelope().is_ok_and(|envelope| envelope.has_event_time(self.body.as_str()));
        let content = self.content_hash();
        text.push_str("sha256:");
        if timed || self.authentic.secret.is_none() {
            return text.push_str(&hex(content));
        }
        let signed =
            Sha256::new().chain_update(format!("{}.", self.authentic.signed_at)).chain_update(content);
        text.push_str(&hex(&signed.finalize()));
    }

    fn content_hash(&self) -> &[u8; 32] {
        let hash = || self.envelope().map(|envelope| envelope.content_hash(self.body.as_str()));
        self.content_hash.get_or_init(|| hash().unwrap_or_default())
    }

    fn write_work_key(&self, text: &mut String) {
        text.push_str(self.handler.event.as_str());
        text.push(':');
        self.handler.version.write_usual(text);
        text.push(':');
        self.write_key(text);
    }
}

impl DeliveryScope for Contents {
    fn version(&self) -> &str {
        self.handler.version.as_str()
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn token(&self) -> RuntimeToken<'_> {
        let Some(token) = &self.authentic.token else { return RuntimeToken::None };
        if self.authentic.is_restored {
            if token.text.is_blank() {
                return RuntimeToken::Gone("the runtime token of the delivery is not stored");
            }
            let now = self.services.clock.unix_seconds();
            if token.auth.grant().expires_at.is_some_and(|end| end <= now) {
                return RuntimeToken::Gone("the runtime token of the delivery has expired");
            }
        }
        RuntimeToken::Valid(&token.text)
    }

    fn keys(&self) -> &IdempotencyKeys {
        // Extensions that handle the same delivery make calls of their own.
        self.keys.get_or_init(|| {
            IdempotencyKeys::new(self.services.keys.distinguish(|text| self.write_work_key(text)))
        })
    }
}

/// The delivery id from the headers, which are not signed.
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
