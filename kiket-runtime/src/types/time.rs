//! Times as Kiket writes them: RFC 3339 texts and Unix times.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Visitor};

use super::{conversions::conversions, text::equals_texts, visits::visits};

/// A time as Kiket writes it: its text, and its moment.
///
/// It compares as text. [`to_system_time`](Self::to_system_time) reads RFC 3339, Unix seconds (also with a fraction)
/// and Unix milliseconds. A text of another form has no moment.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use kiket_runtime::Timestamp;
///
/// let time: Timestamp = serde_json::from_str(r#""2023-11-14T22:13:20Z""#)?;
/// assert_eq!(time, "2023-11-14T22:13:20Z");
/// let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
/// assert_eq!(time.to_system_time(), Some(moment));
/// assert_eq!(Timestamp::from(moment), time);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[doc(alias("date", "datetime", "time", "rfc3339", "iso8601"))]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Timestamp {
    text: String,
    /// Whether JSON has it as a number.
    number: bool,
}

impl Timestamp {
    /// The text, as Kiket wrote it; the digits of a number.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The moment; `None` if the text is not a time since 1970.
    pub fn to_system_time(&self) -> Option<SystemTime> {
        read_rfc3339(&self.text).or_else(|| read_number(&self.text))
    }
}

/// In RFC 3339 and UTC. A time that RFC 3339 cannot write becomes the nearest one that it can.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let nearest = if time < UNIX_EPOCH { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        jiff::Timestamp::try_from(time).unwrap_or(nearest).to_string().into()
    }
}

conversions! {
    impl From<String> for Timestamp = |text| Self { text, number: false };
    impl From<&str> for Timestamp = |text| text.to_owned().into();
    impl From<&Timestamp> for Timestamp = |time| time.clone();
    impl From<Timestamp> for serde_json::Value = |time| serde_json::to_value(time).unwrap_or_default();
}

impl AsRef<str> for Timestamp {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl PartialEq<str> for Timestamp {
    fn eq(&self, text: &str) -> bool {
        self.text == text
    }
}

equals_texts!(Timestamp: &str);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.number { f.write_str(&self.text) } else { self.text.fmt(f) }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.text.parse::<serde_json::Number>() {
            Ok(number) if self.number => number.serialize(serializer),
            _ => serializer.serialize_str(&self.text),
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        impl Visitor<'_> for Visit {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time, a text or a number")
            }

            visits! {
                number => Timestamp { text: number.to_string(), number: true };
                visit_u64(u64) visit_i64(i64) visit_f64(f64)
            }
            visits! { text => Timestamp::from(text); visit_str(&str) visit_string(String) }
        }

        deserializer.deserialize_any(Visit)
    }
}

/// A time of Unix seconds in RFC 3339 and UTC.
#[allow(unreachable_pub)] // `internals` exports it
pub fn rfc3339(unix_seconds: u64) -> String {
    let seconds = i64::try_from(unix_seconds).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// The moment of Unix seconds; the latest one that the system can express where they are past it.
pub(crate) fn unix_time(seconds: u64) -> SystemTime {
    let latest = Duration::from_secs(LATEST);
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH + latest)
}

/// A number of seconds that every system can express, in the year 9999.
const LATEST: u64 = 253_402_207_200;

/// In milliseconds, to the microsecond: a division leaves no further digits.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// Whole milliseconds, as many as a number has.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whole seconds, rounded up: what comes too early is refused again.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

/// The longest delay of a `Retry-After`, read or written: nothing that is retried waits longer.
pub(crate) const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(86_400);

/// A delay as `Retry-After` writes it: in whole seconds, at most a day.
pub(crate) fn retry_seconds(delay: Duration) -> u64 {
    whole_seconds(delay.min(LONGEST_RETRY_AFTER))
}

/// Numbers from this on are milliseconds: as seconds they would be past the year 5000.
const FIRST_MILLISECONDS: u64 = 100_000_000_000;

/// A time as payloads write it: RFC 3339, Unix seconds or milliseconds, as JSON.
pub(crate) fn read_time(json: &str) -> Option<SystemTime> {
    if json.starts_with('"') {
        let text: String = serde_json::from_str(json).ok()?;
        return read_rfc3339(&text).or_else(|| read_number(&text));
    }
    read_number(json)
}

