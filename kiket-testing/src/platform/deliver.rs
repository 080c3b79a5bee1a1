//! Attempts to deliver, and the schedule by which they are repeated.

use std::time::Duration;

use kiket_runtime::Clock;

use crate::response::TestResponse;

/// The delay before each redelivery, in seconds (wire contract, redelivery-schedule). A `Retry-After` does not change it.
const SCHEDULE: [u64; 6] = [30, 60, 5 * 60, 30 * 60, 2 * 60 * 60, 8 * 60 * 60];

/// One attempt of the [`FakePlatform`](super::FakePlatform) to deliver.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Attempt {
    /// When it was made, in Unix seconds of the virtual clock.
    pub at: u64,
    /// The status; `None` when there was no response in time.
    pub status: Option<u16>,
    /// The whole response.
    pub response: Option<TestResponse>,
}

impl Attempt {
    pub(super) fn new(at: u64, response: Option<TestResponse>) -> Self {
        Self { at, status: response.as_ref().map(TestResponse::status), response }
    }

    /// Whether the platform tries again: after 5xx, 429, and without a response.
    pub fn is_retried(&self) -> bool {
        self.status.is_none_or(|status| status >= 500 || status == 429)
    }
}

/// Attempts by the schedule until one is not retried. A fixed clock is moved; with the system's the schedule is only
/// counted.
pub(super) async fn repeat(clock: &Clock, mut attempt: impl AsyncFnMut(u64) -> Attempt) -> Vec<Attempt> {
    let mut at = clock.unix_seconds();
    let mut attempts = vec![attempt(at).await];
    for wait in SCHEDULE {
        if !attempts.last().is_some_and(Attempt::is_retried) {
            break;
        }
        clock.advance(Duration::from_secs(wait));
        at = at.saturating_add(wait).max(clock.unix_seconds());
        attempts.push(attempt(at).await);
    }
    attempts
}
