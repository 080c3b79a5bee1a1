//! What happened since the start, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{SignatureError, TokenError};

/// Counters that every delivery may touch; reading them stops nobody.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    signatures: [Refusals; SignatureError::ALL.len()],
    tokens: [Refusals; TokenError::ALL.len()],
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
        self.signatures.get(cause as usize)?.count(now)
    }

    /// The same for a refused token.
    pub(crate) fn refused_token(&self, cause: TokenError, now: u64) -> Option<u64> {
        self.tokens.get(cause as usize)?.count(now)
    }

    /// The refused signatures by the code of their cause; causes that never happened are not there.
    pub(crate) fn signature_refusals(&self) -> Vec<(&'static str, u64)> {
        told(SignatureError::ALL.map(SignatureError::code), &self.signatures)
    }

    /// The refused tokens, likewise.
    pub(crate) fn token_refusals(&self) -> Vec<(&'static str, u64)> {
        told(TokenError::ALL.map(TokenError::code), &self.tokens)
    }
}

fn told<const N: usize>(codes: [&'static str; N], refusals: &[Refusals; N]) -> Vec<(&'static str, u64)> {
    let counts = refusals.iter().map(|refusals| refusals.count.load(Ordering::Relaxed));
    codes.into_iter().zip(counts).filter(|(_, count)| *count > 0).collect()
}

impl Refusals {
    fn count(&self, now: u64) -> Option<u64> {
        let count = self.count.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let second = now.wrapping_add(1);
        (self.logged.swap(second, Ordering::Relaxed) != second).then_some(count)
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
        for (position, cause) in TokenError::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, position);
        }
    }
}
