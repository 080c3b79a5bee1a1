//! What is counted of deliveries: responses by status and code, and how long handlers took.

use std::time::Duration;

use super::{
    counters::{Counter, Histogram, Labelled},
    text::Page,
};

/// The code of a reply.
pub(crate) const OK: &str = "ok";
/// The code of a stored reply.
pub(crate) const REPLAYED: &str = "replayed";

/// The code of a delivery whose handler runs later.
pub(crate) const ACCEPTED: &str = "accepted";

/// The codes of responses to deliveries, in which those of `/error` are; a handler's own are `other`.
#[rustfmt::skip]
const CODES: [&str; 36] = [
    OK, ACCEPTED, "handler_failed", "handler_busy", "handler_failed_permanently", "handler_panicked",
    "deadline_exceeded", "undecodable_payload", "rejected", "secret_missing", REPLAYED, "still_running",
    "store_down", "inbox_down", "inbox_full", "keys_unavailable", "token_in_use", "insufficient_scopes", "not_json", "not_an_object",
    "too_deep", "event_mismatch", "event_missing", "malformed_event", "malformed_version",
    "version_missing", "versions_conflict", "no_handler", "draining", "overloaded", "body_too_large",
    "body_too_slow", "body_incomplete", "unsupported_content_encoding", "not_found", "other",
];

/// Of a handler these are there from the start, so that an alert sees the first one.
#[rustfmt::skip]
const FROM_THE_START: [(&str, &str); 11] = [
    ("2xx", OK), ("5xx", "handler_failed"), ("5xx", "handler_busy"), ("5xx", "handler_panicked"),
    ("5xx", "deadline_exceeded"), ("5xx", "undecodable_payload"), ("4xx", "undecodable_payload"),
    ("4xx", "insufficient_scopes"), ("4xx", "event_mismatch"), ("4xx", "not_json"), ("4xx", "too_deep"),
];

/// The same of deliveries that have no handler, or whose handler is not known yet.
#[rustfmt::skip]
const OTHERS_FROM_THE_START: [(&str, &str); 8] = [
    ("4xx", "no_handler"), ("4xx", "version_missing"), ("4xx", "versions_conflict"), ("4xx", "malformed_version"),
    ("4xx", "event_missing"), ("4xx", "malformed_event"), ("4xx", "not_json"), ("4xx", "not_an_object"),
];

/// The statuses of responses, by their first digit.
const STATUSES: [&str; 3] = ["2xx", "4xx", "5xx"];

/// The most that handlers take is an hour, the usual a few milliseconds.
const HANDLING: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Responses by status and code.
#[derive(Debug)]
pub(crate) struct Responses([Labelled<{ CODES.len() }>; STATUSES.len()]);

impl Default for Responses {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Labelled::new(&CODES)))
    }
}

impl Responses {
    pub(crate) fn add(&self, status: u16, code: &str) {
        let [success, refusal, failure] = &self.0;
        let class = match status {
            ..400 => success,
            400..500 => refusal,
            _ => failure,
        };
        class.add(code);
    }

    /// The samples of an event in a version: those that occurred, and `always`.
    fn write(&self, page: &mut Page, event: &str, version: &str, always: &[(&str, &str)]) {
        for (status, codes) in STATUSES.into_iter().zip(&self.0) {
            for (code, count) in codes.counts() {
                if count > 0 || always.contains(&(status, code)) {
                    let labels = [("event", event), ("version", version), ("status", status), ("code", code)];
                    page.sample(&labels, count);
                }
            }
        }
    }

    /// The samples of deliveries that have no handler.
    pub(crate) fn write_others(&self, page: &mut Page) {
        self.write(page, "other", "other", &OTHERS_FROM_THE_START);
    }
}

/// The deliveries of one handler.
#[derive(Debug)]
pub(crate) struct Handled {
    responses: Responses,
    seconds: Histogram<{ HANDLING.len() }>,
}

