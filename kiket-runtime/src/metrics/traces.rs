//! Traces: what `kiket-otel` hangs into the process. Without it nothing is done, and nothing is allocated.

use std::{sync::OnceLock, time::Duration};

use http::{HeaderMap, Method, StatusCode};
use tracing::Span;

use crate::types::{Headers, caught};

/// What follows deliveries and calls. Its panics are caught.
pub trait Traces: Send + Sync {
    /// A delivery begins, in a span that was not entered yet. Kiket sent it; its headers are not signed.
    fn begin(&self, span: &Span, headers: &Headers);

    /// The delivery of the current span has its response; `code` is `ok` where that is the reply of the handler.
    fn end(&self, status: StatusCode, code: &'static str);

    /// A request has no handler, or is not known to be from Kiket.
    fn refuse(&self, headers: &Headers, refusal: Refusal);

    /// An attempt at a call to Kiket begins in the current span. It may add headers.
    fn attempt(&self, method: &Method, family: &'static str, headers: &mut HeaderMap) -> Box<dyn Attempt>;

    /// The ids of the current span, for the log.
    fn current(&self) -> Option<(u128, u64)>;

    /// The spans since the start.
    fn counts(&self) -> Counts;

    /// Waits until all spans so far are sent or lost, `timeout` at most.
    fn flush(&self, timeout: Duration);

    /// Does the same at the end of the process, and says how many were lost.
    fn close(&self, timeout: Duration);
}

/// An attempt at a call. Dropping it ends it without a result.
pub trait Attempt: Send {
    /// Ends it with its status, or the name of its failure.
    fn end(self: Box<Self>, status: Option<StatusCode>, failure: &'static str);
}

/// A request that was refused before it was a delivery.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    /// Of the response.
    pub status: StatusCode,
    /// Its code, or the code of the cause where the response has none.
    pub code: &'static str,
    /// Whether Kiket sent it. Of others there is one a second for each code.
    pub authentic: bool,
}

/// Spans since the start.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// Those that the collector has.
    pub exported: u64,
    /// Those that it does not have, as far as is known.
    pub lost: u64,
    /// Those that wait to be sent.
    pub queued: u64,
}

static TRACES: OnceLock<Box<dyn Traces>> = OnceLock::new();

/// Hangs `traces` into the process, unless there are some. Returns whether it did.
pub fn set(traces: Box<dyn Traces>) -> bool {
    TRACES.set(traces).is_ok()
}

/// What `ask` gets from the traces of the process; `None` without them.
pub(crate) fn traced<T>(ask: impl FnOnce(&dyn Traces) -> T) -> Option<T> {
    let traces = TRACES.get()?;
    caught(|| ask(&**traces)).ok()
}
