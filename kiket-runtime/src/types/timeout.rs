//! The timeout of a handler.

use std::{fmt, str::FromStr, time::Duration};

use super::text::written_traits;

/// The timeout of a handler, as the attribute writes it: `"5s"`, `"250ms"`, `"2m"`. From 1 ms to an hour.
///
/// ```
/// use std::time::Duration;
/// use kiket_runtime::handler::Timeout;
///
/// assert_eq!(Timeout::from_static("250ms").duration(), Duration::from_millis(250));
/// assert_eq!("2m".parse::<Timeout>()?, Timeout::from(Duration::from_secs(120)));
/// assert_eq!(Timeout::from(Duration::from_secs(90)).to_string(), "90s");
/// assert_eq!(serde_json::json!(Timeout::try_from("90s")?), "90s");
/// # Ok::<(), kiket_runtime::handler::TimeoutError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timeout(Duration);

/// The longest timeout of a handler. Kiket does not wait longer, and retries before.
const LONGEST: Duration = Duration::from_secs(3600);

impl Timeout {
    /// A timeout known when the program is compiled.
    ///
    /// ```text
    /// timeout = 1*7DIGIT ( "ms" / "s" / "m" )      more than nothing, at most an hour
    /// ```
    ///
    /// # Panics
    ///
    /// When `text` is not a timeout. In a `const` or a `static`, where the attribute puts it, that is a compile
    /// error under the literal.
    #[must_use]
    #[track_caller]
    pub const fn from_static(text: &'static str) -> Self {
        match Self::read(text.as_bytes()) {
            Some(duration) => Self(duration),
            None => {
                panic!("a timeout is a whole number and `ms`, `s` or `m`, from 1 ms to an hour, like \"5s\"")
            }
        }
    }

    const fn read(text: &[u8]) -> Option<Duration> {
        // Only a manifest may omit the unit.
        if text.is_empty() || text[text.len() - 1].is_ascii_digit() { None } else { read_timeout(text) }
    }

    /// The duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

written_traits!(Timeout, TimeoutError);

impl FromStr for Timeout {
    type Err = TimeoutError;

    fn from_str(text: &str) -> Result<Self, TimeoutError> {
        Self::read(text.as_bytes()).map(Self).ok_or(TimeoutError)
    }
}

/// In whole milliseconds, clamped to 1 ms and an hour.
impl From<Duration> for Timeout {
    fn from(duration: Duration) -> Self {
        let milliseconds = duration.clamp(Duration::from_millis(1), LONGEST).as_millis();
        Self(Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX)))
    }
}

impl From<Timeout> for Duration {
    fn from(timeout: Timeout) -> Self {
        timeout.0
    }
}

/// In the largest unit that needs no fraction, as the attribute writes it.
impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            milliseconds if milliseconds % 60_000 == 0 => write!(f, "{}m", milliseconds / 60_000),
            milliseconds if milliseconds % 1000 == 0 => write!(f, "{}s", milliseconds / 1000),
            milliseconds => write!(f, "{milliseconds}ms"),
        }
    }
}

/// A text that is not a [`Timeout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a timeout is a whole number and `ms`, `s` or `m`, from 1 ms to an hour, like `5s`")]
pub struct TimeoutError;

/// The number and the unit of a timeout; without a unit it is in milliseconds, as in manifests.
pub(crate) const fn read_timeout(text: &[u8]) -> Option<Duration> {
    let mut number: u64 = 0;
    let mut at = 0;
    while at < text.len() && text[at].is_ascii_digit() {
        if at == 7 {
            return None; // an hour in milliseconds has seven digits
        }
        number = number * 10 + (text[at] - b'0') as u64;
        at += 1;
    }
    let digits = at;
    let milliseconds = match text.len() - digits {
        0 if digits > 0 => number,
        1 if text[at] == b's' => number * 1000,
        1 if text[at] == b'm' => number * 60_000,
        2 if text[at] == b'm' && text[at + 1] == b's' => number,
        _ => return None,
    };
    if milliseconds == 0 || milliseconds > LONGEST.as_secs() * 1000 {
        return None;
    }
    Some(Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read() {
        for (text, milliseconds) in
            [("1ms", 1), ("5s", 5_000), ("2m", 120_000), ("60m", 3_600_000), ("3600000ms", 3_600_000)]
        {
            assert_eq!(Timeout::read(text.as_bytes()), Some(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn a_timeout_is_written_as_it_is_read() {
        for text in ["1ms", "5s", "2m", "90s", "1500ms", "60m"] {
            assert_eq!(text.parse::<Timeout>().unwrap().to_string(), text);
        }
        assert_eq!("60s".parse::<Timeout>().unwrap().to_string(), "1m");
        assert_eq!("5".parse::<Timeout>(), Err(TimeoutError));
    }

    #[test]
    fn a_duration_is_clamped_to_the_bounds() {
        for (duration, expected) in [
            (Duration::ZERO, "1ms"),
            (Duration::from_micros(1500), "1ms"),
            (Duration::from_secs(5), "5s"),
            (Duration::MAX, "60m"),
        ] {
            assert_eq!(Timeout::from(duration).to_string(), expected);
        }
    }

    #[test]
    fn other_texts_are_not_timeouts() {
        for text in
            ["", "5", "s", "0s", "-1s", "1.5s", "5 s", "5h", "61m", "3601s", "99999999ms", "5sec", "5S", "ms"]
        {
            assert_eq!(Timeout::read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_manifest_counts_in_milliseconds_by_default() {
        assert_eq!(read_timeout(b"5000"), Some(Duration::from_secs(5)));
        assert_eq!(read_timeout(b"5s"), Some(Duration::from_secs(5)));
        for text in ["", "0", "+1", "3600001", "1e3", "soon"] {
            assert_eq!(read_timeout(text.as_bytes()), None, "{text}");
        }
    }
}
