//! What happened since the start, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::signature::SignatureError;

/// Counters that every delivery may touch; reading them stops nobody.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    refusals: [Refusals; SignatureError::ALL.len()],
}

#[derive(Debug, Default)]
struct Refusals {
    count: AtomicU64,
    /// The second of the last log line, plus one; 0 before the first.
    logged: AtomicU64,
}

impl Counters {
    /// Counts a refused signature; the count, when it is time for a log line. There is one a second for each
    /// cause: who floods the door does not flood the disk.
    pub(crate) fn refused(&self, cause: SignatureError, now: u64) -> Option<u64> {
        let refusals = self.refusals.get(cause as usize)?;
        let count = refusals.count.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let second = now.wrapping_add(1);
        (refusals.logged.swap(second, Ordering::Relaxed) != second).then_some(count)
    }

    /// The refused signatures by the code of their cause; causes that never happened are not there.
    pub(crate) fn signature_refusals(&self) -> Vec<(&'static str, u64)> {
        SignatureError::ALL
            .into_iter()
            .zip(&self.refusals)
            .map(|(cause, refusals)| (cause.code(), refusals.count.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_counted_and_one_a_second_is_told() {
        let counters = Counters::default();
        assert_eq!(counters.refused(SignatureError::SignatureMismatch, 10), Some(1));
        assert_eq!(counters.refused(SignatureError::SignatureMismatch, 10), None);
        assert_eq!(counters.refused(SignatureError::TimestampMissing, 10), Some(1));
        assert_eq!(counters.refused(SignatureError::SignatureMismatch, 11), Some(3));
        assert_eq!(counters.signature_refusals(), [("timestamp_missing", 1), ("signature_mismatch", 3)]);
    }

    #[test]
    fn the_causes_are_listed_in_their_order() {
        for (position, cause) in SignatureError::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, position);
        }
    }
}
