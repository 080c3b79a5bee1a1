//! What arrives: one verified, routed delivery on its way to a handler.

mod envelope;
mod target;

use std::{
    any::{Any, TypeId},
    borrow::Cow,
    collections::HashMap,
    fmt,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytestring::ByteString;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

pub(crate) use self::{
    envelope::{Envelope, decode},
    target::Target,
};
use crate::{
    auth::{Admitted, Auth, Grant},
    client::{Client, DeliveryScope, IdempotencyKeys},
    config::{SecretVariables, Settings},
    error::Rejection,
    types::{EventName, EventVersion, Headers, Lack, Secret, hex, read_rfc3339, read_time},
};

/// One delivery, verified and routed, from which the arguments of its handler are made.
///
/// It is what [`FromDelivery`](crate::FromDelivery) reads. Its clones are the same delivery.
#[derive(Clone)]
pub struct Delivery(Arc<Contents>);

pub(crate) struct Contents {
    pub(crate) premises: Arc<Premises>,
    pub(crate) subject: Arc<Subject>,
    pub(crate) headers: Headers,
    pub(crate) body: JsonText,
    pub(crate) admitted: Admitted,
    pub(crate) deadline: Instant,
    /// Found when the payload is decoded, or when somebody asks.
    pub(crate) envelope: OnceLock<Envelope>,
    /// The idempotency keys of the calls that are made for it, when the first needs one.
    pub(crate) keys: OnceLock<IdempotencyKeys>,
}

/// What a handler is registered for, as it was registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) event: EventName,
    pub(crate) version: EventVersion,
}

/// What holds for every delivery of an extension.
pub(crate) struct Premises {
    pub(crate) client: Client,
    pub(crate) extension_id: Option<String>,
    pub(crate) extension_version: Option<String>,
    pub(crate) settings: Settings,
    pub(crate) secret_variables: SecretVariables,
    pub(crate) states: States,
}

/// The values that handlers ask for with `State<T>`, one of a type.
#[derive(Default)]
pub(crate) struct States(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl States {
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, state: Arc<T>) {
        self.0.insert(TypeId::of::<T>(), state);
    }

    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.get(&TypeId::of::<T>()).and_then(|state| Arc::clone(state).downcast().ok())
    }

    pub(crate) fn contains(&self, id: TypeId) -> bool {
        self.0.contains_key(&id)
    }
}

/// A body that may be a JSON object: UTF-8, and its first character is `{`. The rest is found out when it is
/// decoded.
#[derive(Clone)]
pub(crate) struct JsonText(ByteString);

impl JsonText {
    pub(crate) fn new(body: bytes::Bytes) -> Result<Self, Rejection> {
        let text = ByteString::try_from(body).map_err(|invalid| {
            Rejection::not_json(format_args!("not UTF-8 after byte {}", invalid.valid_up_to()))
        })?;
        match text.trim_ascii_start().as_bytes().first() {
            Some(b'{') => Ok(Self(text)),
            None => Err(Rejection::not_json("it is empty")),
            Some(_) => match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
                Ok(_) => Err(Rejection::not_an_object()),
                Err(error) => Err(Rejection::not_json(error)),
            },
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn bytes(&self) -> &bytes::Bytes {
        self.0.as_bytes()
    }
}

impl Delivery {
    pub(crate) fn new(contents: Contents) -> Self {
        Self(Arc::new(contents))
    }

    pub(crate) fn premises(&self) -> &Premises {
        &self.0.premises
    }

    /// The event, as its handler is registered.
    pub fn event(&self) -> &EventName {
        &self.0.subject.event
    }

    /// The version, as its handler is registered.
    pub fn version(&self) -> &EventVersion {
        &self.0.subject.version
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
            let _ = self.0.envelope.set(envelope); // a second payload argument finds the same
        }
        decoded
    }

    /// The plumbing, read now unless a payload was decoded before.
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
        UNIX_EPOCH + Duration::from_secs(self.0.admitted.signed_at)
    }

    /// Which of the live webhook secrets signed it, by position: 0 is the current one. `None` where a runtime token alone
    /// proved it.
    pub fn secret_position(&self) -> Option<usize> {
        self.0.admitted.secret
    }

    /// Whom it acts for and what it may do: as its runtime token says it, or, where none was checked, what its body says.
    pub fn auth(&self) -> Option<Auth> {
        if let Some(token) = &self.0.admitted.token {
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
    pub(crate) fn lacks<S: AsRef<str>>(&self, required: &[S]) -> Result<Option<Lack>, Rejection> {
        let Admitted { token, undecided, .. } = &self.0.admitted;
        if let Some(wait) = undecided.filter(|_| !required.is_empty()) {
            return Err(Rejection::keys_unavailable(wait));
        }
        Ok(Lack::of(required, token.as_ref().map(|token| token.auth.scopes())))
    }

    /// The secret `key`: from the delivery, else from the environment.
    pub(crate) fn secret(&self, key: &str) -> Option<Secret> {
        let brought = self.secrets().into_iter().find(|(name, _)| name == key);
        let variables = &self.premises().secret_variables;
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
        let client = self.premises().client.for_delivery(Arc::clone(&self.0) as Arc<dyn DeliveryScope>);
        match self.envelope().ok().and_then(|envelope| envelope.base_url(self.body())) {
            Some(told) => client.at_base_url_of_delivery(&told),
            None => client,
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.0.deadline
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
        let signed_at = self.admitted.secret.map(|_| self.admitted.signed_at.to_string());
        let hash = Sha256::new()
            .chain_update(signed_at.unwrap_or_default())
            .chain_update(".")
            .chain_update(self.body.as_str())
            .finalize();
        format!("sha256:{}", hex(&hash))
    }

    fn work_key(&self) -> String {
        format!("{}:{}:{}", self.subject.event, self.subject.version, self.key())
    }
}

impl DeliveryScope for Contents {
    fn version(&self) -> &str {
        self.subject.version.as_str()
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn token(&self) -> Option<&Secret> {
        self.admitted.token.as_ref().map(|token| &token.text)
    }

    fn keys(&self) -> &IdempotencyKeys {
        self.keys.get_or_init(|| IdempotencyKeys::new(self.work_key()))
    }
}

/// The id that the headers give, which nobody signed.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_an_object_or_rejected() {
        #[track_caller]
        fn check(body: &'static [u8], code: Option<&str>) {
            let rejected = JsonText::new(bytes::Bytes::from_static(body)).err();
            assert_eq!(rejected.and_then(|rejection| rejection.code), code);
        }
        check(b"{}", None);
        check(b" \r\n\t{\"a\":1}", None);
        check(b"", Some("not_json"));
        check(b"  ", Some("not_json"));
        check(b"[]", Some("not_an_object"));
        check(b"null", Some("not_an_object"));
        check(b"\"{}\"", Some("not_an_object"));
        check(b"[[[", Some("not_json"));
        check(b"hello", Some("not_json"));
        check(b"{\"a\":\"\xff\"}", Some("not_json"));
    }
}
