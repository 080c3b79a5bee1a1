//! `Later`: how the deliveries of a handler are worked on after they were acknowledged.

use std::{borrow::Cow, time::Duration};

use crate::{
    error::{IntoHandlerError, Result},
    handler::reply::{IntoReply, Reply},
    types::EventName,
};

/// How a `later` handler works: its deliveries are stored durably and acknowledged, and the handler runs afterwards, with
/// retries of its own.
///
/// ```
/// use std::time::Duration;
/// use kiket_runtime::{Handler, handler::Later};
///
/// async fn on_issue_created() {}
///
/// let later = Later::new().attempts(5).backoff(Duration::from_secs(1), Duration::from_secs(600)).lane("issue.id");
/// let handler = Handler::new("issue.created", "v1", on_issue_created).later(later);
/// # let _ = handler;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "it does nothing until a handler has it"]
pub struct Later {
    /// The most attempts at a delivery.
    pub(crate) attempts: u32,
    /// The bounds of the time between two attempts.
    pub(crate) backoff: (Duration, Duration),
    /// The path in the body of the value whose deliveries run one after the other.
    pub(crate) lane: Option<Cow<'static, str>>,
    /// Whether a dead delivery blocks its lane.
    pub(crate) blocks_lane: bool,
}

/// The most attempts at a delivery.
const MOST_ATTEMPTS: u32 = 100;

/// The bounds of a backoff in milliseconds: 1 ms, and a day.
const BACKOFF: (u64, u64) = (1, 24 * 60 * 60 * 1000);

impl Later {
    /// Eight attempts, with a backoff of 10 s to 1 h, and no lane.
    pub const fn new() -> Self {
        Self::declared(None, None, None, false)
    }

    /// What the attribute says.
    pub const fn declared(
        attempts: Option<u32>,
        backoff: Option<(Duration, Duration)>,
        lane: Option<&'static str>,
        blocks_lane: bool,
    ) -> Self {
        let attempts = if let Some(attempts) = attempts { attempts } else { 8 };
        let usual = (Duration::from_secs(10), Duration::from_secs(60 * 60));
        let backoff = if let Some(backoff) = backoff { backoff } else { usual };
        let lane = if let Some(lane) = lane { Some(Cow::Borrowed(lane)) } else { None };
        Self { attempts, backoff, lane, blocks_lane }
    }

    /// The most attempts at a delivery, from 1 to 100; 8 by default. An error that no attempt can mend ends them sooner.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.clamp(1, MOST_ATTEMPTS);
        self
    }

    /// The bounds of the backoff, from 1 ms to 24 h; 10 s and 1 h by default. It doubles with each attempt, and has full jitter.
    pub fn backoff(mut self, shortest: Duration, longest: Duration) -> Self {
        let bound = |limit| Duration::from_millis(limit);
        let shortest = shortest.clamp(bound(BACKOFF.0), bound(BACKOFF.1));
        self.backoff = (shortest, longest.clamp(shortest, bound(BACKOFF.1)));
        self
    }

    /// The path in the body, like `issue.id`, of the value whose deliveries run one after the other, in the order in which they
    /// were accepted. A delivery that has no text, number or boolean there runs beside all others.
    pub fn lane(mut self, path: impl Into<Cow<'static, str>>) -> Self {
        self.lane = Some(path.into());
        self
    }

    /// Whether a dead delivery blocks its lane until it is redriven or dropped; `false` by default: the next one runs.
    pub fn blocks_lane(mut self, blocks: bool) -> Self {
        self.blocks_lane = blocks;
        self
    }

    /// Whether the path of the lane is one.
    pub(crate) fn has_valid_lane(&self) -> bool {
        self.lane.as_deref().is_none_or(EventName::is_valid)
    }
}

impl Default for Later {
    fn default() -> Self {
        Self::new()
    }
}

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
pub mod grammar {
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

/// What a `later` handler returns: nothing, or an error.
#[diagnostic::on_unimplemented(
    message = "a `later` handler cannot reply with `{Self}`",
    label = "Kiket has its response before the handler runs",
    note = "a `later` handler returns `()`, or a `Result<(), E>` with any error that `?` converts",
    note = "without `later`, what the function returns is the response"
)]
pub trait NoReply {
    /// The reply of a handler that returns no value, or why it failed.
    ///
    /// # Errors
    ///
    /// The handler failed. The error says whether there is another attempt.
    fn into_reply(self) -> Result<Reply>;
}

impl NoReply for () {
    fn into_reply(self) -> Result<Reply> {
        IntoReply::into_reply(self)
    }
}

impl<T: NoReply, E: IntoHandlerError> NoReply for Result<T, E> {
    fn into_reply(self) -> Result<Reply> {
        self.map_err(E::into_handler_error)?.into_reply()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoffs_are_read() {
        let hour = 3_600_000;
        for (text, bounds) in [
            ("10s..1h", (10_000, hour)),
            ("1ms..1ms", (1, 1)),
            ("5m..300s", (300_000, 300_000)),
            ("250ms..24h", (250, 24 * hour)),
        ] {
            assert_eq!(grammar::read_backoff(text.as_bytes()), Some(bounds), "{text}");
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
            assert_eq!(grammar::read_backoff(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn options_are_clamped_to_their_bounds() {
        let (second, day) = (Duration::from_secs(1), Duration::from_secs(86_400));
        let later = Later::new().attempts(0).backoff(Duration::MAX, second);
        assert_eq!((later.attempts, later.backoff), (1, (day, day)));
        let later = Later::new().attempts(u32::MAX).backoff(Duration::ZERO, Duration::ZERO);
        assert_eq!((later.attempts, later.backoff), (100, (second / 1000, second / 1000)));
        assert!(Later::new().has_valid_lane() && Later::new().lane("issue.id").has_valid_lane());
        assert!(!Later::new().lane("issue..id").has_valid_lane());
    }
}
