//! The times in payloads.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Numbers above this are milliseconds: as seconds they would be past the year 5000.
const LATEST_SECONDS: f64 = 1e11;

/// A time as payloads write it: RFC 3339, Unix seconds or milliseconds, as JSON.
pub(crate) fn read_time(json: &str) -> Option<SystemTime> {
    if json.starts_with('"') {
        let text: String = serde_json::from_str(json).ok()?;
        return read_rfc3339(&text).or_else(|| read_number(&text));
    }
    read_number(json)
}

pub(super) fn read_rfc3339(text: &str) -> Option<SystemTime> {
    let time: jiff::Timestamp = text.trim().parse().ok()?;
    let seconds = Duration::from_secs(u64::try_from(time.as_second()).ok()?);
    UNIX_EPOCH
        .checked_add(seconds)?
        .checked_add(Duration::from_nanos(time.subsec_nanosecond().try_into().ok()?))
}

fn read_number(text: &str) -> Option<SystemTime> {
    let number: f64 = text.trim().parse().ok()?;
    let seconds = if number > LATEST_SECONDS { number / 1000.0 } else { number };
    UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_spelling() {
        #[track_caller]
        fn check(json: &str, expected: Option<(u64, u32)>) {
            let expected = expected.map(|(seconds, nanos)| UNIX_EPOCH + Duration::new(seconds, nanos));
            assert_eq!(read_time(json), expected, "{json}");
        }
        check(r#""2026-04-14T10:00:00Z""#, Some((1_776_160_800, 0)));
        check(r#""2026-04-14T12:00:00.500+02:00""#, Some((1_776_160_800, 500_000_000)));
        check("1700000000", Some((1_700_000_000, 0)));
        check("1700000000.5", Some((1_700_000_000, 500_000_000)));
        check("1700000000000", Some((1_700_000_000, 0)));
        check(r#""1700000000""#, Some((1_700_000_000, 0)));
        for json in [r#""soon""#, r#""""#, "true", "{}", "-1e300", "1e300", r#""NaN""#] {
            check(json, None);
        }
    }
}
