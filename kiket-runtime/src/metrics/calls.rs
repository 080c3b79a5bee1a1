//! What is counted of calls to Kiket: their results by family, how long they took, and how long they waited.

use super::{
    counters::{Histogram, Labelled},
    text::Page,
};

/// The families of calls; `other` are paths that kiket has no method for.
#[rustfmt::skip]
pub(crate) const FAMILIES: [&str; 17] = [
    "analytics", "audit", "custom_data", "events", "inbound_emails", "ingestion", "intake_forms", "issues",
    "metadata", "metrics", "notifications", "projects", "rate_limit", "secrets", "sla", "webhook_url",
    "other",
];

/// One of the [`FAMILIES`].
pub(crate) fn known_family(family: &str) -> &'static str {
    FAMILIES.into_iter().find(|known| *known == family).unwrap_or("other")
}

/// The statuses of responses, and why there was none; the last is for every other status.
#[rustfmt::skip]
const RESULTS: [&str; 25] = [
    "200", "201", "202", "204", "301", "302", "400", "401", "403", "404", "405", "409", "410", "422", "429",
    "500", "502", "503", "504", "connect", "interrupted", "rate_limited", "timeout", "unusable", "other",
];

/// These are there from the start, so that an alert sees the first one.
const FROM_THE_START: [&str; 2] = ["401", "403"];

const SECONDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Attempts at calls to Kiket.
#[derive(Debug)]
pub(crate) struct Calls {
    results: [Labelled<{ RESULTS.len() }>; FAMILIES.len()],
    /// From the request to the end of the response.
    pub(crate) seconds: Histogram<{ SECONDS.len() }>,
    /// Of those that waited for the rate limit or for a place among the concurrent calls.
    pub(crate) waits: Histogram<{ SECONDS.len() }>,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            results: std::array::from_fn(|_| Labelled::new(&RESULTS)),
            seconds: Histogram::new(&SECONDS),
            waits: Histogram::new(&SECONDS),
        }
    }
}

impl Calls {
    /// Counts an attempt at a call of one of the [`FAMILIES`].
    pub(crate) fn add(&self, family: &str, result: &str) {
        let position = FAMILIES.iter().position(|known| *known == family);
        if let Some(results) = self.results.get(position.unwrap_or(FAMILIES.len() - 1)) {
            results.add(result);
        }
    }

    pub(crate) fn write(&self, page: &mut Page) {
        page.counter(
            "kiket_calls_total",
            "Attempts at calls to Kiket; without a response the status is why there was none",
        );
        for (family, results) in FAMILIES.into_iter().zip(&self.results) {
            let occurred = |(status, count): &(&str, u64)| *count > 0 || FROM_THE_START.contains(status);
            for (status, count) in results.counts().filter(occurred) {
                page.sample(&[("family", family), ("status", status)], count);
            }
        }
        page.histogram(
            "kiket_call_duration_seconds",
            "From the request of an attempt to the end of its response",
        );
        page.samples(&[], &self.seconds);
        page.histogram(
            "kiket_rate_limit_wait_seconds",
            "How long calls waited that the rate limit or the limit of concurrent calls held back",
        );
        page.samples(&[], &self.waits);
    }
}