impl Default for Handled {
    fn default() -> Self {
        Self { responses: Responses::default(), seconds: Histogram::new(&HANDLING) }
    }
}

impl Handled {
    /// Counts a response, with the time that it took where a handler ran.
    pub(crate) fn add(&self, status: u16, code: &str, took: Option<Duration>) {
        self.responses.add(status, code);
        if let Some(took) = took {
            self.seconds.observe(took);
        }
    }

    /// Counts the time of a handler whose delivery had its response before.
    #[cfg(feature = "inbox")]
    pub(crate) fn ran(&self, took: Duration) {
        self.seconds.observe(took);
    }

    pub(crate) fn write_responses(&self, page: &mut Page, event: &str, version: &str) {
        self.responses.write(page, event, version, &FROM_THE_START);
    }

    pub(crate) fn write_seconds(&self, page: &mut Page, event: &str, version: &str) {
        page.samples(&[("event", event), ("version", version)], &self.seconds);
    }
}

/// How far the clocks are apart, in buckets that say when to worry: 300 s is the end.
const APART: [f64; 9] = [0.0, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 240.0];

/// The accepted signatures: how far their times are from the clock of this machine, and which secret made them.
#[derive(Debug)]
pub(crate) struct Accepted {
    past: Histogram<{ APART.len() }>,
    future: Histogram<{ APART.len() }>,
    by_current: Counter,
    by_older: Counter,
}

impl Default for Accepted {
    fn default() -> Self {
        let apart = || Histogram::new(&APART);
        let [by_current, by_older] = Default::default();
        Self { past: apart(), future: apart(), by_current, by_older }
    }
}

impl Accepted {
    /// Counts a signature by the secret at `position`. The times are in Unix seconds.
    pub(crate) fn add(&self, position: usize, signed_at: u64, now: u64) {
        let histogram = if signed_at > now { &self.future } else { &self.past };
        histogram.observe(Duration::from_secs(signed_at.abs_diff(now)));
        if position == 0 { &self.by_current } else { &self.by_older }.add();
    }

    pub(crate) fn write(&self, page: &mut Page) {
        page.counter("kiket_signatures_accepted_total", "Accepted signatures by the secret that made them");
        page.sample(&[("secret", "current")], self.by_current.get());
        page.sample(&[("secret", "older")], self.by_older.get());
        page.histogram(
            "kiket_clock_skew_seconds",
            "Between the time of an accepted signature and the clock of this machine",
        );
        page.samples(&[("signed", "past")], &self.past).samples(&[("signed", "future")], &self.future);
    }
}

/// The codes of requests that are refused before it is known whether they are from Kiket.
#[rustfmt::skip]
const REFUSALS: [&str; 11] = [
    "invalid_signature", "draining", "overloaded", "body_too_large", "body_too_slow", "body_incomplete",
    "unsupported_content_encoding", "keys_unavailable", "token_in_use", "store_down", "other",
];

/// Requests that are refused before it is known whether they are from Kiket.
#[derive(Debug)]
pub(crate) struct Refused(Labelled<{ REFUSALS.len() }>);

impl Default for Refused {
    fn default() -> Self {
        Self(Labelled::new(&REFUSALS))
    }
}

impl Refused {
    /// Without a code its signature or token is refused.
    pub(crate) fn add(&self, code: Option<&str>) {
        self.0.add(code.unwrap_or("invalid_signature"));
    }

    pub(crate) fn write(&self, page: &mut Page) {
        page.counts("code", self.0.counts());
    }
}

/// What happens with the deduplication store.
#[derive(Debug, Default)]
pub(crate) struct StoreCounts {
    /// Redeliveries that got a stored reply.
    pub(crate) replayed: Counter,
    /// Redeliveries that found the first attempt running.
    pub(crate) running: Counter,
    pub(crate) leases_lost: Counter,
    pub(crate) begin_errors: Counter,
    pub(crate) commit_errors: Counter,
    pub(crate) release_errors: Counter,
    pub(crate) token_errors: Counter,
}

