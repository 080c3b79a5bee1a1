//! `Later`: how the deliveries of a handler are worked on after they were acknowledged.

use std::{borrow::Cow, time::Duration};

use crate::{
    error::{IntoHandlerError, Result},
    handler::reply::{IntoReply, Reply},
    types::{
        EventName,
        later::{BACKOFF, MOST_ATTEMPTS},
        setters,
    },
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

    /// The bounds of the backoff, from 1 ms to 24 h; 10 s and 1 h by default. It doubles with each attempt, and has full jitter.
    #[doc(alias = "exponential backoff")]
    pub fn backoff(mut self, shortest: Duration, longest: Duration) -> Self {
        let bound = |limit| Duration::from_millis(limit);
        let shortest = shortest.clamp(bound(BACKOFF.0), bound(BACKOFF.1));
        self.backoff = (shortest, longest.clamp(shortest, bound(BACKOFF.1)));
        self
    }

    setters! {
        /// The most attempts at a delivery, from 1 to 100; 8 by default. An error that no attempt can mend ends them sooner.
        attempts(attempts: u32) => |later| later.attempts = attempts.clamp(1, MOST_ATTEMPTS);
        /// The path in the body, like `issue.id`, of the value whose deliveries run one after the other, in the order in which they
        /// were accepted. A delivery that has no text or number there runs beside all others.
        lane(path: impl Into<Cow<'static, str>>) => |later| later.lane = Some(path.into());
        /// Whether a dead delivery blocks its lane until it is redriven or dropped; `false` by default: the next one runs.
        blocks_lane(blocks: bool) => |later| later.blocks_lane = blocks;
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

/// What a `later` handler returns: nothing, or an error.
#[diagnostic::on_unimplemented(
    message = "a handler that runs later cannot reply with `{Self}`",
    label = "there is no response that it could be part of",
    note = "the response to a `later` delivery was sent before the handler ran, and a schedule has none",
    note = "a `later` handler and a schedule return `()`, or a `Result<(), E>` with any error that `?` converts",
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
