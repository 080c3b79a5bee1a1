//! Metrics since the start, in which every module may count.

mod calls;
mod counters;
mod deliveries;
#[cfg(feature = "inbox")]
mod inbox;
mod text;
pub(crate) mod traces;

use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(test)]
pub(crate) use self::calls::FAMILIES;
use self::{
    calls::Calls,
    deliveries::{Accepted, Refused, Responses},
};
pub(crate) use self::{
    calls::known_family,
    deliveries::{Handled, OK, REPLAYED, StoreCounts},
    text::{CONTENT_TYPE, Page},
};
#[cfg(feature = "inbox")]
pub(crate) use self::{
    deliveries::ACCEPTED,
    inbox::{InboxCounts, InboxRows},
};
use crate::error::{SignatureError, TokenError};

/// Metrics of an extension since its start: see [`Extension::stats`](crate::Extension::stats).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The refused signatures by the code of the cause, like `signature_mismatch`; causes that never occurred are absent.
    pub signature_refusals: Vec<(&'static str, u64)>,
    /// The refused runtime tokens by the code of the cause, like `token_expired`; causes that never occurred are absent.
    pub token_refusals: Vec<(&'static str, u64)>,
    /// The telemetry records that were dropped because the feedback hook or the server was too slow.
    pub dropped_records: u64,
    /// The lines of the log that were dropped because their reader was too slow, or that could not be written; of the whole
    /// process, where the log is that of `kiket::main!` or uses [`log_writer`](crate::telemetry::log_writer).
    pub dropped_lines: u64,
}

/// The metrics. Incrementing and reading never waits.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    signatures: [Refusals; SignatureError::ALL.len()],
    tokens: [Refusals; TokenError::ALL.len()],
    /// Signed requests at a path without a route.
    pub(crate) unrouted: Refusals,
    /// Deliveries that a process got which only works.
    pub(crate) works_only: Refusals,
    /// Requests that are not readable as HTTP.
    pub(crate) unreadable: Refusals,
    pub(crate) refused: Refused,
    /// Deliveries of Kiket that have no handler.
    pub(crate) others: Responses,
    pub(crate) store: StoreCounts,
    pub(crate) calls: Calls,
    /// Absent where there is no listener: it is of every delivery.
    pub(crate) accepted: Option<Box<Accepted>>,
    /// Unix seconds.
    pub(crate) started: u64,
}

/// A count, with a limit on its log lines.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    count: AtomicU64,
    /// The second of the last log line, plus one; 0 before the first.
    logged: AtomicU64,
}

impl Metrics {
    /// Counts a refused signature. Returns the count if a log line is due.
    pub(crate) fn refused(&self, cause: SignatureError, now: u64) -> Option<u64> {
        self.signatures.get(cause as usize)?.count(now)
    }

    /// The same for a refused token.
    pub(crate) fn refused_token(&self, cause: TokenError, now: u64) -> Option<u64> {
        self.tokens.get(cause as usize)?.count(now)
    }

    /// The refused signatures by the code of their cause.
    pub(crate) fn signature_refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        counted(SignatureError::ALL.map(SignatureError::code), &self.signatures)
    }

    /// The refused tokens, likewise.
    pub(crate) fn token_refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        counted(TokenError::ALL.map(TokenError::code), &self.tokens)
    }

    /// Metrics from `started` on; with those of every delivery if they are `exposed`.
    pub(crate) fn new(started: u64, exposed: bool) -> Self {
        Self { accepted: exposed.then(Box::default), started, ..Self::default() }
    }
}

fn counted<const N: usize>(
    codes: [&'static str; N],
    refusals: &[Refusals; N],
) -> impl Iterator<Item = (&'static str, u64)> {
    codes.into_iter().zip(refusals.iter().map(Refusals::get))
}

impl Refusals {
    pub(crate) fn get(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Counts one. Returns the count if a log line is due: one a second, so that a flood of requests does not flood the log.
    pub(crate) fn count(&self, now: u64) -> Option<u64> {
        let count = self.count.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let second = now.wrapping_add(1);
        (self.logged.swap(second, Ordering::Relaxed) != second).then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_counted_and_one_a_second_is_logged() {
        let metrics = Metrics::default();
        assert_eq!(metrics.refused(SignatureError::SignatureMismatch, 10), Some(1));
        assert_eq!(metrics.refused(SignatureError::SignatureMismatch, 10), None);
        assert_eq!(metrics.refused(SignatureError::TimestampMissing, 10), Some(1));
        assert_eq!(metrics.refused(SignatureError::SignatureMismatch, 11), Some(3));
        let occurred: Vec<_> = metrics.signature_refusals().filter(|(_, count)| *count > 0).collect();
        assert_eq!(occurred, [("timestamp_missing", 1), ("signature_mismatch", 3)]);
    }

    #[test]
    fn the_causes_are_listed_in_their_order() {
        for (position, cause) in SignatureError::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, position);
        }
        for (position, cause) in TokenError::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, position);
        }
    }
}
