//! Rows, as people and metrics see them: without their contents.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use super::handler::HandlerName;
use crate::{
    store::DedupeKey,
    types::{setters, words},
};

/// The number of a row, in the order in which rows were accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub i64);

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is no word of its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownWordError(&'static str);

words! {
    /// The state of a row.
    #[derive(PartialOrd, Ord)]
    pub enum RowState else UnknownWordError("a state is `behind`, `waiting`, `running`, `done` or `dead`") {
        /// Another row of its lane comes first.
        Behind = "behind",
        /// It waits for a worker, or for the time of its next attempt.
        Waiting = "waiting",
        /// A worker has it.
        Running = "running",
        /// Its handler succeeded.
        Done = "done",
        /// There is no other attempt, unless it is redriven.
        Dead = "dead",
    }
}

words! {
    /// Why a row is dead.
    #[derive(PartialOrd, Ord)]
    pub enum DeadReason else UnknownWordError("a reason is `permanent`, `attempts` or `crashed`") {
        /// The handler failed with an error that no attempt can mend.
        Permanent = "permanent",
        /// Its attempts are used up.
        Attempts = "attempts",
        /// Its process died three times while the handler ran.
        Crashed = "crashed",
    }
}

/// A row without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InboxRow {
    /// Its number.
    pub id: RowId,
    /// The key that it was accepted with.
    pub key: DedupeKey,
    /// Its handler.
    pub handler: HandlerName,
    /// Its organisation.
    pub organisation: String,
    /// Its lane.
    pub lane: Option<String>,
    /// Its state.
    pub state: RowState,
    /// Why it is dead.
    pub reason: Option<DeadReason>,
    /// The attempts so far.
    pub attempts: u32,
    /// The crashes so far.
    pub crashes: u32,
    /// When it was accepted; of a row with a delay, when that was over: a reminder is as old as its time.
    pub accepted_at: SystemTime,
    /// When it is or was due, when its lease ends, or when it ended.
    pub at: SystemTime,
    /// The last error, redacted.
    pub error: Option<String>,
    /// The bytes of its content, sealed.
    pub bytes: u64,
}

impl InboxRow {
    /// A row that was never attempted.
    #[must_use]
    pub fn new(
        id: RowId,
        key: DedupeKey,
        handler: HandlerName,
        state: RowState,
        accepted_at: SystemTime,
    ) -> Self {
        Self {
            id,
            key,
            handler,
            organisation: String::new(),
            lane: None,
            state,
            reason: None,
            attempts: 0,
            crashes: 0,
            accepted_at,
            at: accepted_at,
            error: None,
            bytes: 0,
        }
    }
}

/// Finds rows: all that are absent match everything.
///
/// ```
/// use kiket_runtime::inbox::{InboxFilter, RowState};
///
/// let dead = InboxFilter::new("com.example.index").state(RowState::Dead).limit(100);
/// assert_eq!((dead.state, dead.event), (Some(RowState::Dead), None));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a filter finds nothing by itself"]
#[non_exhaustive]
pub struct InboxFilter {
    /// The space of the rows.
    pub space: String,
    /// One row.
    pub id: Option<RowId>,
    /// The event of the handler.
    pub event: Option<String>,
    /// The state.
    pub state: Option<RowState>,
    /// The organisation.
    pub organisation: Option<String>,
    /// The most rows; 0 means no limit.
    pub limit: usize,
}

impl InboxFilter {
    /// All rows of a space.
    pub fn new(space: impl Into<String>) -> Self {
        Self { space: space.into(), ..Self::default() }
    }

    setters! {
        /// Only this row.
        id(id: impl Into<Option<RowId>>) => |filter| filter.id = id.into();
        /// Only rows of handlers of this event.
        event(event: impl Into<Option<String>>) => |filter| filter.event = event.into();
        /// Only rows in this state.
        state(state: impl Into<Option<RowState>>) => |filter| filter.state = state.into();
        /// Only rows of this organisation.
        organisation(of: impl Into<Option<String>>) => |filter| filter.organisation = of.into();
        /// At most so many rows.
        limit(limit: usize) => |filter| filter.limit = limit;
    }

    /// The filter for rows in a state, unless it is for others.
    pub(crate) fn only(&self, state: RowState) -> Option<Self> {
        let is_other = self.state.is_some_and(|wanted| wanted != state);
        (!is_other).then(|| self.clone().state(state))
    }
}

/// Which dead rows to redrive, and how fast.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redrive {
    /// The rows; only dead ones are redriven.
    pub filter: InboxFilter,
    /// Over how long their attempts are spread, so that what made them fail is not met by all at once.
    pub spread: Duration,
}

impl Redrive {
    /// The dead rows of `filter`, their attempts spread over this time.
    pub fn new(filter: InboxFilter, spread: Duration) -> Self {
        Self { filter, spread }
    }
}

/// How many rows of a handler are in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InboxCount {
    /// The handler.
    pub handler: HandlerName,
    /// The state.
    pub state: RowState,
    /// The rows.
    pub rows: u64,
    /// How long ago the oldest of them was accepted.
    pub oldest: Duration,
}

impl InboxCount {
    /// So many rows, of which the oldest was accepted so long ago.
    #[must_use]
    pub fn new(handler: HandlerName, state: RowState, rows: u64, oldest: Duration) -> Self {
        Self { handler, state, rows, oldest }
    }
}

/// What [`Inbox::promote`](super::Inbox::promote) did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Rows that wait again, since their lease has expired.
    pub expired: u64,
    /// Rows that are dead, since they have crashed too often.
    pub crashed: u64,
    /// Rows whose retention was over.
    pub removed: u64,
}
