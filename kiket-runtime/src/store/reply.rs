//! The stored reply of a delivery.

use std::{num::NonZeroU64, time::Duration};

use bytes::Bytes;
use http::StatusCode;

/// The stored reply of a delivery, which redeliveries get again. Its content type is JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReply {
    status: StatusCode,
    retry_after: Option<Duration>,
    body: Bytes,
    is_decision: bool,
    request_hash: Option<NonZeroU64>,
}

impl StoredReply {
    /// The most bytes of a body that a store must not drop: 1 KiB.
    pub const SMALL_BODY: usize = 1024;

    /// A reply of `status` with `body`.
    pub fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { status, retry_after: None, body: body.into(), is_decision: false, request_hash: None }
    }

    /// Adds the header `Retry-After`, in whole seconds.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Option<Duration>) -> Self {
        self.retry_after = delay.map(|delay| Duration::from_secs(delay.as_secs()));
        self
    }

    /// Marks the reply of a guard, whose body is its decision: without it, a 2xx would mean *allow*.
    #[must_use]
    pub fn with_decision(mut self, is_decision: bool) -> Self {
        self.is_decision = is_decision;
        self
    }

    /// Adds a hash of the request, which tells a redelivery from another delivery with the same id.
    #[must_use]
    pub fn with_request_hash(mut self, hash: Option<NonZeroU64>) -> Self {
        self.request_hash = hash;
        self
    }

    /// Whether a store that is full must keep the body as long as the status: that of a guard, and one of at most
    /// [`SMALL_BODY`](Self::SMALL_BODY) bytes. It may replace any other by `{"ok":true}`.
    ///
    /// ```
    /// use kiket_runtime::{StatusCode, dedupe::StoredReply};
    ///
    /// assert!(StoredReply::new(StatusCode::OK, vec![b'1'; 1024]).needs_body());
    /// let large = StoredReply::new(StatusCode::OK, vec![b'1'; 1025]);
    /// assert!(!large.needs_body());
    /// assert!(large.with_decision(true).needs_body());
    /// ```
    pub fn needs_body(&self) -> bool {
        self.is_decision || self.body.len() <= Self::SMALL_BODY
    }

    /// The hash of the request; `None` if the store has not kept it.
    pub fn request_hash(&self) -> Option<NonZeroU64> {
        self.request_hash
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

/// The stored form of a reply: the status, the seconds of `Retry-After` or -1, the body, the hash of the request.
#[cfg(any(feature = "postgres", feature = "redis"))]
impl StoredReply {
    pub(crate) fn retry_seconds(&self) -> i64 {
        self.retry_after.map_or(-1, |delay| i64::try_from(delay.as_secs()).unwrap_or(i64::MAX))
    }

    /// The hash of the request in hex, or nothing.
    pub(crate) fn request_text(&self) -> String {
        self.request_hash.map(|hash| format!("{hash:016x}")).unwrap_or_default()
    }

    /// `None` if no store of this version has written it. The hash of the request may be absent: earlier versions wrote none.
    pub(crate) fn restore(status: i64, retry_seconds: i64, body: Vec<u8>, request: &str) -> Option<Self> {
        let status = StatusCode::from_u16(u16::try_from(status).ok()?).ok()?;
        let delay = u64::try_from(retry_seconds).ok().map(Duration::from_secs);
        let request = u64::from_str_radix(request, 16).ok().and_then(NonZeroU64::new);
        Some(Self::new(status, body).with_retry_after(delay).with_request_hash(request))
    }
}
