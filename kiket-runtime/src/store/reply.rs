//! The stored reply of a delivery.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

/// The stored reply of a delivery, which redeliveries get again. Its content type is JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReply {
    status: StatusCode,
    retry_after: Option<Duration>,
    body: Bytes,
}

impl StoredReply {
    /// A reply of `status` with `body`.
    pub fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { status, retry_after: None, body: body.into() }
    }

    /// Adds the header `Retry-After`, in whole seconds.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Option<Duration>) -> Self {
        self.retry_after = delay.map(|delay| Duration::from_secs(delay.as_secs()));
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The header `Retry-After`, if there is one.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

/// The stored form of a reply: the status, the seconds of `Retry-After` or -1, the body.
#[cfg(any(feature = "postgres", feature = "redis"))]
impl StoredReply {
    pub(crate) fn retry_seconds(&self) -> i64 {
        self.retry_after.map_or(-1, |delay| i64::try_from(delay.as_secs()).unwrap_or(i64::MAX))
    }

    /// `None` if no store of this version has written it.
    pub(crate) fn restore(status: i64, retry_seconds: i64, body: Vec<u8>) -> Option<Self> {
        let status = StatusCode::from_u16(u16::try_from(status).ok()?).ok()?;
        let delay = u64::try_from(retry_seconds).ok().map(Duration::from_secs);
        Some(Self::new(status, body).with_retry_after(delay))
    }
}
