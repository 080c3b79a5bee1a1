//! Work: what is accepted, claimed and finished.

use std::{fmt, time::Duration};

use bytes::Bytes;

use super::{
    handler::HandlerName,
    row::{DeadReason, RowId, RowState},
};
use crate::store::{DedupeKey, LeaseToken};

/// A delivery to be accepted.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewWork {
    /// The extension, and the namespace before it: what shares one inbox stays apart by it.
    pub space: String,
    /// Distinguishes the work of a handler at a delivery.
    pub key: DedupeKey,
    /// The handler.
    pub handler: HandlerName,
    /// Organisations take turns.
    pub organisation: String,
    /// Rows of one lane run one after the other, in the order in which they were accepted.
    pub lane: Option<String>,
    /// Whether a dead row blocks its lane until it is redriven or dropped.
    pub blocks_lane: bool,
    /// How long from now it waits before its first attempt.
    pub delay: Duration,
    /// The delivery, sealed. The inbox does not look into it.
    pub content: Bytes,
}

impl NewWork {
    /// Work of no organisation, in no lane and without a delay, to test an engine with.
    pub fn new(space: impl Into<String>, key: DedupeKey, handler: HandlerName, content: Bytes) -> Self {
        let (space, organisation, lane) = (space.into(), String::new(), None);
        let (blocks_lane, delay) = (false, Duration::ZERO);
        Self { space, key, handler, organisation, lane, blocks_lane, delay, content }
    }
}

/// Without the content.
impl fmt::Debug for NewWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewWork")
            .field("space", &self.space)
            .field("key", &self.key)
            .field("handler", &self.handler)
            .field("organisation", &self.organisation)
            .field("lane", &self.lane)
            .field("content", &format_args!("{} bytes", self.content.len()))
            .finish_non_exhaustive()
    }
}

/// The result of [`Inbox::accept`](super::Inbox::accept).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Acceptance {
    /// It is stored.
    Accepted(RowId),
    /// Its key was accepted before, and has this state now.
    Known(RowState),
    /// The inbox has as many rows or bytes as it may have, or too little room on its disk.
    Full,
}

/// What a worker can take: see [`Inbox::claim`](super::Inbox::claim).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClaimRequest {
    /// The space of the rows.
    pub space: String,
    /// The handlers that this build has.
    pub handlers: Vec<HandlerName>,
    /// The most rows.
    pub limit: usize,
    /// Whether nothing runs: only then is a row claimed that has crashed twice, and it is the only one.
    pub is_idle: bool,
    /// How long the leases are.
    pub lease: Duration,
    /// The organisation that had the last turn; empty at first.
    pub after: String,
}

impl ClaimRequest {
    /// What a worker takes beside others, to test an engine with.
    pub fn new(space: impl Into<String>, handlers: Vec<HandlerName>, limit: usize, lease: Duration) -> Self {
        Self { space: space.into(), handlers, limit, is_idle: false, lease, after: String::new() }
    }
}

/// A claimed row.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClaimedWork {
    /// The right to run it.
    pub lease: WorkLease,
    /// The key that it was accepted with.
    pub key: DedupeKey,
    /// Its handler.
    pub handler: HandlerName,
    /// Its organisation.
    pub organisation: String,
    /// Its lane.
    pub lane: Option<String>,
    /// Which attempt this is; the first is 1.
    pub attempt: u32,
    /// How often its process died while the handler ran.
    pub crashes: u32,
    /// How long ago it was accepted, or, with a delay, how long ago that was over; zero before that.
    pub age: Duration,
    /// The delivery, as it was accepted.
    pub content: Bytes,
}

impl ClaimedWork {
    /// A row in its first attempt, in no lane.
    #[must_use]
    pub fn new(
        lease: WorkLease,
        key: DedupeKey,
        handler: HandlerName,
        organisation: String,
        content: Bytes,
    ) -> Self {
        let (lane, age) = (None, Duration::ZERO);
        Self { lease, key, handler, organisation, lane, attempt: 1, crashes: 0, age, content }
    }

    /// Whether it runs alone, since it has crashed twice.
    pub fn runs_alone(&self) -> bool {
        self.crashes >= super::ALONE_AFTER
    }
}

/// Without the content.
impl fmt::Debug for ClaimedWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimedWork")
            .field("lease", &self.lease)
            .field("key", &self.key)
            .field("handler", &self.handler)
            .field("organisation", &self.organisation)
            .field("lane", &self.lane)
            .field("attempt", &self.attempt)
            .field("crashes", &self.crashes)
            .field("content", &format_args!("{} bytes", self.content.len()))
            .finish_non_exhaustive()
    }
}

/// The right to run a row, until it expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct WorkLease {
    /// The row.
    pub id: RowId,
    /// Its owner.
    pub token: LeaseToken,
}

impl WorkLease {
    /// The right of the owner with `token` to run the row.
    #[must_use]
    pub fn new(id: RowId, token: LeaseToken) -> Self {
        Self { id, token }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkEnd {
    /// The row is done; its content is removed.
    Done,
    /// The row waits for another attempt.
    Retry {
        /// How long from now.
        delay: Duration,
        /// Why, redacted, at most 2 KiB.
        error: String,
    },
    /// The row is dead.
    Dead {
        /// Why there is no other attempt.
        reason: DeadReason,
        /// What failed, redacted, at most 2 KiB.
        error: String,
    },
}

/// Why work was not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this build cannot run it now: it is to be run again in {delay:?}")]
#[non_exhaustive]
pub struct NotRunError {
    /// When to run it again, from now.
    pub delay: Duration,
}
