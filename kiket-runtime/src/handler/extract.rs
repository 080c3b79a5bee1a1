//! The arguments of a handler: what can be made from a delivery.

use std::{
    any::TypeId,
    fmt::{self, Display},
    marker::PhantomData,
    ops::Deref,
    sync::Arc,
};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_path_to_error::Path;

use crate::{
    config::{Settings, secret_variable},
    delivery::Delivery,
    error::{Error, HandlerError, Result},
    handler::context::Context,
    types::{Headers, Secret},
};

/// What can be an argument of a handler.
///
/// It is implemented for [`Payload<T>`](Payload), [`Context`], [`State<T>`](State), [`Settings`], [`Headers`] and
/// [`RawBody`]. Implement it for your own type to use that as an argument:
///
/// ```
/// use kiket_runtime::{Delivery, FromDelivery, HandlerError, Result, StatusCode};
///
/// struct Tenant(String);
///
/// impl FromDelivery<'_> for Tenant {
///     fn from_delivery(delivery: &Delivery) -> Result<Self> {
///         let tenant = delivery.headers().get("x-tenant");
///         tenant.map(|tenant| Self(tenant.to_owned())).ok_or(HandlerError::reject(StatusCode::BAD_REQUEST, "no tenant"))
///     }
/// }
/// ```
///
/// `'d` is the life of the delivery, from which an argument may borrow.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a webhook handler",
    label = "not an argument of a handler",
    note = "arguments are `Payload<T>`, `Context`, `State<T>`, `Settings`, `Headers`, `RawBody`, and types that implement `kiket::FromDelivery`",
    note = "a payload's own type goes into `Payload<…>`, and it needs `serde::Deserialize`"
)]
pub trait FromDelivery<'d>: Sized {
    /// Tells, before the first delivery, what has to be there.
    fn declare(needs: &mut Needs) {
        let _ = needs;
    }

    /// Makes the argument.
    ///
    /// # Errors
    ///
    /// The delivery is answered with the error, and the handler does not run.
    fn from_delivery(delivery: &'d Delivery) -> Result<Self>;
}

/// What the arguments of a handler need before the first delivery.
#[derive(Debug, Default)]
pub struct Needs {
    pub(crate) states: Vec<(TypeId, &'static str)>,
    pub(crate) secrets: Vec<&'static str>,
}

impl Needs {
    /// A value of type `T`, given to the builder with `state`.
    pub fn state<T: Send + Sync + 'static>(&mut self) {
        self.states.push((TypeId::of::<T>(), std::any::type_name::<T>()));
    }

    /// The secret `key`, from the environment or from every delivery.
    pub fn secret(&mut self, key: &'static str) {
        self.secrets.push(key);
    }
}

/// The body of the delivery as a `T`; [`Payload`] alone is the JSON value.
///
/// It is decoded straight from the verified bytes, may borrow from them, and derefs to `T`. What does not decode
/// is answered with 500 and the path of the field, like ``issue.title: missing field `title` ``, so that a
/// corrected build can still catch the retry.
///
/// ```
/// use kiket_runtime::Payload;
///
/// #[derive(serde::Deserialize)]
/// struct IssueCreated { title: String }
///
/// async fn on_issue_created(payload: Payload<IssueCreated>) {
///     println!("{}", payload.title);
/// }
///
/// on_issue_created(Payload(IssueCreated { title: "T".into() })); // in a test
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Payload<T = Value>(pub T);

impl<'d, T: Deserialize<'d>> FromDelivery<'d> for Payload<T> {
    fn from_delivery(delivery: &'d Delivery) -> Result<Self> {
        delivery.decode().map(Self).map_err(|error| undecodable::<T>("", delivery.body(), error).into())
    }
}

/// Says which field of `json` does not decode: decodes once more, slowly. `place` is where `json` stands, if it is
/// not the body.
///
/// A body that is not JSON comes here too, and dispatch answers that before it looks at this.
pub(crate) fn undecodable<'d, T: Deserialize<'d>>(
    place: &str,
    json: &'d str,
    error: serde_json::Error,
) -> Error {
    match serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_str(json)) {
        Err(at) => {
            Error::undecodable(located(place, Some(at.path()), without_place(at.inner())), at.into_inner())
        }
        Ok(_) => Error::undecodable(located(place, None, without_place(&error)), error),
    }
}

/// What is wrong, behind the path of the field that does not decode, if it is one.
pub(crate) fn located(place: &str, path: Option<&Path>, what: impl Display) -> String {
    let path = path.filter(|path| path.iter().next().is_some()).map(Path::to_string).unwrap_or_default();
    let path = [place, &path].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
    if path.is_empty() { what.to_string() } else { format!("{path}: {what}") }
}

