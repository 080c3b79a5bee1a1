//! What a failed delivery asks of Kiket.

use std::time::Duration;

use http::StatusCode;

/// What an [`Error`](crate::Error) asks of Kiket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Try again by the platform's schedule: 500.
    Retryable,
    /// Try again, not before this time: 503 and `Retry-After`.
    RetryAfter(Duration),
    /// Do not try again: 422.
    Permanent,
    /// Do not try again, with this 4xx.
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