/// A time from 1970 on in RFC 3339.
pub(crate) fn read_rfc3339(text: &str) -> Option<SystemTime> {
    let time = text.trim().parse::<jiff::Timestamp>().ok();
    time.filter(|time| *time >= jiff::Timestamp::UNIX_EPOCH)?.try_into().ok()
}

/// A whole number is read exactly; one with a fraction or an exponent as precisely as a float is.
fn read_number(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let since = match text.parse() {
        Ok(seconds @ ..FIRST_MILLISECONDS) => Duration::from_secs(seconds),
        Ok(milliseconds) => Duration::from_millis(milliseconds),
        Err(_) => {
            let number = Duration::try_from_secs_f64(text.parse().ok()?).ok()?;
            if number.as_secs() < FIRST_MILLISECONDS { number } else { number / 1000 }
        }
    };
    UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(seconds: u64, nanos: u32) -> SystemTime {
        UNIX_EPOCH + Duration::new(seconds, nanos)
    }

    #[test]
    fn times_are_read_in_every_spelling() {
        #[track_caller]
        fn check(json: &str, expected: Option<SystemTime>) {
            assert_eq!(read_time(json), expected, "{json}");
            if let Ok(time) = serde_json::from_str::<Timestamp>(json) {
                assert_eq!(time.to_system_time(), expected, "{json}");
                assert_eq!(
                    serde_json::from_str::<Timestamp>(&serde_json::to_string(&time).unwrap()).unwrap(),
                    time
                );
            }
        }
        check(r#""2026-04-14T10:00:00Z""#, Some(moment(1_776_160_800, 0)));
        check(r#""2026-04-14T12:00:00.500+02:00""#, Some(moment(1_776_160_800, 500_000_000)));
        check("1700000000", Some(moment(1_700_000_000, 0)));
        check("1700000000.5", Some(moment(1_700_000_000, 500_000_000)));
        check("1700000000000", Some(moment(1_700_000_000, 0)));
        check("1700000000123", Some(moment(1_700_000_000, 123_000_000)));
        check("1700000000123.5", Some(moment(1_700_000_000, 123_500_000)));
        check("99999999999", Some(moment(99_999_999_999, 0)));
        check("100000000000", Some(moment(100_000_000, 0)));
        check("9007199254740993", Some(moment(9_007_199_254_740, 993_000_000)));
        check("18446744073709551615", Some(moment(18_446_744_073_709_551, 615_000_000)));
        check(r#""1700000000""#, Some(moment(1_700_000_000, 0)));
        for json in [r#""soon""#, r#""""#, "true", "{}", "-1", "-1e300", "1e300", r#""NaN""#] {
            check(json, None);
        }
    }

    #[test]
    fn a_timestamp_is_written_as_it_was_read() {
        for json in [r#""2026-04-14T10:00:00Z""#, r#""soon""#, "1700000000", "-1", "1700000000.5"] {
            let time: Timestamp = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&time).unwrap(), json);
            assert_eq!(format!("{time:?}"), json);
        }
        assert!(serde_json::from_str::<Timestamp>("null").is_err());
    }

    #[test]
    fn seconds_are_rounded_up_and_saturate() {
        for (delay, whole, retry) in [
            (Duration::ZERO, 0, 0),
            (Duration::from_millis(1), 1, 1),
            (Duration::from_millis(7001), 8, 8),
            (Duration::from_secs(86_401), 86_401, 86_400),
            (Duration::MAX, u64::MAX, 86_400),
        ] {
            assert_eq!((whole_seconds(delay), retry_seconds(delay)), (whole, retry), "{delay:?}");
        }
        assert_eq!(unix_time(7), moment(7, 0));
        assert_eq!(unix_time(u64::MAX), moment(LATEST, 0));
    }

    #[test]
    fn any_system_time_becomes_a_timestamp() {
        assert_eq!(Timestamp::from(moment(1_700_000_000, 0)), "2023-11-14T22:13:20Z");
        assert_eq!(Timestamp::from(moment(1_700_000_000, 5_000_000)), "2023-11-14T22:13:20.005Z");
        let far = UNIX_EPOCH.checked_add(Duration::from_secs(1 << 40)).unwrap();
        assert!(Timestamp::from(far).as_str().starts_with("9999-12-3"));
        assert_eq!(rfc3339(u64::MAX), Timestamp::from(far).as_str());
    }
}
