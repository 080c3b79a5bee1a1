//! `Later`: how the deliveries of a handler are worked on after they were acknowledged.

use std::{borrow::Cow, time::Duration};

/// How a `later` handler works: its deliveries are stored durably and acknowledged, and the handler runs afterwards, with
/// retries of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    #[must_use]
    pub const fn new() -> Self {
        let backoff = (Duration::from_secs(10), Duration::from_secs(60 * 60));
        Self { attempts: 8, backoff, lane: None, blocks_lane: false }
    }
}

impl Default for Later {
    fn default() -> Self {
        Self::new()
    }
}
