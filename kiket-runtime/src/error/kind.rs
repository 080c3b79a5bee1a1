//! The kinds of errors: what Kiket should do with a failed delivery.

use std::time::Duration;

use http::StatusCode;

/// What Kiket should do with a failed delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Retry by the platform's schedule: 500.
    Retryable,
    /// Retry: 503 and `Retry-After` with this delay, which does not change the platform's schedule; a `later` handler is not retried
    /// before it has passed.
    RetryAfter(Duration),
    /// Do not retry: 422.
    Permanent,
    /// Do not retry, with this 4xx.
    Rejected(StatusCode),
    /// The payload does not decode into the handler's type: 500, so that a corrected build can still serve the
    /// retry; a setting of the extension makes it 422.
    Undecodable,
}

impl ErrorKind {
    /// A rejection with `status`, or with 422 where that is not a 4xx.
    pub(super) fn rejected(status: StatusCode) -> Self {
        Self::Rejected(if status.is_client_error() { status } else { StatusCode::UNPROCESSABLE_ENTITY })
    }

    /// The stable code of a response for which the handler set none.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Retryable => "handler_failed",
            Self::RetryAfter(_) => "handler_busy",
            Self::Permanent => "handler_failed_permanently",
            Self::Rejected(_) => "rejected",
            Self::Undecodable => "undecodable_payload",
        }
    }
}
