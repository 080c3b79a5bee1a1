//! The response to a request, independent of the transport.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use crate::{error::Rejection, store::StoredReply};

/// The response to a request, independent of the transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    pub(crate) retry_after: Option<Duration>,
    /// Whether it is the stored reply of an earlier attempt.
    pub(crate) replayed: bool,
    /// Whether it is the decision of a guard.
    pub(super) is_decision: bool,
}

impl Response {
    pub(crate) fn new(status: StatusCode, body: Bytes) -> Self {
        Self { status, body, retry_after: None, replayed: false, is_decision: false }
    }

    pub(crate) fn rejection(rejection: &Rejection, delivery_id: Option<&str>) -> Self {
        let body = rejection.body(delivery_id).into();
        Self { retry_after: rejection.retry_after, ..Self::new(rejection.status, body) }
    }

    pub(super) fn replayed(stored: &StoredReply) -> Self {
        let (status, body, retry_after) = (stored.status(), stored.body().clone(), stored.retry_after());
        Self { status, body, retry_after, replayed: true, is_decision: false }
    }

    /// Whether Kiket will not send the delivery again.
    pub(super) fn is_final(&self) -> bool {
        !self.status.is_server_error() && self.status != StatusCode::TOO_MANY_REQUESTS
    }
}