impl StoreCounts {
    pub(crate) fn write(&self, page: &mut Page) {
        page.counter("kiket_deduplication_hits_total", "Redeliveries that did not run their handler");
        page.counts("result", [("replayed", self.replayed.get()), ("running", self.running.get())]);
        page.counter(
            "kiket_leases_lost_total",
            "Replies that came after their lease: another process may have run the delivery",
        );
        page.sample(&[], self.leases_lost.get());
        page.counter("kiket_store_errors_total", "Failed operations of the deduplication store");
        let errors = [
            ("begin", &self.begin_errors),
            ("commit", &self.commit_errors),
            ("release", &self.release_errors),
            ("token", &self.token_errors),
        ];
        page.counts("operation", errors.map(|(operation, errors)| (operation, errors.get())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts in quotes in the code of a file that are stable codes.
    fn codes_in(file: &str) -> Vec<String> {
        let source = std::fs::read_to_string(format!("{}/src/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let code = source.split("#[cfg(test)]").next().unwrap();
        let texts = code.split('"').skip(1).step_by(2);
        let is_code = |text: &&str| {
            text.contains('_') && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        texts.filter(is_code).map(str::to_owned).collect()
    }

    #[test]
    fn every_code_of_a_response_has_a_series() {
        let files = ["error/rejection.rs", "error/kind.rs", "error/delivery.rs", "handler/secret.rs"];
        let mut found = 0;
        for code in files.into_iter().flat_map(codes_in) {
            // Fields of a body, a code that no delivery gets, and one that is counted by itself.
            let others =
                ["delivery_id", "required_scopes", "missing_scopes", "method_not_allowed", "works_only"];
            if others.contains(&&*code) {
                continue;
            }
            assert!(CODES.contains(&&*code), "`{code}` would count as `other`");
            found += 1;
        }
        assert!(found > 25, "{found}: is it still read where the codes are?");
    }

    #[test]
    fn ten_million_records_take_no_memory() {
        use std::mem::needs_drop;

        // What is counted into owns nothing that could grow.
        const { assert!(!needs_drop::<Handled>() && !needs_drop::<Accepted>() && !needs_drop::<Responses>()) };
        const {
            assert!(
                !needs_drop::<Refused>()
                    && !needs_drop::<StoreCounts>()
                    && !needs_drop::<super::super::Calls>()
            );
        };
        let (handled, accepted) = (Handled::default(), Accepted::default());
        let page = || {
            let mut page = Page::default();
            handled.write_responses(&mut page, "issue.created", "v1");
            handled.write_seconds(&mut page, "issue.created", "v1");
            accepted.write(&mut page);
            page.into_text()
        };
        let record = |number: u64| {
            let (status, code) =
                if number.is_multiple_of(16) { (500, "a code of the handler's") } else { (200, OK) };
            handled.add(status, code, Some(Duration::from_micros(number % 4096)));
            accepted.add(usize::from(number.is_multiple_of(2)), 1_700_000_000 + number % 300, 1_700_000_000);
        };
        let series = |text: String| {
            text.lines()
                .map(|line| line.rsplit_once(' ').map(|(name, _)| name.to_owned()))
                .collect::<Vec<_>>()
        };
        record(0);
        record(1);
        let from_the_start = series(page());
        (2..10_000_000).for_each(record);
        assert_eq!(series(page()), from_the_start);
        let text = page();
        for count in [
            "status=\"2xx\",code=\"ok\"} 9375000\n",
            "code=\"other\"} 625000\n",
            "_count{event=\"issue.created\",version=\"v1\"} 10000000\n",
        ] {
            assert!(text.contains(count), "no {count} in {text}");
        }
    }

    #[test]
    fn the_codes_of_refusals_are_codes() {
        assert!(REFUSALS.iter().skip(1).all(|code| CODES.contains(code)));
    }
}
