//! The spans of deliveries and of calls.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Method, StatusCode};
use kiket_runtime::{
    __private::traces::{Attempt, Counts, Refusal, Traces},
    Headers,
};
use opentelemetry::{
    Context, KeyValue,
    trace::{Link, Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _},
};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::{
    clean::DELIVERY,
    parent::{inject, remote},
    queue::{Queue, Stats},
};

/// Follows the deliveries and calls of the process.
pub(crate) struct Follower {
    pub(crate) queue: Arc<Queue>,
    pub(crate) tracer: SdkTracer,
}

impl Traces for Follower {
    fn begin(&self, span: &Span, headers: &Headers) {
        span.set_attribute(DELIVERY, true);
        // A span around it, of an app that has one, has chosen its parent.
        if let Some(parent) = remote(headers).filter(|_| !Context::map_current(Context::has_active_span)) {
            let _ = span.set_parent(Context::new().with_remote_span_context(parent));
        }
    }

    fn end(&self, status: StatusCode, code: &'static str) {
        let span = Span::current();
        span.set_attribute("status", i64::from(status.as_u16()));
        span.set_attribute("code", code);
        if status.is_server_error() {
            span.set_status(Status::error(code));
        }
    }

    fn refuse(&self, headers: &Headers, Refusal { status, code, authentic }: Refusal) {
        let attributes =
            vec![KeyValue::new("status", i64::from(status.as_u16())), KeyValue::new("code", code)];
        let span = self.tracer.span_builder("refused delivery").with_kind(SpanKind::Server);
        let mut span = span.with_attributes(attributes);
        let mut parent = Context::new();
        match remote(headers) {
            Some(sender) if authentic => parent = parent.with_remote_span_context(sender),
            Some(sender) => span = span.with_links(vec![Link::with_context(sender)]),
            None => {}
        }
        let mut span = span.start_with_context(&self.tracer, &parent);
        if status.is_server_error() {
            span.set_status(Status::error(code));
        }
    }

    fn attempt(&self, method: &Method, family: &'static str, headers: &mut HeaderMap) -> Box<dyn Attempt> {
        let name = format!("{method} {family}");
        let attributes = vec![KeyValue::new("method", method.to_string()), KeyValue::new("family", family)];
        let span = self.tracer.span_builder(name).with_kind(SpanKind::Client).with_attributes(attributes);
        let span = span.start_with_context(&self.tracer, &Context::current());
        let context = Context::new().with_span(span);
        inject(context.span().span_context(), headers);
        Box::new(Sent(context))
    }

    fn current(&self) -> Option<(u128, u64)> {
        Context::map_current(|context| {
            let span = context.span();
            let span = span.span_context();
            let ids = || {
                (
                    u128::from_be_bytes(span.trace_id().to_bytes()),
                    u64::from_be_bytes(span.span_id().to_bytes()),
                )
            };
            span.is_valid().then(ids)
        })
    }

    fn counts(&self) -> Counts {
        let stats = self.queue.stats();
        Counts { exported: stats.exported, lost: stats.lost, queued: stats.queued }
    }

    fn flush(&self, timeout: Duration) {
        self.queue.flush(timeout);
    }

    fn close(&self, timeout: Duration) {
        close(&self.queue, timeout);
    }
}

/// Ends the queue, and says what became of its spans.
pub(crate) fn close(queue: &Queue, timeout: Duration) {
    let Some(Stats { exported, lost, .. }) = queue.close(timeout) else { return };
    if lost > 0 {
        tracing::warn!(exported, lost, "traces ended: spans were lost");
    } else {
        tracing::info!(exported, lost, "traces ended");
    }
}

/// An attempt at a call.
struct Sent(Context);

impl Attempt for Sent {
    fn end(self: Box<Self>, status: Option<StatusCode>, failure: &'static str) {
        let span = self.0.span();
        if let Some(status) = status {
            span.set_attribute(KeyValue::new("status", i64::from(status.as_u16())));
        } else {
            span.set_attribute(KeyValue::new("code", failure));
        }
        if status.is_none_or(|status| status.is_client_error() || status.is_server_error()) {
            span.set_status(Status::error(failure));
        }
        span.end();
    }
}
