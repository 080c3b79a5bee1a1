//! The trait of inboxes, and its values: accepted deliveries, their states, and leases on them.

mod handler;
mod row;
pub(crate) mod seal;
mod shared;
mod work;

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, SystemTime},
};

pub use self::{
    handler::{HandlerName, HandlerNameError},
    row::{DeadReason, InboxCount, InboxFilter, InboxRow, Redrive, RowId, RowState, Swept, UnknownWordError},
    work::{Acceptance, ClaimRequest, ClaimedWork, NewWork, NotRunError, WorkEnd, WorkLease},
};
use super::{LeaseState, StoreError, StoreFuture};
use crate::types::cut;

/// The time of an operation: that of a test, or none in production, where an inbox uses its own clock, so that the clocks of its
/// clients need not agree.
pub type Now = Option<SystemTime>;

/// An inbox: keeps the deliveries of `later` handlers until they are done, for every process that uses it.
///
/// ```text
///              accept               claim: attempt + 1              finish, as the owner of the lease
/// (nothing) ─────────► waiting ───────────────────► running ──────────────────► done ──(retention)──► gone
///     │ lane taken       ▲  ▲                        │  │  │ permanent, attempts used up, crashes ≥ 3
///     ▼                  │  └── retry at its time ───┘  │  └──────────────────► dead ──redrive──► waiting
///   behind ──promoted────┘       lease expired ─────────┘                        └──(retention)──► gone
/// ```
///
/// - Each operation is atomic and, when it has returned, durable. One whose result was lost may be repeated. Those on many rows
///   ([`redrive`](Self::redrive) to [`forget`](Self::forget)) are for the rows that match when they begin, and may go in steps.
/// - A key is in the inbox once for each space: [`accept`](Self::accept) finds the row of an earlier delivery in any state.
/// - Of the rows of a lane at most one is waiting, running, or blocks the lane; the others are behind it, and are promoted in
///   the order in which they were accepted. Whatever ends a row promotes the next one in the same step.
/// - A lease has one owner, which holds its token. After it has expired the row is claimed by another worker, and its former
///   owner can neither finish nor release nor renew it, even before that.
/// - `now` is `None` in production; tests pass a virtual time. Times are kept in whole milliseconds.
///
/// Test an engine of your own with `kiket::testing::inbox_conformance`.
pub trait Inbox: Send + Sync + 'static {
    /// Stores a delivery, unless its key is there.
    fn accept<'s>(&'s self, work: &'s NewWork, now: Now) -> StoreFuture<'s, Acceptance>;

    /// Claims rows that are due, at most as many as are asked for: their attempts are counted, and they are leased.
    ///
    /// Rows of handlers that are not named, and of events that are paused, stay as they are. Organisations take turns: each
    /// gets one row before one gets its second, in the order of their bytes, beginning after [`ClaimRequest::after`]; within one, the
    /// row that is due longest comes first. A row that has crashed twice is claimed alone, only where the claimer says that nothing else runs.
    fn claim<'s>(&'s self, request: &'s ClaimRequest, now: Now) -> StoreFuture<'s, Vec<ClaimedWork>>;

    /// Whether a row is due that [`claim`](Self::claim) gives only to a claimer in which nothing else runs, of the handlers that are
    /// named and not paused. One that is never idle asks, and rests where the answer is yes. By default it is no: for inboxes that
    /// have no such rows.
    fn waits_alone<'s>(&'s self, request: &'s ClaimRequest, now: Now) -> StoreFuture<'s, bool> {
        let _ = (request, now);
        Box::pin(std::future::ready(Ok(false)))
    }

    /// Renews leases, as their owner, to end after `lease` from now, and notes that their handlers have started: from now on an
    /// expired lease is a crash. The states are in the order of `leases`.
    fn renew<'s>(&'s self, leases: &'s [(WorkLease, Duration)], now: Now)
    -> StoreFuture<'s, Vec<LeaseState>>;

    /// Ends the attempt of a row, as the owner of its lease.
    fn finish<'s>(&'s self, lease: &'s WorkLease, end: &'s WorkEnd, now: Now) -> StoreFuture<'s, LeaseState>;

    /// Gives a row back, as the owner of its lease: the attempt is not counted, and the row is due after `delay`.
    fn release<'s>(&'s self, lease: &'s WorkLease, delay: Duration, now: Now) -> StoreFuture<'s, LeaseState>;

    /// Looks after the rows of a space: expired leases end (a crash is counted where the handler had started, and the third makes
    /// the row dead; where it had not, the attempt is not counted), and done and dead rows whose retention is over are removed. At most a thousand rows of each kind at once.
    fn promote<'s>(&'s self, space: &'s str, now: Now) -> StoreFuture<'s, Swept>;

    /// The rows that the filter finds, the oldest first. Their contents are not read.
    fn list<'s>(&'s self, filter: &'s InboxFilter) -> StoreFuture<'s, Vec<InboxRow>>;

    /// How many rows there are by handler and state, and the age of the oldest.
    fn count<'s>(&'s self, space: &'s str) -> StoreFuture<'s, Vec<InboxCount>>;

    /// Makes dead rows wait again, with their attempts and crashes at zero.
    fn redrive<'s>(&'s self, redrive: &'s Redrive, now: Now) -> StoreFuture<'s, u64>;

    /// Makes waiting rows due now, whose next attempt was later.
    fn hurry<'s>(&'s self, filter: &'s InboxFilter, now: Now) -> StoreFuture<'s, u64>;

    /// Removes rows that do not run.
    fn drop_rows<'s>(&'s self, filter: &'s InboxFilter, now: Now) -> StoreFuture<'s, u64>;

    /// Removes every row of an organisation; what runs loses its lease.
    fn forget<'s>(&'s self, space: &'s str, organisation: &'s str, now: Now) -> StoreFuture<'s, u64>;

    /// Whether rows of an event are claimed: a paused event is accepted and not started.
    fn pause<'s>(&'s self, space: &'s str, event: &'s str, paused: bool) -> StoreFuture<'s, ()>;

    /// The paused events, sorted.
    fn paused<'s>(&'s self, space: &'s str) -> StoreFuture<'s, Vec<String>>;

    /// Wakes workers of other processes, if the inbox can: they poll anyway.
    fn notify<'s>(&'s self, space: &'s str) -> StoreFuture<'s, ()> {
        let _ = space;
        Box::pin(std::future::ready(Ok(())))
    }

    /// Waits until another process [notified](Self::notify); for ever, where the inbox cannot know.
    fn notified<'s>(&'s self, space: &'s str) -> StoreFuture<'s, ()> {
        let _ = space;
        Box::pin(std::future::pending())
    }

    /// Whether what the inbox keeps outlives the process, its container and its machine, as far as that is known before it is
    /// opened. The start stops where it does not.
    ///
    /// # Errors
    ///
    /// What to change.
    fn lasts(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// The transactions of handlers, in the database of the inbox.
    #[doc(hidden)]
    fn transactions(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }

    /// Whether the inbox can be used. kiket calls it at the start.
    fn check(&self) -> StoreFuture<'_, ()>;
}

/// The error of a row, as an inbox keeps it: at most 2 KiB.
pub(crate) fn short(error: &str) -> &str {
    cut(error, 2048)
}

/// After so many crashes a row runs alone.
pub(crate) const ALONE_AFTER: u32 = 2;

/// After so many crashes a row is dead.
pub(crate) const DEAD_AFTER: u32 = 3;

/// How long a row that is done is kept, without its content: as long as Kiket may send its delivery again.
pub(crate) const DONE_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a dead row is kept.
pub(crate) const DEAD_RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);
