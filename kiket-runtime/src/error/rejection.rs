//! The error responses to deliveries.

use std::{borrow::Cow, time::Duration};

use http::StatusCode;
use serde::Serialize;

use super::{
    delivery::{Error, INSUFFICIENT_SCOPES},
    kind::ErrorKind,
};
use crate::types::{EventNameError, EventVersionError, LONGEST_ID, MissingScopes, conversions, shortened};

/// An error response: status, stable code, and a text without internals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) status: StatusCode,
    /// `None` if the body is constant (wire contract, signature-refusal).
    pub(crate) code: Option<&'static str>,
    pub(crate) text: Cow<'static, str>,
    pub(crate) retry_after: Option<Duration>,
    /// The missing scopes.
    pub(crate) missing_scopes: Option<Box<MissingScopes>>,
}

/// The `Retry-After` of load shedding: short, because load changes quickly.
const AFTER_LOAD: Duration = Duration::from_secs(1);
/// The `Retry-After` of a graceful shutdown: by then another process accepts deliveries.
const AFTER_DRAIN: Duration = Duration::from_secs(5);

/// The `Retry-After` of a full inbox, whose rows take time to work off.
#[cfg(feature = "inbox")]
const AFTER_FULL: Duration = Duration::from_secs(30);

/// The longest `Retry-After` for a running delivery, which may end long before its lease.
const LONGEST_RUN: Duration = Duration::from_secs(30);

impl Rejection {
    const fn new(status: StatusCode, code: &'static str, text: &'static str) -> Self {
        let text = Cow::Borrowed(text);
        Self { status, code: Some(code), text, retry_after: None, missing_scopes: None }
    }

    const fn bad_request(code: &'static str, text: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, text)
    }

