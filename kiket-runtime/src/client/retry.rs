//! Retries: which failures are retried, and the backoff between attempts.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use tokio::time::Instant;

use crate::{
    error::{ClientError, ClientErrorKind},
    types::{Clock, LONGEST_RETRY_AFTER, after},
};

/// The number of attempts, with the first.
const ATTEMPTS: usize = 3;
/// The first backoff before jitter; it doubles from there.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);

/// Makes `attempt`, and retries a repeatable call after a transient failure: three attempts in all, with exponential
/// backoff and full jitter, no sooner than `Retry-After`, and never past `deadline`.
pub(crate) async fn retried<T, F: Future<Output = Result<T, ClientError>>>(
    attempt: impl FnMut() -> F,
    repeatable: bool,
    deadline: Instant,
) -> Result<T, ClientError> {
    let backoff = ExponentialBuilder::new().with_min_delay(FIRST_BACKOFF).with_max_times(ATTEMPTS - 1);
    attempt
        .retry(backoff)
        .sleep(tokio::time::sleep)
        .when(|error| repeatable && is_transient(error))
        .adjust(|error, backoff| {
            let jittered = jitter(backoff?);
            let backoff = error.retry_after().map_or(jittered, |asked| asked.max(jittered));
            (after(backoff) < deadline).then_some(backoff)
        })
        .await
}

/// Whether another attempt may succeed.
fn is_transient(error: &ClientError) -> bool {
    match error.kind() {
        ClientErrorKind::Connect | ClientErrorKind::Interrupted => true,
        ClientErrorKind::Status(status) => matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        ),
        _ => false,
    }
}

/// A random part of the backoff, so that calls that failed together are not retried together.
fn jitter(backoff: Duration) -> Duration {
    backoff.mul_f64(fastrand::f64())
}

/// Reads `Retry-After`: seconds, or a date. A delay of more than a day is one of a day.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().unwrap_or(u64::MAX) // more digits than a number has
    } else {
        let date = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        date.as_secs().saturating_sub(Clock::system().unix_seconds())
    };
    Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_after_is_seconds_or_a_date() {
        let read = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
        let soon = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(60));
        assert!(read(&soon).is_some_and(|delay| (58..=60).contains(&delay.as_secs())));
        for far in [
            "86401",
            "99999999999",
            "18446744073709551615",
            "99999999999999999999999",
            "Fri, 31 Dec 9999 23:59:59 GMT",
        ] {
            assert_eq!(read(far), Some(LONGEST_RETRY_AFTER), "{far}");
        }
        assert_eq!((read("soon"), read(""), read("+7"), read("1.5")), (None, None, None, None));
        assert_eq!(read("-1"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn jitter_is_full() {
        let pauses: Vec<_> = (0..200).map(|_| jitter(Duration::from_secs(1))).collect();
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(1)));
        assert!(pauses.iter().any(|pause| *pause < Duration::from_millis(300)));
        assert!(pauses.iter().any(|pause| *pause > Duration::from_millis(700)));
    }
}
