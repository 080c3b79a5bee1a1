//! The time between two attempts: exponential, with full jitter between its bounds.

use std::{ops::RangeInclusive, time::Duration};

use crate::types::{LONGEST_RETRY_AFTER, millis};

/// The time until the attempt after `attempt`, which is 1 for the first. It is at least what the failure asks for, up to a
/// day.
pub(super) fn delay(
    (shortest, longest): (Duration, Duration),
    attempt: u32,
    retry_after: Option<Duration>,
) -> Duration {
    let range = range((shortest, longest), attempt);
    let (from, to) = (millis(*range.start()), millis(*range.end()));
    Duration::from_millis(fastrand::u64(from..=to))
        .max(retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER))
}

/// From the shortest time to twice as much for each attempt, and no more than the longest.
fn range((shortest, longest): (Duration, Duration), attempt: u32) -> RangeInclusive<Duration> {
    let factor = 2_u32.saturating_pow(attempt);
    let end = shortest.saturating_mul(factor).min(longest).max(shortest);
    shortest..=end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_range_doubles_up_to_the_longest_time() {
        let bounds = (seconds(10), seconds(3600));
        for (attempt, end) in [(1, 20), (2, 40), (3, 80), (8, 2560), (9, 3600), (32, 3600), (u32::MAX, 3600)]
        {
            assert_eq!(range(bounds, attempt), seconds(10)..=seconds(end), "{attempt}");
        }
        assert_eq!(range((seconds(5), seconds(5)), 7), seconds(5)..=seconds(5));
        assert_eq!(range((Duration::MAX, seconds(5)), 7), Duration::MAX..=Duration::MAX);
    }

    #[test]
    fn delays_are_spread_over_the_range() {
        let delays: Vec<_> = (0..200).map(|_| delay((seconds(10), seconds(60)), 3, None)).collect();
        assert!(delays.iter().all(|delay| (seconds(10)..=seconds(60)).contains(delay)));
        let below = delays.iter().filter(|delay| **delay < seconds(35)).count();
        assert!((40..160).contains(&below), "{below} of 200 are in the lower half");
    }

    #[test]
    fn what_the_failure_asks_for_is_honoured() {
        let bounds = (seconds(10), seconds(20));
        assert_eq!(delay(bounds, 1, Some(seconds(7200))), seconds(7200));
        assert!(delay(bounds, 1, Some(seconds(1))) >= seconds(10));
    }
}
