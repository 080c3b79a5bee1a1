//! What a handler knows besides its payload.

use std::{borrow::Cow, convert::Infallible, time::Duration, time::SystemTime};

use crate::{
    api::{Endpoints, Secrets},
    auth::Auth,
    client::Client,
    config::Settings,
    delivery::Delivery,
    error::Error,
    handler::extract::FromDelivery,
    types::{EventName, EventVersion, Headers, Secret},
};

/// What a handler knows besides its payload: which event, from whom, with which settings, and how long it may
/// take.
///
/// It is owned and cheap to clone, so that it can go into a task of its own.
///
/// ```
/// use kiket_runtime::{Context, Payload, Reply};
/// use kiket_testing::context;
/// use serde_json::json;
///
/// async fn on_issue_created(context: Context) -> Reply {
///     Reply::json(json!({ "version": context.event_version().as_str() }))
/// }
///
/// let context: Context = context("issue.created", "v1").build();
/// # let reply = futures_executor(on_issue_created(context));
/// # assert_eq!(reply.to_json(), json!({ "version": "v1" }));
/// # fn futures_executor<F: Future>(future: F) -> F::Output {
/// #     tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Context(Delivery);

impl Context {
    pub(crate) fn new(delivery: Delivery) -> Self {
        Self(delivery)
    }

    /// The event, like `issue.created`.
    pub fn event(&self) -> &EventName {
        self.0.event()
    }

    /// The version as the handler is registered, however the delivery spelled it.
    pub fn event_version(&self) -> &EventVersion {
        self.0.version()
    }

    /// The headers of the request.
    pub fn headers(&self) -> &Headers {
        self.0.headers()
    }

    /// The settings of the extension.
    pub fn settings(&self) -> &Settings {
        &self.0.services().settings
    }

    /// The id of the extension, when builder or manifest gave one.
    pub fn extension_id(&self) -> Option<&str> {
        self.0.services().extension_id.as_deref()
    }

    /// The version of the extension, when builder or manifest gave one.
    pub fn extension_version(&self) -> Option<&str> {
        self.0.services().extension_version.as_deref()
    }

    /// The id of the delivery; see [`Delivery::id`].
    pub fn delivery_id(&self) -> Option<Cow<'_, str>> {
        self.0.id()
    }

    /// What every attempt at this delivery has in common, from signed text only; see [`Delivery::key`].
    ///
    /// Make keys of your own effects from it (rows, idempotency keys), so that a repeated delivery repeats them.
    pub fn delivery_key(&self) -> String {
        self.0.key()
    }

    /// When the event happened; see [`Delivery::occurred_at`].
    pub fn occurred_at(&self) -> Option<SystemTime> {
        self.0.occurred_at()
    }

    /// When this attempt at the delivery was signed.
    pub fn signed_at(&self) -> SystemTime {
        self.0.signed_at()
    }

    /// Which of the live webhook secrets signed it, by position: 0 is the current one. `None` where a runtime token alone
    /// proved it.
    pub fn secret_position(&self) -> Option<usize> {
        self.0.secret_position()
    }

    /// Whom the delivery acts for and what it may do, where it says so.
    ///
    /// In the modes that check runtime tokens (see [`ExtensionBuilder::authentication`](crate::ExtensionBuilder::authentication)) that is what
    /// the token says. Where none was checked it is what stands beside the token in the signed body, and
    /// [is not verified](Auth::is_verified).
    pub fn auth(&self) -> Option<Auth> {
        self.0.auth()
    }

    /// Goes on only where the delivery has all these scopes, in any of their spellings: `issues.read`, `issues:read` and
    /// `read:issues` are one. `*` grants all.
    ///
    /// What every delivery of a handler needs is better said at the attribute, `scopes = ["issues:read"]`, and checked
    /// before it runs.
    ///
    /// ```
    /// use kiket_runtime::{ErrorKind, StatusCode};
    /// use kiket_testing::context;
    ///
    /// let context = context("issue.created", "v1").scopes(["issues:read"]).build();
    /// assert!(context.require_scopes(["issues.read"]).is_ok());
    /// let refused = context.require_scopes(["issues.read", "issues.write"]).unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::Rejected(StatusCode::FORBIDDEN));
    /// ```
    ///
    /// # Errors
    ///
    /// With `?` the delivery is answered with 403 and the scopes that it lacks; and with 503 where nobody can say, for the
    /// keys of runtime tokens cannot be had. Scopes come from a runtime token: in mode `hmac` there are none.
    pub fn require_scopes<S: AsRef<str>>(&self, scopes: impl IntoIterator<Item = S>) -> Result<(), Error> {
        let scopes: Vec<_> = scopes.into_iter().collect();
        match self.0.missing_scopes(&scopes) {
            Ok(None) => Ok(()),
            Ok(Some(missing)) => Err(Error::insufficient_scopes(missing)),
            Err(rejection) => {
                let wait = rejection.retry_after.unwrap_or_default();
                Err(Error::retry_after(wait, rejection.text))
            }
        }
    }

    /// The secret `key`: the one that the delivery brings, else the variable `KIKET_SECRET_<KEY>`, else, where the
    /// manifest declares `key`, the variable of that name. Variables are read once, at the start.
    ///
    /// A handler that cannot do without it asks for [`RequiredSecret`](crate::RequiredSecret) instead.
    ///
    /// ```
    /// use kiket_testing::context;
    /// use serde_json::json;
    ///
    /// let context = context("issue.created", "v1").body(json!({ "secrets": { "SLACK_TOKEN": "xoxb" } })).build();
    /// assert_eq!(context.secret("SLACK_TOKEN").unwrap().expose(), "xoxb");
    /// assert!(context.secret("OTHER").is_none());
    /// ```
    pub fn secret(&self, key: &str) -> Option<Secret> {
        self.0.secret(key)
    }

    /// The keys of the secrets that the extension asks for and Kiket does not have: `secret_status.missing`.
    pub fn missing_secrets(&self) -> Vec<String> {
        self.0.missing_secrets()
    }

    /// Calls Kiket, with the version and within the deadline of this delivery.
    pub fn client(&self) -> Client {
        self.0.client()
    }

    /// The typed calls to Kiket, with the version and within the deadline of this delivery.
    pub fn endpoints(&self) -> Endpoints {
        self.client().into()
    }

    /// The secrets that Kiket keeps for the extension.
    pub fn secrets(&self) -> Secrets {
        self.endpoints().secrets()
    }

    /// How long the handler may still run; zero when its deadline has passed.
    pub fn remaining(&self) -> Duration {
        self.0.remaining()
    }
}

/// For middleware, which is given the delivery.
impl From<&Delivery> for Context {
    fn from(delivery: &Delivery) -> Self {
        Self::new(delivery.clone())
    }
}

impl FromDelivery<'_> for Context {
    type Rejection = Infallible;

    fn early(delivery: &Delivery) -> Option<Result<Self, Infallible>> {
        Some(Ok(delivery.into()))
    }

    async fn from_delivery(delivery: &Delivery) -> Result<Self, Infallible> {
        Ok(delivery.into())
    }
}
