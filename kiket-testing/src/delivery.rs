//! A delivery as Kiket would send it.

use kiket_runtime::{
    Event, setters,
    signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER, sign},
};
use serde::Serialize;
use serde_json::{Value, json};

/// Starts a delivery of `event` in `version` with `payload` as its body.
///
/// # Panics
///
/// When `payload` cannot be JSON.
#[track_caller]
pub fn delivery(event: &str, version: &str, payload: &impl Serialize) -> DeliveryBuilder {
    let body =
        serde_json::to_vec(payload).unwrap_or_else(|error| panic!("the payload cannot be JSON: {error}"));
    DeliveryBuilder {
        path: format!("/v/{version}/webhooks/{event}"),
        headers: vec![("content-type".into(), "application/json".into())],
        body,
        secret: None,
        signed_at: None,
    }
}

/// Starts a delivery of `event` in `version`, where its name says that it goes.
///
/// ```
/// use kiket_runtime::events::{Issue, IssueCreated};
/// use kiket_testing::delivery_of;
///
/// let created = IssueCreated::new(Issue::new(42).title("Acme renewal")).id("evt_1");
/// let signed = delivery_of(&created, "v1").sign("sh_123", 1_700_000_000);
/// assert_eq!(signed.path, "/v/v1/webhooks/issue.created");
/// ```
///
/// # Panics
///
/// When `event` cannot be JSON.
#[track_caller]
pub fn delivery_of<E: Event + Serialize>(event: &E, version: &str) -> DeliveryBuilder {
    delivery(E::NAME.as_str(), version, event)
}

/// A delivery before it is signed; see [`delivery`].
#[derive(Clone)]
#[must_use = "a delivery goes nowhere by itself"]
pub struct DeliveryBuilder {
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    secret: Option<String>,
    signed_at: Option<u64>,
}

impl DeliveryBuilder {
    setters! {
        /// Sends these bytes instead of the payload.
        body(body: impl Into<Vec<u8>>) => |delivery| delivery.body = body.into();
        /// Sends to this path (and query) instead of `/v/{version}/webhooks/{event}`.
        path(path: impl Into<String>) => |delivery| delivery.path = path.into();
        /// Adds a header.
        header(name: impl Into<String>, value: impl Into<String>) =>
            |delivery| delivery.headers.push((name.into(), value.into()));
        /// Signs with this secret instead of the extension's.
        secret(secret: impl Into<String>) => |delivery| delivery.secret = Some(secret.into());
        /// Signs at this time (Unix seconds) instead of now.
        signed_at(unix_seconds: u64) => |delivery| delivery.signed_at = Some(unix_seconds);
    }

    /// Puts a runtime token into the body, where Kiket puts it: `authentication.runtime_token`. A body that is no JSON
    /// object stays as it is.
    pub fn runtime_token(mut self, token: impl Into<String>) -> Self {
        if let Ok(Value::Object(mut body)) = serde_json::from_slice(&self.body) {
            let authentication = body.entry("authentication").or_insert(Value::Null);
            if !authentication.is_object() {
                *authentication = json!({ "token_type": "runtime" });
            }
            authentication["runtime_token"] = token.into().into();
            self.body = Value::Object(body).to_string().into();
        }
        self
    }

    /// Signs it, with `secret` at `now` (Unix seconds) unless it has its own.
    pub fn sign(self, secret: &str, now: u64) -> SignedDelivery {
        let timestamp = self.signed_at.unwrap_or(now);
        let signature = sign(self.secret.as_deref().unwrap_or(secret), timestamp, &self.body);
        let mut headers = self.headers;
        headers.push((TIMESTAMP_HEADER.into(), timestamp.to_string()));
        headers.push((SIGNATURE_HEADER.into(), signature));
        SignedDelivery { path: self.path, headers, body: self.body }
    }
}

/// A signed delivery, to be sent by any HTTP client: `POST` the body to the path with the headers.
///
/// ```
/// use kiket_testing::delivery;
/// use serde_json::json;
///
/// let signed = delivery("issue.created", "v1", &json!({ "id": 1 })).sign("sh_123", 1_700_000_000);
/// assert_eq!(signed.path, "/v/v1/webhooks/issue.created");
/// assert_eq!(signed.body, br#"{"id":1}"#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedDelivery {
    /// Path and query.
    pub path: String,
    /// All headers, those of the signature too.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}
