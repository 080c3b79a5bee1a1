//! `ExternalWebhook`: a webhook of another service, as Kiket received it.

use std::{fmt, time::SystemTime};

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::headers;
use crate::types::{Headers, or_default, read_time, unknown_fields};

/// A webhook of another service, as Kiket received it; the payload of an `external.webhook.…` event.
///
/// ```
/// use kiket_runtime::external_webhook::ExternalWebhook;
/// use serde_json::json;
///
/// let webhook: ExternalWebhook = serde_json::from_value(json!({
///     "event": "external.webhook.status_callback",
///     "action": "status_callback",
///     "external_webhook": {
///         "body": "MessageSid=SM123&MessageStatus=delivered",
///         "headers": { "X-Twilio-Signature": "…" },
///         "content_type": "application/x-www-form-urlencoded",
///         "method": "POST",
///         "query_params": { "tenant": "acme" },
///     },
///     "received_at": "2026-04-14T10:00:00Z",
/// }))?;
/// assert_eq!(webhook.action(), Some("status_callback"));
/// assert_eq!(webhook.query("tenant"), Some("acme"));
/// assert_eq!(webhook.headers().get("x-twilio-signature"), Some("…"));
/// let status: serde_json::Value = webhook.decode().unwrap();
/// assert_eq!(status["MessageStatus"], "delivered");
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// Unknown fields are kept, except those that kiket reads itself, like `secrets`. `Debug` prints neither the values of headers nor the body, which hold signatures and tokens.
#[derive(Clone, Deserialize)]
pub struct ExternalWebhook {
    event: Option<String>,
    action: Option<String>,
    #[serde(rename = "external_webhook", alias = "externalWebhook")]
    request: Request,
    #[serde(default, deserialize_with = "time", alias = "receivedAt")]
    received_at: Option<SystemTime>,
    #[serde(flatten, deserialize_with = "unknown_fields")]
    extra: Map<String, Value>,
}

/// The prefix of the action in the name of an event.
const EVENT_PREFIX: &str = "external.webhook.";

impl ExternalWebhook {
    /// The action, like `inbound_email`, which names the webhook of the extension: `action`, else the end of the event's
    /// name.
    pub fn action(&self) -> Option<&str> {
        let of_event = || self.event.as_deref()?.strip_prefix(EVENT_PREFIX);
        self.action.as_deref().or_else(of_event)
    }

    /// The body as it was sent: the text that the provider signed. Empty where there was none.
    pub fn text(&self) -> &str {
        &self.request.body
    }

    /// The headers of the webhook; those of the delivery are
    /// [`Context::headers`](crate::Context::headers).
    pub fn headers(&self) -> &Headers {
        &self.request.headers
    }

    /// The content type of the body, like `application/json; charset=utf-8`.
    pub fn content_type(&self) -> Option<&str> {
        self.request.content_type.as_deref().or_else(|| self.headers().get("content-type"))
    }

    /// The HTTP method, like `POST`.
    pub fn method(&self) -> Option<&str> {
        self.request.method.as_deref()
    }

    /// The query parameters, as Kiket read them: texts, or lists and objects where names have brackets.
    pub fn query_params(&self) -> &Map<String, Value> {
        &self.request.query_params
    }

    /// The query parameter `name`, where it is a text.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query_params().get(name)?.as_str()
    }

    /// The URL of the request, where Kiket sends it.
    pub fn original_url(&self) -> Option<&str> {
        self.request.original_url.as_deref()
    }

    /// The time at which Kiket received the webhook; the delivery may be much later. `None` where the field is no time.
    pub fn received_at(&self) -> Option<SystemTime> {
        self.received_at
    }

    /// The fields of the payload that this version does not know.
    pub fn extra(&self) -> &Map<String, Value> {
        &self.extra
    }

    /// The fields of `external_webhook` that this version does not know.
    pub fn request_extra(&self) -> &Map<String, Value> {
        &self.request.extra
    }
}

impl fmt::Debug for ExternalWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalWebhook")
            .field("action", &self.action())
            .field("method", &self.request.method)
            .field("content_type", &self.content_type())
            .field("headers", &self.headers())
            .field("bytes", &self.text().len())
            .field("received_at", &self.received_at)
            .finish_non_exhaustive()
    }
}

/// The request that Kiket received.
#[derive(Clone, Deserialize)]
struct Request {
    #[serde(default, deserialize_with = "or_default")]
    body: String,
    #[serde(default, deserialize_with = "headers::headers")]
    headers: Headers,
    #[serde(alias = "contentType")]
    content_type: Option<String>,
    method: Option<String>,
    #[serde(default, deserialize_with = "or_default", alias = "queryParams")]
    query_params: Map<String, Value>,
    #[serde(alias = "originalUrl")]
    original_url: Option<String>,
    #[serde(flatten, deserialize_with = "unknown_fields")]
    extra: Map<String, Value>,
}

/// A time; `None` where the field is no time.
fn time<'de, D: Deserializer<'de>>(field: D) -> Result<Option<SystemTime>, D::Error> {
    Value::deserialize(field).map(|time| read_time(&time.to_string()))
}
