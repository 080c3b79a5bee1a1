//! What a handler knows besides its payload.

use std::{borrow::Cow, time::Duration, time::SystemTime};

use crate::{
    client::{Client, Endpoints, Secrets},
    delivery::Delivery,
    event::{EventName, EventVersion},
    headers::Headers,
    settings::Settings,
};

/// What a handler knows besides its payload: which event, from whom, with which settings, and how long it may
/// take.
///
/// It is owned and cheap to clone, so that it can go into a task of its own.
///
/// ```
/// use kiket_runtime::{Context, Payload, Reply, testing};
/// use serde_json::json;
///
/// async fn on_issue_created(context: Context) -> Reply {
///     Reply::json(json!({ "version": context.event_version().as_str() }))
/// }
///
/// let context: Context = testing::context("issue.created", "v1").build();
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
        &self.0.premises().settings
    }

    /// The id of the extension, when builder or manifest gave one.
    pub fn extension_id(&self) -> Option<&str> {
        self.0.premises().extension_id.as_deref()
    }

    /// The version of the extension, when builder or manifest gave one.
    pub fn extension_version(&self) -> Option<&str> {
        self.0.premises().extension_version.as_deref()
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

    /// Which of the live webhook secrets signed it, by position: 0 is the current one.
    pub fn secret_position(&self) -> usize {
        self.0.secret_position()
    }

    /// Calls Kiket, with the version and within the deadline of this delivery.
    pub fn client(&self) -> Client {
        self.0.client()
    }

    /// The typed calls to Kiket, with the version and within the deadline of this delivery.
    pub fn endpoints(&self) -> Endpoints {
        self.client().endpoints()
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
