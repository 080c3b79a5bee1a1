//! Times on the command line.

use std::{fmt, str::FromStr};

use kiket_runtime::config::Clock;

/// A time on the command line.
///
/// ```text
/// time = "now" / seconds / ( "+" / "-" ) number [ unit ]
/// unit = "s" / "m" / "h" / "d"
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum When {
    /// The time of the machine.
    #[default]
    Now,
    /// Unix seconds.
    At(u64),
    /// Seconds after now.
    After(u64),
    /// Seconds before now.
    Before(u64),
}

/// Not a time.
#[derive(Debug)]
pub(crate) struct NoTime;

impl fmt::Display for NoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected Unix seconds like `1700000000`, or a time from now like `-301s` or `+5m`")
    }
}

impl std::error::Error for NoTime {}

/// The latest time that a signature can have (wire contract, signature-time).
const LATEST: u64 = 999_999_999_999_999;

impl FromStr for When {
    type Err = NoTime;

    fn from_str(text: &str) -> Result<Self, NoTime> {
        if text == "now" {
            return Ok(Self::Now);
        }
        let (kind, number) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
            (Some(rest), _) => (Self::After as fn(u64) -> Self, rest),
            (_, Some(rest)) => (Self::Before as fn(u64) -> Self, rest),
            _ => (Self::At as fn(u64) -> Self, text),
        };
        let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)];
        let unit = units.into_iter().find_map(|(unit, seconds)| Some((number.strip_suffix(unit)?, seconds)));
        let (digits, seconds) = unit.filter(|_| number.len() < text.len()).unwrap_or((number, 1));
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NoTime);
        }
        let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds));
        let number = number.filter(|number| *number <= LATEST).ok_or(NoTime)?;
        Ok(kind(number))
    }
}

impl When {
    /// The Unix seconds of the time, where it is `now`; a time before 1970 is 1970.
    pub(crate) fn from(self, now: u64) -> u64 {
        match self {
            Self::Now => now,
            Self::At(seconds) => seconds,
            Self::After(seconds) => now.saturating_add(seconds).min(LATEST),
            Self::Before(seconds) => now.saturating_sub(seconds),
        }
    }
}

/// The Unix seconds of the machine's clock.
pub(crate) fn now() -> u64 {
    Clock::system().unix_seconds()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_absolute_or_from_now() {
        #[track_caller]
        fn check(text: &str, expected: u64) {
            assert_eq!(text.parse::<When>().map(|when| when.from(1000)).ok(), Some(expected), "{text}");
        }
        check("now", 1000);
        check("1700000000", 1_700_000_000);
        check("0", 0);
        check("-301s", 699);
        check("-301", 699);
        check("+5m", 1300);
        check("+1h", 4600);
        check("+1d", 87_400);
        check("-1d", 0);
        check("+999999999999999", LATEST);
        for text in ["", "-", "+", "s", "5m", "+5x", "++5", "+5ms", "1.5", "-0x1", "18446744073709551616"] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
        assert!("+99999999999999999999d".parse::<When>().is_err());
        assert!("+18446744073709551615d".parse::<When>().is_err());
    }
}
