//! The traits of deduplication stores and of inboxes, and their values: keys, leases, stored replies, rows.

mod error;
#[cfg(feature = "inbox")]
pub(crate) mod inbox;
mod key;
mod lease;
mod reply;
mod retention;

use std::{any::Any, pin::Pin, sync::Arc, time::Duration};

pub(crate) use self::key::KeySpace;
pub use self::{
    error::{StoreError, StoreErrorKind},
    key::DedupeKey,
    lease::{LeaseToken, LeaseTokenError},
    reply::StoredReply,
    retention::Retention,
};

/// A deduplication store: keeps the lease or the stored reply of each delivery, for every process that uses it.
///
/// Each operation is atomic: of several concurrent calls of [`begin`](Self::begin) for one delivery, one gets the lease. An
/// operation whose result was lost may be repeated with the same arguments; a repeated `begin` finds the lease of the first,
/// which has no owner until it expires.
///
/// The store uses its own clock, so that the clocks of its clients need not agree. Durations count in whole milliseconds, at
/// least one.
///
/// ```
/// use std::time::Duration;
/// use kiket_runtime::{StatusCode, dedupe::{BeginOutcome, DedupeKey, DedupeStore, MemoryStore, LeaseState, StoredReply}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), kiket_runtime::dedupe::StoreError> {
/// let store = MemoryStore::new();
/// let key = DedupeKey::new("com.example.marketing", "id:42");
/// let (lease, retention) = (Duration::from_secs(10), Duration::from_secs(86_400));
///
/// let BeginOutcome::Leased(token) = store.begin(&key, lease).await? else { panic!("it is the first") };
/// assert!(matches!(store.begin(&key, lease).await?, BeginOutcome::Running { .. }));
///
/// let reply = StoredReply::new(StatusCode::OK, r#"{"ok":true}"#);
/// assert_eq!(store.commit(&key, &token, &reply, retention).await?, LeaseState::Held);
/// assert_eq!(store.begin(&key, lease).await?, BeginOutcome::Done(reply));
/// # Ok(())
/// # }
/// ```
pub trait DedupeStore: Send + Sync + 'static {
    /// Claims a delivery: takes the lease if the delivery is absent or its lease has expired. Otherwise returns its state.
    fn begin<'s>(&'s self, key: &'s DedupeKey, lease: Duration) -> StoreFuture<'s, BeginOutcome>;

    /// Stores the reply of a delivery for `retention`, as the owner of its lease. A second commit with the same token changes
    /// nothing, and returns [`LeaseState::Held`] as long as the reply is stored.
    fn commit<'s>(
        &'s self,
        key: &'s DedupeKey,
        token: &'s LeaseToken,
        reply: &'s StoredReply,
        retention: Duration,
    ) -> StoreFuture<'s, LeaseState>;

    /// Releases the lease, as its owner: the next [`begin`](Self::begin) gets a new one. A stored reply stays.
    fn release<'s>(&'s self, key: &'s DedupeKey, token: &'s LeaseToken) -> StoreFuture<'s, LeaseState>;

    /// Whether other processes or extensions may use the same deliveries; by default they may. The start then requires that the
    /// extension has an id: two without one would get each other's replies.
    fn is_shared(&self) -> bool {
        true
    }

    /// The transactions of handlers, in the database of the store.
    #[doc(hidden)]
    fn transactions(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }

    /// Whether the store can be used. kiket calls it at the start.
    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// The future of an operation of a [`DedupeStore`].
pub type StoreFuture<'s, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 's>>;

/// The result of [`DedupeStore::begin`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BeginOutcome {
    /// The delivery is claimed: the owner of this token runs it.
    Leased(LeaseToken),
    /// The delivery is running.
    Running {
        /// The rest of its lease.
        remaining: Duration,
    },
    /// The delivery has a stored reply.
    Done(StoredReply),
}

/// Whether the lease was held when an operation used it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a lost lease means that nothing was stored"]
#[non_exhaustive]
pub enum LeaseState {
    /// The lease was held, and the operation took effect.
    Held,
    /// The lease had expired, or was taken over or released: nothing was done.
    Lost,
}

#[cfg(any(feature = "inbox", feature = "postgres", feature = "redis"))]
impl LeaseState {
    pub(crate) fn held(is_held: bool) -> Self {
        if is_held { Self::Held } else { Self::Lost }
    }
}

/// The longest duration that a store gets: ten years, so that no time overflows.
pub(crate) const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

/// A duration as stores count it.
pub(crate) fn countable(duration: Duration) -> Duration {
    duration.clamp(Duration::from_millis(1), LONGEST)
}