    const fn unavailable(code: &'static str, text: &'static str, retry_after: Duration) -> Self {
        let mut rejection = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, text);
        rejection.retry_after = Some(retry_after);
        rejection
    }

    fn with_text(self, text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), ..self }
    }

    pub(crate) const NOT_FOUND: Self =
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path");

    pub(crate) const METHOD_NOT_ALLOWED: Self = Self::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this path does not take this method",
    );

    pub(crate) const DRAINING: Self =
        Self::unavailable("draining", "the extension is shutting down", AFTER_DRAIN);

    pub(crate) const OVERLOADED: Self =
        Self::unavailable("overloaded", "too many deliveries are in flight", AFTER_LOAD);

    /// A process of `kiket work`: Kiket does not retry a 404, and another process takes the delivery.
    pub(crate) const WORKS_ONLY: Self =
        Self::unavailable("works_only", "this process takes no deliveries", AFTER_DRAIN);

    pub(crate) fn body_too_large(limit: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "")
            .with_text(format!("the body is larger than {limit} bytes"))
    }

    /// Not 408: Kiket does not retry that, and a slow network is no fault of the event.
    pub(crate) const BODY_TOO_SLOW: Self =
        Self::unavailable("body_too_slow", "the body did not arrive in time", AFTER_LOAD);

    pub(crate) const BODY_INCOMPLETE: Self = Self::bad_request("body_incomplete", "the body ended early");

    pub(crate) const ENCODED_BODY: Self = Self::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_content_encoding",
        "a body is signed as it is sent: no `Content-Encoding` but `identity`",
    );

    /// The response to every refused signature, whatever the reason (wire contract, signature-refusal).
    pub(crate) const UNSIGNED: Self = {
        let mut rejection = Self::new(StatusCode::UNAUTHORIZED, "", "invalid signature");
        rejection.code = None;
        rejection
    };

    /// A runtime token cannot be checked: its keys are unavailable, or the store of used tokens is.
    pub(crate) fn keys_unavailable(wait: Duration) -> Self {
        let text = "the keys of runtime tokens cannot be had";
        Self::unavailable("keys_unavailable", text, wait.max(AFTER_LOAD))
    }

    /// Another delivery with the same token is being checked.
    pub(crate) const TOKEN_IN_USE: Self = Self::unavailable(
        "token_in_use",
        "the same token is being checked elsewhere, or came with other secrets",
        AFTER_LOAD,
    );

    /// Wire contract, response-scopes.
    pub(crate) fn insufficient_scopes(missing: MissingScopes) -> Self {
        let rejection = Self::new(StatusCode::FORBIDDEN, INSUFFICIENT_SCOPES.0, INSUFFICIENT_SCOPES.1);
        Self { missing_scopes: Some(Box::new(missing)), ..rejection }
    }

    pub(crate) const VERSION_MISSING: Self = Self::bad_request(
        "version_missing",
        "the event version is missing: path, header `X-Kiket-Event-Version` or query `version`",
    );

    pub(crate) const VERSIONS_CONFLICT: Self = Self::bad_request(
        "versions_conflict",
        "path, header `X-Kiket-Event-Version` and query `version` name different event versions",
    );

    pub(crate) const EVENT_MISSING: Self =
        Self::bad_request("event_missing", "the body names no event: `event`, else `type`");

    pub(crate) fn no_handler(event: &str, version: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_handler", "")
            .with_text(format!("No handler registered for event '{event}' with version '{version}'"))
    }

    pub(crate) fn not_json(reason: impl std::fmt::Display) -> Self {
        Self::bad_request("not_json", "").with_text(format!("the body is not JSON: {reason}"))
    }

    pub(crate) const NOT_AN_OBJECT: Self =
        Self::bad_request("not_an_object", "the body is not a JSON object");

    pub(crate) fn event_mismatch(route: &str) -> Self {
        Self::bad_request("event_mismatch", "")
            .with_text(format!("the body names another event than the route's `{route}`"))
    }

    /// The code of a delivery that is running already, which is no failure.
    pub(crate) const STILL_RUNNING: &str = "still_running";

    /// The same delivery is running, in this or another process, for `remaining` at most.
    pub(crate) fn still_running(remaining: Duration) -> Self {
        let delay = remaining.clamp(AFTER_LOAD, LONGEST_RUN);
        Self::unavailable(Self::STILL_RUNNING, "the same delivery is still running", delay)
    }

    /// The store is unavailable, so that a redelivery cannot be recognized.
    pub(crate) const STORE_DOWN: Self =
        Self::unavailable("store_down", "the deduplication store is down", AFTER_DRAIN);

    /// The inbox is unavailable, so that the delivery cannot be stored.
    #[cfg(feature = "inbox")]
    pub(crate) const INBOX_DOWN: Self = Self::unavailable("inbox_down", "the inbox is down", AFTER_DRAIN);

    /// The inbox has no room.
    #[cfg(feature = "inbox")]
    pub(crate) const INBOX_FULL: Self = Self::unavailable("inbox_full", "the inbox is full", AFTER_FULL);

    pub(crate) const HANDLER_PANICKED: Self =
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "handler_panicked", "handler failed");

    pub(crate) const DEADLINE_EXCEEDED: Self =
        Self::new(StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded", "the handler ran past its deadline");

    /// The response to a handler's error. It shows only the text for the caller.
    pub(crate) fn of_handler(error: &Error, undecodable: StatusCode) -> Self {
        let (status, retry_after) = match error.kind() {
            ErrorKind::Retryable => (StatusCode::INTERNAL_SERVER_ERROR, None),
            ErrorKind::RetryAfter(delay) => (StatusCode::SERVICE_UNAVAILABLE, Some(delay)),
            ErrorKind::Permanent => (StatusCode::UNPROCESSABLE_ENTITY, None),
            ErrorKind::Rejected(status) => (status, None),
            ErrorKind::Undecodable => (undecodable, None),
        };
        let text =
            error.message().map_or(Cow::Borrowed("handler failed"), |text| Cow::Owned(text.to_owned()));
        let rejection =
            Self::new(status, error.code().unwrap_or_else(|| error.kind().code()), "").with_text(text);
        Self { retry_after, missing_scopes: error.missing_scopes().cloned().map(Box::new), ..rejection }
    }

    /// The body: `{"error": …, "code": …, "delivery_id": …}`, the last two if they are known, and the missing scopes.
    pub(crate) fn body(&self, delivery_id: Option<&str>) -> String {
        #[derive(Serialize)]
        struct Body<'b> {
            error: &'b str,
            #[serde(skip_serializing_if = "Option::is_none")]
            code: Option<&'static str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            delivery_id: Option<Cow<'b, str>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            required_scopes: Option<&'b [String]>,
            #[serde(skip_serializing_if = "Option::is_none")]
            missing_scopes: Option<&'b [String]>,
        }

        let delivery_id = delivery_id.filter(|_| self.code.is_some()).map(|id| shortened(id, LONGEST_ID));
        let (required_scopes, missing_scopes) =
            self.missing_scopes.as_deref().map(|scopes| (&*scopes.required, &*scopes.missing)).unzip();
        let body = Body { error: &self.text, code: self.code, delivery_id, required_scopes, missing_scopes };
        serde_json::to_string(&body).unwrap_or_default()
    }
}

conversions! {
    impl From<EventNameError> for Rejection =
        |invalid| Self::bad_request("malformed_event", "").with_text(invalid.to_string());
    impl From<EventVersionError> for Rejection =
        |invalid| Self::bad_request("malformed_version", "").with_text(invalid.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::HandlerError;

    #[test]
    fn the_response_to_a_refused_signature_is_constant() {
        assert_eq!(Rejection::UNSIGNED.body(Some("d-1")), r#"{"error":"invalid signature"}"#);
    }

    #[test]
    fn text_of_a_converted_error_is_not_shown() {
        let error = HandlerError::from(std::io::Error::other("password=canary")).into_error();
        let rejection = Rejection::of_handler(&error, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(
            rejection.body(Some("d-1")),
            r#"{"error":"handler failed","code":"handler_failed","delivery_id":"d-1"}"#
        );
    }

    #[test]
    fn kinds_have_the_statuses_of_the_contract() {
        #[track_caller]
        fn check(error: &Error, status: u16, retry_after: Option<u64>) {
            let rejection = Rejection::of_handler(error, StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(rejection.status.as_u16(), status);
            assert_eq!(rejection.retry_after, retry_after.map(Duration::from_secs));
            assert_eq!(rejection.text, "why");
        }
        check(&Error::retry("why"), 500, None);
        check(&Error::retry_after(Duration::from_secs(7), "why"), 503, Some(7));
        check(&Error::permanent("why"), 422, None);
        check(&Error::reject(StatusCode::GONE, "why"), 410, None);
    }
}
