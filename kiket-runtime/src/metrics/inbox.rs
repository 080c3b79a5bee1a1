//! What is counted of the inbox: what it accepted, how attempts ended, and what it holds.

use std::{cmp::Reverse, time::Duration};

use super::{
    counters::{Counter, Labelled},
    text::Page,
};

/// How an attempt at a deferred delivery ended; the last is for leases that were lost.
#[rustfmt::skip]
pub(crate) const ENDS: [&str; 8] =
    ["done", "retry", "permanent", "attempts", "crashed", "released", "unreadable", "lost"];

/// What happens with the inbox.
#[derive(Debug)]
pub(crate) struct InboxCounts {
    pub(crate) accepted: Counter,
    /// Deliveries that were accepted before.
    pub(crate) known: Counter,
    /// Deliveries that it had no room for.
    pub(crate) full: Counter,
    /// Deliveries that could not be stored.
    pub(crate) accept_errors: Counter,
    /// Deliveries whose body has no value at the path of the lane.
    pub(crate) without_lane: Counter,
    pub(crate) ends: Labelled<{ ENDS.len() }>,
    /// Renewals that found the lease taken over, or too late.
    pub(crate) renewals_lost: Counter,
    /// Failed operations of the workers.
    pub(crate) errors: Counter,
}

impl Default for InboxCounts {
    fn default() -> Self {
        let [accepted, known, full, accept_errors, without_lane, renewals_lost, errors] = Default::default();
        let ends = Labelled::new(&ENDS);
        Self { accepted, known, full, accept_errors, without_lane, ends, renewals_lost, errors }
    }
}

/// How many rows of an event are in a state, and how long the oldest has been there for.
#[derive(Debug)]
pub(crate) struct InboxRows {
    pub(crate) event: String,
    pub(crate) version: String,
    pub(crate) state: &'static str,
    pub(crate) rows: u64,
    /// Of a row that is neither done nor dead.
    pub(crate) oldest: Option<Duration>,
}

impl InboxCounts {
    /// Writes them with what the inbox holds; `None` where it cannot be asked.
    pub(crate) fn write(&self, page: &mut Page, rows: Option<&[InboxRows]>) {
        page.gauge("kiket_inbox_up", "Whether the inbox can be read: 0 or 1");
        page.sample(&[], u8::from(rows.is_some()));
        if let Some(rows) = rows {
            page.gauge(
                "kiket_inbox_oldest_seconds",
                "How long ago the oldest delivery was accepted that is neither done nor dead",
            );
            let mut unfinished: Vec<_> = rows.iter().filter(|row| row.oldest.is_some()).collect();
            unfinished.sort_by_key(|row| (&row.event, &row.version, Reverse(row.oldest)));
            unfinished.dedup_by_key(|row| (&row.event, &row.version));
            for row in unfinished {
                let age = row.oldest.unwrap_or_default().as_secs_f64();
                page.sample(&[("event", &row.event), ("version", &row.version)], age);
            }
            page.gauge("kiket_inbox_rows", "Deliveries in the inbox by their state");
            for row in rows {
                let labels = [("event", &*row.event), ("version", &row.version), ("state", row.state)];
                page.sample(&labels, row.rows);
            }
        }
        page.counter("kiket_inbox_accepted_total", "Deliveries for the inbox by what became of them");
        let accepted = [
            ("accepted", &self.accepted),
            ("known", &self.known),
            ("full", &self.full),
            ("error", &self.accept_errors),
        ];
        page.counts("result", accepted.map(|(result, count)| (result, count.get())));
        page.counter("kiket_inbox_without_lane_total", "Deliveries without the value that is their lane");
        page.sample(&[], self.without_lane.get());
        page.counter("kiket_inbox_attempts_total", "Attempts at deliveries of the inbox by their end");
        page.counts("result", self.ends.counts());
        page.counter(
            "kiket_inbox_renewals_lost_total",
            "Leases that were lost while the handler ran: another worker may run it, too",
        );
        page.sample(&[], self.renewals_lost.get());
        page.counter("kiket_inbox_errors_total", "Failed operations of the workers of the inbox");
        page.sample(&[], self.errors.get());
    }
}
