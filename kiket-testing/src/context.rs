//! A context for a handler that is called alone.

use std::time::Duration;

use kiket_runtime::{
    Client, Context, EventName, EventVersion,
    internals::{self, ContextParts},
    setters,
};
use serde_json::{Map, Value, json};

/// Starts to make up the context of a delivery of `event` in `version`.
///
/// ```
/// let context = kiket_testing::context("issue.created", "v1").setting("MAX_RETRIES", 3).delivery_id("d-1").build();
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
    let parts = ContextParts {
        event: event.parse::<EventName>().unwrap_or_else(|error| panic!("`{event}`: {error}")),
        version: version.parse::<EventVersion>().unwrap_or_else(|error| panic!("`{version}`: {error}")),
        extension_id: None,
        extension_version: None,
        client: None,
        settings: Vec::new(),
        headers: Vec::new(),
        body: json!({}),
        scopes: None,
        signed_at: 1_700_000_000,
        remaining: Duration::from_secs(10),
    };
    ContextBuilder(parts, Map::new())
}

/// Makes up a [`Context`]; see [`context`].
#[must_use = "a context is made by `build`"]
pub struct ContextBuilder(ContextParts, Map<String, Value>);

impl ContextBuilder {
    /// The id and the version of the extension.
    pub fn extension(mut self, id: impl Into<String>, version: impl Into<String>) -> Self {
        self.0.extension_id = Some(id.into());
        self.0.extension_version = Some(version.into());
        self
    }

    setters! {
        /// The client that the handler calls Kiket with, like that of an extension which points to a
        /// [`FakePlatform`](crate::FakePlatform). Without one, every call fails for want of a token.
        client(client: Client) => |builder| builder.0.client = Some(client);
        /// A setting.
        setting(key: impl Into<String>, value: impl Into<Value>) =>
            |builder| builder.0.settings.push((key.into(), value.into()));
        /// A header.
        header(name: &str, value: &str) =>
            |builder| builder.0.headers.push((name.to_owned(), value.to_owned()));
        /// The whole body, of which the context reads id and time.
        body(body: Value) => |builder| builder.0.body = body;
        /// A secret of the delivery, for [`Context::secret`]. It comes before one in the body.
        ///
        /// ```
        /// let context = kiket_testing::context("issue.created", "v1").secret("SLACK_TOKEN", "xoxb").build();
        /// assert_eq!(context.secret("SLACK_TOKEN").unwrap().expose(), "xoxb");
        /// ```
        secret(key: impl Into<String>, value: impl Into<String>) =>
            |builder| builder.1.insert(key.into(), Value::String(value.into()));
        /// When the delivery was signed, in Unix seconds. It is also [`Context::now`].
        signed_at(unix_seconds: u64) => |builder| builder.0.signed_at = unix_seconds;
        /// How long the handler may still run.
        remaining(remaining: Duration) => |builder| builder.0.remaining = remaining;
    }

    /// The id of the delivery, as its body would have it.
    pub fn delivery_id(mut self, id: impl Into<Value>) -> Self {
        if let Value::Object(body) = &mut self.0.body {
            body.insert("id".into(), id.into());
        }
        self
    }

    /// The scopes of the delivery's runtime token, as if that had been verified.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.0.scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// The context.
    ///
    /// # Panics
    ///
    /// When the body is not a JSON object.
    #[track_caller]
    pub fn build(self) -> Context {
        let Self(mut parts, secrets) = self;
        if let Value::Object(body) = &mut parts.body
            && !secrets.is_empty()
        {
            match body.entry("secrets").or_insert_with(|| json!({})) {
                Value::Object(of_body) => of_body.extend(secrets),
                other => *other = secrets.into(),
            }
        }
        internals::context(parts).unwrap_or_else(|| panic!("the body is not a JSON object"))
    }
}
