//! Everything that is counted, as one page for Prometheus.

use super::Pipeline;
use crate::{
    metrics::{Page, traces::traced},
    telemetry::dropped_lines,
};

#[allow(clippy::unused_async)] // without the inbox nothing waits
impl Pipeline {
    /// The metrics in the text format of Prometheus.
    pub(crate) async fn exposition(&self) -> String {
        let mut page = Page::default();
        self.write_process(&mut page);
        self.write_deliveries(&mut page);
        self.write_refusals(&mut page);
        self.metrics.store.write(&mut page);
        #[cfg(feature = "inbox")]
        if let Some(inbox) = &self.services.inbox {
            inbox.write(&mut page).await;
        }
        self.metrics.calls.write(&mut page);
        page.counter("kiket_log_lines_dropped_total", "Log lines that could not be written");
        page.sample(&[], dropped_lines());
        page.counter("kiket_telemetry_dropped_total", "Telemetry records that were dropped");
        page.sample(&[], self.recorder.telemetry.dropped());
        if let Some(spans) = traced(|traces| traces.counts()) {
            page.counter("kiket_spans_total", "Spans by what became of them");
            page.counts("result", [("exported", spans.exported), ("lost", spans.lost)]);
            page.gauge("kiket_spans_queued", "Spans that wait to be sent");
            page.sample(&[], spans.queued);
        }
        page.into_text()
    }

    fn write_process(&self, page: &mut Page) {
        let (services, concurrency) = (&self.services, &self.concurrency);
        page.gauge("kiket_build_info", "Versions of kiket and of the extension; the value is 1");
        let labels = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("extension_id", services.extension_id.as_deref().unwrap_or_default()),
            ("extension_version", services.extension_version.as_deref().unwrap_or_default()),
        ];
        page.sample(&labels, 1);
        page.gauge("kiket_start_time_seconds", "When the extension was started, in Unix seconds");
        page.sample(&[], self.metrics.started);
        page.gauge("kiket_draining", "Whether a graceful shutdown has begun: 0 or 1");
        page.sample(&[], u8::from(concurrency.is_draining()));
        page.gauge("kiket_deliveries_in_flight", "Deliveries that are running");
        page.sample(&[], concurrency.in_flight());
        page.gauge("kiket_concurrency_limit", "How many deliveries may run at the same time");
        page.sample(&[], concurrency.limit());
    }

    fn write_deliveries(&self, page: &mut Page) {
        let routes = self.registry.routes();
        let handlers = routes.iter().filter_map(|route| {
            Some((route.metrics.as_deref()?, route.key.event.as_str(), route.key.version.as_str()))
        });
        page.counter(
            "kiket_deliveries_total",
            "Deliveries of Kiket by their response; those without a handler have the event `other`",
        );
        for (handled, event, version) in handlers {
            handled.write_responses(page, event, version);
        }
        self.metrics.others.write_others(page);
        page.histogram(
            "kiket_delivery_duration_seconds",
            "From the decoding of the payload to the response, of deliveries that ran",
        );
        for route in self.registry.with_schedules() {
            if let Some(handled) = &route.metrics {
                handled.write_seconds(page, route.key.event.as_str(), route.key.version.as_str());
            }
        }
        if let Some(accepted) = &self.metrics.accepted {
            accepted.write(page);
        }
    }

    fn write_refusals(&self, page: &mut Page) {
        let metrics = &self.metrics;
        page.counter(
            "kiket_requests_refused_total",
            "Requests that were refused before it was known whether they are from Kiket",
        );
        metrics.refused.write(page);
        let unrouted = [
            ("no_route", metrics.unrouted.get()),
            ("works_only", metrics.works_only.get()),
            ("unreadable", metrics.unreadable.get()),
        ];
        page.counts("code", unrouted);
        page.counter("kiket_signature_failures_total", "Refused signatures by cause");
        page.counts("cause", metrics.signature_refusals());
        page.counter("kiket_token_failures_total", "Refused runtime tokens by cause");
        page.counts("cause", metrics.token_refusals());
    }
}
