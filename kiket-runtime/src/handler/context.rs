//! `Context`: the delivery besides its payload, as an extractor.

use std::{borrow::Cow, convert::Infallible, time::Duration, time::SystemTime};

#[cfg(feature = "inbox")]
use crate::delivery::InboxHandle;
use crate::{
    api::{Endpoints, Secrets},
    auth::Auth,
    client::Client,
    config::Settings,
    delivery::{Delivery, Task},
    error::Error,
    handler::extract::{FromDelivery, early},
    types::{EventName, EventVersion, Headers, Secret},
};

/// The delivery besides its payload: event, headers, authentication, settings, secrets, the API client and the deadline.
///
/// It is owned and cheap to clone. A spawned task takes a [detached](Self::detached) one, whose calls may come after the
/// handler's reply.
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
pub struct Context(Delivery, Calls);

/// How the calls of a context are made.
#[derive(Debug, Clone)]
enum Calls {
    /// Within the deadline of the delivery, with its runtime token if it has one.
    OfDelivery,
    /// Within the deadline of the delivery, with the tokens of the extension.
    OfWorkspace,
    /// With the tokens of the extension, for a task that outlives the delivery.
    Detached(Task),
}

impl Context {
    pub(crate) fn new(delivery: Delivery) -> Self {
        Self(delivery, Calls::OfDelivery)
    }

    /// The event, like `issue.created`.
    pub fn event(&self) -> &EventName {
        self.0.event()
    }

    /// The version of the event, as the handler is registered; the delivery may spell it otherwise.
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

    /// The idempotency key of the delivery: the same for each of its attempts, and made of signed text only; see
    /// [`Delivery::key`].
    ///
    /// Derive the keys of your effects (rows, API calls) from it, so that a redelivery does not repeat them.
    pub fn delivery_key(&self) -> String {
        self.0.key()
    }

    /// The time of the event; see [`Delivery::occurred_at`].
    pub fn occurred_at(&self) -> Option<SystemTime> {
        self.0.occurred_at()
    }

    /// Now, by the extension's clock, which tests replace: [`ExtensionBuilder::clock`](crate::ExtensionBuilder::clock). In a
    /// context that a test makes up it is [`signed_at`](Self::signed_at).
    ///
    /// ```
    /// use kiket_testing::context;
    ///
    /// let context = context("issue.created", "v1").signed_at(1_700_000_000).build();
    /// assert_eq!(context.now(), context.signed_at());
    /// ```
    pub fn now(&self) -> SystemTime {
        self.0.services().clock.now()
    }

    /// The time at which this attempt at the delivery was signed.
    pub fn signed_at(&self) -> SystemTime {
        self.0.signed_at()
    }

    /// The position of the webhook secret that signed the delivery: 0 is the current secret. `None` where it was
    /// authenticated by a runtime token alone.
    pub fn secret_position(&self) -> Option<usize> {
        self.0.secret_position()
    }

    /// The organization, user and scopes that the delivery acts for, where it names them.
    ///
    /// In the modes that verify runtime tokens (see
    /// [`ExtensionBuilder::authentication`](crate::ExtensionBuilder::authentication)) they are the claims of the token. In the
    /// others they are read from the signed body, and [are not verified](Auth::is_verified).
    pub fn auth(&self) -> Option<Auth> {
        self.0.auth()
    }

    /// Checks that the delivery has all these scopes, in any spelling: `issues.read`, `issues:read` and `read:issues` are
    /// one (wire contract, scope-spelling). `*` grants all.
    ///
    /// Scopes that every delivery needs belong to the attribute, `scopes = ["issues:read"]`, which checks them before
    /// the handler runs.
    ///
    /// ```
    /// use kiket_runtime::{StatusCode, error::ErrorKind};
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
    /// Some scope is missing: with `?` the response is 403 and names the missing scopes. It is 503 while the keys of runtime
    /// tokens cannot be fetched. Scopes are claims of a runtime token: in mode `hmac` there are none.
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

    /// The secret `key`: that of the delivery, else the variable `KIKET_SECRET_<KEY>`, else, where the manifest declares
    /// `key`, the variable of that name. Variables are read once, at the start.
    ///
    /// A handler that needs it takes a [`RequiredSecret`](crate::handler::RequiredSecret).
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

