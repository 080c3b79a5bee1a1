//! A context for a handler that is called alone.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    auth::{Admitted, Auth, Grant, Token},
    client::Client,
    config::{SecretVariables, Settings},
    delivery::{Contents, Delivery, JsonText, Premises, States, Subject},
    handler::Context,
    types::{EventName, EventVersion, Headers, Secret},
};

/// Starts to make up the context of a delivery of `event` in `version`.
///
/// ```
/// use kiket_runtime::testing;
///
/// let context = testing::context("issue.created", "v1").setting("MAX_RETRIES", 3).delivery_id("d-1").build();
/// assert_eq!(context.settings().get::<u32>("MAX_RETRIES")?, 3);
/// assert_eq!(context.delivery_id().as_deref(), Some("d-1"));
/// # Ok::<(), kiket_runtime::SettingError>(())
/// ```
///
/// # Panics
///
/// When `event` is not an event name, or `version` not a version.
#[track_caller]
pub fn context(event: &str, version: &str) -> ContextBuilder {
    let subject = Subject {
        event: event.parse::<EventName>().unwrap_or_else(|error| panic!("`{event}`: {error}")),
        version: version.parse::<EventVersion>().unwrap_or_else(|error| panic!("`{version}`: {error}")),
    };
    let premises = Premises {
        client: Client::unconfigured(),
        extension_id: None,
        extension_version: None,
        settings: Settings::default(),
        secret_variables: SecretVariables::default(),
        states: States::default(),
    };
    ContextBuilder {
        subject,
        premises,
        settings: Vec::new(),
        headers: Headers::default(),
        body: json!({}),
        remaining: Duration::from_secs(10),
        signed_at: 1_700_000_000,
        scopes: None,
    }
}

/// Makes up a [`Context`]; see [`context`].
#[must_use = "a context is made by `build`"]
pub struct ContextBuilder {
    subject: Subject,
    premises: Premises,
    settings: Vec<(String, Value)>,
    headers: Headers,
    body: Value,
    remaining: Duration,
    signed_at: u64,
    scopes: Option<Vec<String>>,
}

impl ContextBuilder {
    /// The id and the version of the extension.
    pub fn extension(mut self, id: impl Into<String>, version: impl Into<String>) -> Self {
        (self.premises.extension_id, self.premises.extension_version) =
            (Some(id.into()), Some(version.into()));
        self
    }

    /// The client that the handler calls Kiket with, like that of an extension which points to a
    /// [`FakePlatform`](crate::testing::FakePlatform). Without one, every call fails for want of a token.
    pub fn client(mut self, client: Client) -> Self {
        self.premises.client = client;
        self
    }

    /// A setting.
    pub fn setting(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.settings.push((key.into(), value.into()));
        self
    }

    /// A header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(name, value.as_bytes());
        self
    }

    /// The id of the delivery, as its body would have it.
    pub fn delivery_id(mut self, id: impl Into<Value>) -> Self {
        if let Value::Object(body) = &mut self.body {
            body.insert("id".into(), id.into());
        }
        self
    }

    /// The whole body, of which the context reads id and time.
    pub fn body(mut self, body: Value) -> Self {
        self.body = body;
        self
    }

    /// The scopes of the delivery's runtime token, as if that had been verified.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// When the delivery was signed, in Unix seconds.
    pub fn signed_at(mut self, unix_seconds: u64) -> Self {
        self.signed_at = unix_seconds;
        self
    }

    /// How long the handler may still run.
    pub fn remaining(mut self, remaining: Duration) -> Self {
        self.remaining = remaining;
        self
    }

    /// The context.
    ///
    /// # Panics
    ///
    /// When the body is not a JSON object.
    #[track_caller]
    pub fn build(self) -> Context {
        let body = JsonText::new(self.body.to_string().into());
        let body = body.unwrap_or_else(|_| panic!("the body is not a JSON object"));
        let premises = Premises { settings: self.settings.into_iter().collect(), ..self.premises };
        let token = self.scopes.map(|scopes| {
            let auth = Auth::new(Grant { verified: true, scopes, ..Grant::default() });
            Token { auth, text: Secret::new("rt_test") }
        });
        Context::new(Delivery::new(Contents {
            premises: Arc::new(premises),
            subject: Arc::new(self.subject),
            headers: self.headers,
            body,
            admitted: Admitted { signed_at: self.signed_at, secret: Some(0), token, undecided: None },
            deadline: Instant::now() + self.remaining,
            envelope: OnceLock::new(),
            keys: OnceLock::new(),
        }))
    }
}
