//! What Kiket reads when a delivery is not answered by a handler's value.

use std::{borrow::Cow, time::Duration};

use http::StatusCode;
use serde::Serialize;

use super::{
    delivery::{Error, INSUFFICIENT_SCOPES},
    kind::ErrorKind,
};
use crate::types::{EventNameError, EventVersionError, MissingScopes};

/// An answer other than a handler's value: status, stable code, and a text without internals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) status: StatusCode,
    /// Absent where the body is constant by contract.
    pub(crate) code: Option<&'static str>,
    pub(crate) text: Cow<'static, str>,
    pub(crate) retry_after: Option<Duration>,
    /// The scopes that the delivery lacks.
    pub(crate) missing_scopes: Option<Box<MissingScopes>>,
}

/// When a sender may try again after it was turned away for load: soon, for load passes.
const AFTER_LOAD: Duration = Duration::from_secs(1);
/// When a sender may try again while this process ends: another one will have taken over.
const AFTER_DRAIN: Duration = Duration::from_secs(5);

/// The longest that a sender is asked to wait for a running delivery: it may be over long before its lease.
const LONGEST_RUN: Duration = Duration::from_secs(30);

impl Rejection {
    fn new(status: StatusCode, code: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code: Some(code), text: text.into(), retry_after: None, missing_scopes: None }
    }

    fn after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path does not take this method")
    }

    pub(crate) fn draining() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "draining", "the extension is shutting down")
            .after(AFTER_DRAIN)
    }

    pub(crate) fn overloaded() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "too many deliveries are in flight")
            .after(AFTER_LOAD)
    }

    pub(crate) fn body_too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body is larger than {limit} bytes"),
        )
    }

    /// Not 408: Kiket retries no 4xx of this kind, and a slow network is no fault of the event.
    pub(crate) fn body_too_slow() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "body_too_slow", "the body did not arrive in time")
            .after(AFTER_LOAD)
    }

    pub(crate) fn body_incomplete() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "body_incomplete", "the body ended early")
    }

    pub(crate) fn encoded_body() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_content_encoding",
            "a body is signed as it is sent: no `Content-Encoding` but `identity`",
        )
    }

    /// One constant answer, whatever the cause.
    pub(crate) fn unsigned() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            code: None,
            text: Cow::Borrowed("invalid signature"),
            retry_after: None,
            missing_scopes: None,
        }
    }

    /// Whether a runtime token holds is unknown: its keys cannot be had, or the store that knows whether it was used.
    pub(crate) fn keys_unavailable(wait: Duration) -> Self {
        let text = "the keys of runtime tokens cannot be had";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "keys_unavailable", text).after(wait.max(AFTER_LOAD))
    }

    /// The token of the delivery is being looked at elsewhere.
    pub(crate) fn token_in_use() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "token_in_use",
            "the same token is being checked elsewhere",
        )
        .after(AFTER_LOAD)
    }

    /// Contract 1.4, row 18.
    pub(crate) fn insufficient_scopes(missing: MissingScopes) -> Self {
        let rejection = Self::new(StatusCode::FORBIDDEN, INSUFFICIENT_SCOPES.0, INSUFFICIENT_SCOPES.1);
        Self { missing_scopes: Some(Box::new(missing)), ..rejection }
    }

    pub(crate) fn version_missing() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "version_missing",
            "the event version is missing: path, header `X-Kiket-Event-Version` or query `version`",
        )
    }

    pub(crate) fn versions_conflict() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "versions_conflict",
            "path, header `X-Kiket-Event-Version` and query `version` name different event versions",
        )
    }

    pub(crate) fn event_missing() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "event_missing", "the body names no event: `event`, else `type`")
    }

    pub(crate) fn no_handler(event: &str, version: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no_handler",
            format!("No handler registered for event '{event}' with version '{version}'"),
        )
    }

    pub(crate) fn not_json(reason: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "not_json", format!("the body is not JSON: {reason}"))
    }

    pub(crate) fn not_an_object() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "not_an_object", "the body is not a JSON object")
    }

    pub(crate) fn event_mismatch(route: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "event_mismatch",
            format!("the body names another event than the route's `{route}`"),
        )
    }

    /// The same delivery runs, here or elsewhere, for `remaining` at most.
    pub(crate) fn still_running(remaining: Duration) -> Self {
        let after = remaining.clamp(AFTER_LOAD, LONGEST_RUN);
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "still_running", "the same delivery is still running")
            .after(after)
    }

    /// Whether the delivery ran before is unknown.
    pub(crate) fn store_down() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_down", "the de-duplication store is down")
            .after(AFTER_DRAIN)
    }

    pub(crate) fn handler_panicked() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "handler_panicked", "handler failed")
    }

    pub(crate) fn deadline_exceeded() -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded", "the handler ran past its deadline")
    }

    /// What a handler's failure is for Kiket. Only text that its author wrote for the caller is shown.
    pub(crate) fn of_handler(error: &Error, undecodable: StatusCode) -> Self {
        let status = match error.kind() {
            ErrorKind::Retryable => StatusCode::INTERNAL_SERVER_ERROR,
            ErrorKind::RetryAfter(_) => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Permanent => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Rejected(status) => status,
            ErrorKind::Undecodable => undecodable,
        };
        let text =
            error.message().map_or(Cow::Borrowed("handler failed"), |text| Cow::Owned(text.to_owned()));
        let rejection = Self::new(status, error.code().unwrap_or_else(|| error.kind().code()), text);
        let rejection = Self { missing_scopes: error.missing_scopes().cloned().map(Box::new), ..rejection };
        match error.kind() {
            ErrorKind::RetryAfter(delay) => rejection.after(delay),
            _ => rejection,
        }
    }

    /// The body: `{"error": …, "code": …, "delivery_id": …}`, the last two where they are known; and the scopes that were
    /// missed.
    pub(crate) fn body(&self, delivery_id: Option<&str>) -> String {
        #[derive(Serialize)]
        struct Body<'b> {
            error: &'b str,
            #[serde(skip_serializing_if = "Option::is_none")]
            code: Option<&'static str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            delivery_id: Option<&'b str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            required_scopes: Option<&'b [String]>,
            #[serde(skip_serializing_if = "Option::is_none")]
            missing_scopes: Option<&'b [String]>,
        }

        let delivery_id = delivery_id.filter(|_| self.code.is_some());
        let (required_scopes, missing_scopes) =
            self.missing_scopes.as_deref().map(|scopes| (&*scopes.required, &*scopes.missing)).unzip();
        let body = Body { error: &self.text, code: self.code, delivery_id, required_scopes, missing_scopes };
        serde_json::to_string(&body).unwrap_or_default()
    }
}

impl From<EventNameError> for Rejection {
    fn from(invalid: EventNameError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed_event", invalid.to_string())
    }
}

impl From<EventVersionError> for Rejection {
    fn from(invalid: EventVersionError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed_version", invalid.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::HandlerError;

    #[test]
    fn the_answer_to_a_refused_signature_is_one_constant() {
        assert_eq!(Rejection::unsigned().body(Some("d-1")), r#"{"error":"invalid signature"}"#);
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