    /// The keys of the secrets that the manifest declares and Kiket does not have: `secret_status.missing`.
    pub fn missing_secrets(&self) -> Vec<String> {
        self.0.envelope().map(|envelope| envelope.missing_secrets(self.0.body())).unwrap_or_default()
    }

    /// The client of Kiket's API, with the version and the deadline of this delivery.
    pub fn client(&self) -> Client {
        match &self.1 {
            Calls::OfDelivery => self.0.client(),
            Calls::OfWorkspace => self.0.workspace_client(None),
            Calls::Detached(task) => self.0.workspace_client(Some(task.clone())),
        }
    }

    /// The typed calls to Kiket, with the version and the deadline of this delivery.
    pub fn endpoints(&self) -> Endpoints {
        self.client().into()
    }

    /// The secrets that Kiket keeps for the extension.
    pub fn secrets(&self) -> Secrets {
        self.endpoints().secrets()
    }

    /// The time until the deadline of the handler; zero once it has passed. A [detached](Self::detached) context has no
    /// deadline: [`Duration::MAX`].
    pub fn remaining(&self) -> Duration {
        if matches!(self.1, Calls::Detached(_)) { Duration::MAX } else { self.0.remaining() }
    }

    /// A context for work that outlives its delivery, like a task that goes on after the reply.
    ///
    /// Its client has neither the delivery's deadline nor its runtime token: calls carry the tokens of the extension, and
    /// have the usual timeout. Until the detached context, its clones and its clients are dropped, a graceful shutdown
    /// waits for them, within the grace period; move them into the task, and keep none elsewhere.
    ///
    /// Kiket does not learn how the work ends, and does not send the delivery again when it fails. Where that matters, do
    /// the work in the handler.
    ///
    /// ```
    /// use kiket_runtime::{Context, Reply};
    /// use serde_json::json;
    ///
    /// async fn on_import(context: Context) -> Reply {
    ///     let later = context.detached();
    ///     tokio::spawn(async move {
    ///         // … what takes minutes
    ///         if let Err(error) = later.endpoints().log_event("import.done", json!({})).await {
    ///             tracing::warn!("the import was not reported: {error}");
    ///         }
    ///     });
    ///     Reply::ok()
    /// }
    /// # let context = kiket_testing::context("import.start", "v1").build();
    /// # assert_eq!(context.detached().remaining(), std::time::Duration::MAX);
    /// # let _ = on_import;
    /// ```
    #[doc(alias("spawn", "background"))]
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(self.0.clone(), Calls::Detached(self.0.services().tasks.begin()))
    }

    /// The inbox, to schedule work for `later` handlers.
    ///
    /// ```
    /// use std::time::Duration;
    /// use kiket_runtime::{Context, Result};
    /// use serde_json::json;
    ///
    /// async fn on_issue_created(context: Context) -> Result<()> {
    ///     let tomorrow = context.now() + Duration::from_secs(24 * 60 * 60);
    ///     context.inbox().schedule(tomorrow, "reminder.due", json!({ "issue": { "id": 42 } })).await?;
    ///     Ok(())
    /// }
    /// # let _ = on_issue_created;
    /// ```
    #[cfg(feature = "inbox")]
    pub fn inbox(&self) -> InboxHandle {
        InboxHandle::of(&self.0)
    }

    /// A context whose calls have the tokens of the extension, and not the runtime token of the delivery.
    ///
    /// A `later` handler may run when the runtime token has expired: its calls then fail with
    /// [`TokenExpired`](crate::error::ClientErrorKind::TokenExpired), because what the extension may do is not what the delivery may
    /// do. Where the extension acts in its own name, say so:
    ///
    /// ```
    /// use kiket_runtime::{Context, Result};
    ///
    /// async fn on_issue_created(context: Context) -> Result<()> {
    ///     context.as_workspace().endpoints().log_event("issue.indexed", serde_json::json!({})).await?;
    ///     Ok(())
    /// }
    /// # let _ = on_issue_created;
    /// ```
    #[must_use]
    pub fn as_workspace(&self) -> Self {
        Self(self.0.clone(), Calls::OfWorkspace)
    }
}

/// For middleware, which takes the delivery.
impl From<&Delivery> for Context {
    fn from(delivery: &Delivery) -> Self {
        Self::new(delivery.clone())
    }
}

impl<'d> FromDelivery<'d> for Context {
    type Rejection = Infallible;

    early!('d, |delivery: &Delivery| Ok(delivery.into()));
}