/// The text of an error without line and column, which mean nothing in a body that nobody sees in lines.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((what, _)) if error.line() > 0 => what.to_owned(),
        _ => text,
    }
}

impl<T> Deref for Payload<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl FromDelivery<'_> for Context {
    fn from_delivery(delivery: &Delivery) -> Result<Self> {
        Ok(Self::new(delivery.clone()))
    }
}

/// A value that all deliveries share: a pool, a client, a counter.
///
/// Give it to the builder with `state`. A handler that asks for one that was never given stops the start.
///
/// ```
/// use kiket_runtime::State;
///
/// struct Pool;
/// async fn on_issue_created(pool: State<Pool>) {}
///
/// on_issue_created(State::new(Pool)); // in a test
/// ```
#[derive(Debug)]
pub struct State<T>(Arc<T>);

impl<T> State<T> {
    /// A state for a handler that is called by hand.
    pub fn new(state: T) -> Self {
        Self(Arc::new(state))
    }

    /// The shared value, to keep.
    pub fn into_inner(self) -> Arc<T> {
        self.0
    }
}

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Send + Sync + 'static> FromDelivery<'_> for State<T> {
    fn declare(needs: &mut Needs) {
        needs.state::<T>();
    }

    fn from_delivery(delivery: &Delivery) -> Result<Self> {
        let state = delivery.premises().states.get::<T>();
        // Only a delivery that was made by hand comes here: the start checks what handlers declare.
        state.map(Self).ok_or_else(|| {
            HandlerError::retry("a state is missing").because(MissingState(std::any::type_name::<T>()))
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no state of type `{0}` was given to the builder")]
struct MissingState(&'static str);

impl FromDelivery<'_> for Settings {
    fn from_delivery(delivery: &Delivery) -> Result<Self> {
        Ok(delivery.premises().settings.clone())
    }
}

impl FromDelivery<'_> for Headers {
    fn from_delivery(delivery: &Delivery) -> Result<Self> {
        Ok(delivery.headers().clone())
    }
}

/// The body as it came over the wire: the bytes that were signed. Derefs to `[u8]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawBody(Bytes);

impl RawBody {
    /// A body for a handler that is called by hand.
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        Self(Bytes::from(body.into()))
    }
}

impl Deref for RawBody {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl FromDelivery<'_> for RawBody {
    fn from_delivery(delivery: &Delivery) -> Result<Self> {
        Ok(Self(delivery.body_bytes().clone()))
    }
}

/// The key of a secret, as a type: see [`RequiredSecret`].
pub trait SecretKey {
    /// The key, like `SLACK_TOKEN`.
    const KEY: &'static str;
}

/// A secret that a handler cannot do without: found as [`Context::secret`] finds it, never printed. Derefs to [`Secret`].
///
/// One that the environment lacks is told at the start, for only a delivery can bring it then. A delivery that lacks it,
/// too, is answered with 500 and its key, so that the retry finds a mended environment.
///
/// ```
/// use kiket_runtime::{RequiredSecret, Secret, SecretKey};
///
/// struct SlackToken;
///
/// impl SecretKey for SlackToken {
///     const KEY: &'static str = "SLACK_TOKEN";
/// }
///
/// async fn on_issue_created(token: RequiredSecret<SlackToken>) {
///     assert!(token.expose().starts_with("xoxb-"));
/// }
///
/// on_issue_created(RequiredSecret::new("xoxb-1")); // in a test
/// ```
pub struct RequiredSecret<K> {
    secret: Secret,
    key: PhantomData<fn() -> K>,
}

impl<K: SecretKey> RequiredSecret<K> {
    /// A secret for a handler that is called by hand.
    pub fn new(secret: impl Into<Secret>) -> Self {
        Self { secret: secret.into(), key: PhantomData }
    }
}

impl<K> Clone for RequiredSecret<K> {
    fn clone(&self) -> Self {
        Self { secret: self.secret.clone(), key: PhantomData }
    }
}

impl<K: SecretKey> fmt::Debug for RequiredSecret<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequiredSecret({})", K::KEY)
    }
}

impl<K> Deref for RequiredSecret<K> {
    type Target = Secret;

    fn deref(&self) -> &Secret {
        &self.secret
    }
}

impl<K: SecretKey> FromDelivery<'_> for RequiredSecret<K> {
    fn declare(needs: &mut Needs) {
        needs.secret(K::KEY);
    }

    fn from_delivery(delivery: &Delivery) -> Result<Self> {
        let missing = || {
            let key = K::KEY;
            HandlerError::retry(format!(
                "the secret `{key}` is missing: give it to the extension in Kiket, or set `{}`",
                secret_variable(key)
            ))
            .with_code("secret_missing")
        };
        delivery.secret(K::KEY).map(Self::new).ok_or_else(missing)
    }
}
