//! The grammars of the options of `later` handlers, which the compiler evaluates.

/// The most attempts at a delivery.
pub(crate) const MOST_ATTEMPTS: u32 = 100;

/// The bounds of a backoff in milliseconds: 1 ms, and a day.
pub(crate) const BACKOFF: (u64, u64) = (1, 24 * 60 * 60 * 1000);

/// The grammars of the attribute. Each function panics at another text: in a `static`, where the attribute puts it, that is a
/// compile error under the literal.
///
/// ```text
/// attempts = 8                                   from 1 to 100
/// backoff  = duration ".." duration              from 1 ms to 24 h, the shorter first
/// duration = 1*8DIGIT ( "ms" / "s" / "m" / "h" )
/// lane     = key *7( "." key )                   at most 128 bytes
/// key      = 1*( ALPHA / DIGIT / "_" / "-" )
/// on_dead  = "skip" / "block"
/// ```
#[allow(clippy::missing_panics_doc)] // see above
pub mod later_grammar {
    use std::time::Duration;

    use super::{BACKOFF, MOST_ATTEMPTS};
    use crate::types::EventName;

    /// `attempts = 8`
    #[must_use]
    #[track_caller]
    pub const fn attempts(attempts: u32) -> u32 {
        assert!(1 <= attempts && attempts <= MOST_ATTEMPTS, "attempts are from 1 to 100, like 8");
        attempts
    }

    /// `backoff = "10s..1h"`
    #[must_use]
    #[track_caller]
    pub const fn backoff(text: &'static str) -> (Duration, Duration) {
        match read_backoff(text.as_bytes()) {
            Some((shortest, longest)) => (Duration::from_millis(shortest), Duration::from_millis(longest)),
            None => panic!(
                "a backoff is two times in `ms`, `s`, `m` or `h`, the shorter first, from 1 ms to 24 h, like \"10s..1h\""
            ),
        }
    }

    /// `lane = "issue.id"`
    #[must_use]
    #[track_caller]
    pub const fn lane(path: &'static str) -> &'static str {
        assert!(
            EventName::is_valid(path),
            "a lane is a path in the body: one to eight keys of letters, digits, `_` and `-` joined by dots, like \"issue.id\""
        );
        path
    }

    /// `on_dead = "block"`: whether it is.
    #[must_use]
    #[track_caller]
    pub const fn on_dead(text: &'static str) -> bool {
        match text.as_bytes() {
            b"skip" => false,
            b"block" => true,
            _ => panic!("what a dead delivery does to its lane is \"skip\" or \"block\""),
        }
    }

    pub(super) const fn read_backoff(text: &[u8]) -> Option<(u64, u64)> {
        let mut at = 0;
        while at + 1 < text.len() {
            if text[at] == b'.' && text[at + 1] == b'.' {
                let (shortest, rest) = text.split_at(at);
                return match (milliseconds(shortest), milliseconds(rest.split_at(2).1)) {
                    (Some(shortest), Some(longest))
                        if BACKOFF.0 <= shortest && shortest <= longest && longest <= BACKOFF.1 =>
                    {
                        Some((shortest, longest))
                    }
                    _ => None,
                };
            }
            at += 1;
        }
        None
    }

    const fn milliseconds(text: &[u8]) -> Option<u64> {
        let (digits, unit) = match text {
            [digits @ .., b'm', b's'] => (digits, 1),
            [digits @ .., b's'] => (digits, 1_000),
            [digits @ .., b'm'] => (digits, 60_000),
            [digits @ .., b'h'] => (digits, 3_600_000),
            _ => return None,
        };
        if digits.is_empty() || digits.len() > 8 {
            return None;
        }
        let (mut number, mut at) = (0, 0);
        while at < digits.len() {
            if !digits[at].is_ascii_digit() {
                return None;
            }
            number = number * 10 + (digits[at] - b'0') as u64;
            at += 1;
        }
        Some(number * unit)
    }
}

#[cfg(test)]
mod tests {
    use super::later_grammar;

    #[test]
    fn backoffs_are_read() {
        let hour = 3_600_000;
        for (text, bounds) in [
            ("10s..1h", (10_000, hour)),
            ("1ms..1ms", (1, 1)),
            ("5m..300s", (300_000, 300_000)),
            ("250ms..24h", (250, 24 * hour)),
        ] {
            assert_eq!(later_grammar::read_backoff(text.as_bytes()), Some(bounds), "{text}");
        }
        for text in [
            "",
            "..",
            "10s",
            "10s..",
            "..1h",
            "1h..10s",
            "0s..1h",
            "10s..25h",
            "10..1h",
            "10s...1h",
            "10s-1h",
            "10s..1h..2h",
            "1.5s..1h",
            "+1s..1h",
            "10s .. 1h",
            "1s..999999999ms",
            "s..h",
            "10S..1H",
            "1d..2d",
        ] {
            assert_eq!(later_grammar::read_backoff(text.as_bytes()), None, "{text}");
        }
    }
}
