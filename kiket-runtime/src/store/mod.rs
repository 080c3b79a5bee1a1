//! The trait of deduplication stores, and its values: keys, leases, stored replies.

mod error;
mod key;
mod lease;
mod reply;
mod retention;

use std::{pin::Pin, time::Duration};

pub use self::{
    error::StoreError,
    key::DedupeKey,
    lease::{LeaseToken, LeaseTokenError},
    reply::StoredReply,
    retention::Retention,
};

/// A deduplication store: keeps the lease or the stored reply of each delivery, for every process that uses it.
///
/// Each operation is atomic: of any number of concurrent [`begin`](Self::begin)s of one delivery, one gets the lease.
/// Each may be repeated with the same arguments when its result was lost; a repeated `begin` finds the lease of the
/// first, which then has no owner until it expires.
///
/// Time is the store's own, so that the clocks of its clients need not agree. A duration counts in whole milliseconds,
/// at least one.
///
/// ```
/// use std::time::Duration;
/// use kiket_runtime::{StatusCode, dedupe::{BeginOutcome, DedupeKey, DedupeStore, MemoryStore, LeaseState, StoredReply}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), kiket_runtime::dedupe::StoreError> {
/// let store = MemoryStore::new();
/// let key = DedupeKey::new("com.example.marketing", "id:42");
/// let (lease, keep) = (Duration::from_secs(10), Duration::from_secs(86_400));
///
/// let BeginOutcome::Leased(token) = store.begin(&key, lease).await? else { panic!("it is the first") };
/// assert!(matches!(store.begin(&key, lease).await?, BeginOutcome::Running { .. }));
///
/// let reply = StoredReply::new(StatusCode::OK, r#"{"ok":true}"#);
/// assert_eq!(store.commit(&key, &token, &reply, keep).await?, LeaseState::Held);
/// assert_eq!(store.begin(&key, lease).await?, BeginOutcome::Done(reply));
/// # Ok(())
/// # }
/// ```
pub trait DedupeStore: Send + Sync + 'static {
    /// Claims a delivery: takes its lease if it is absent or its lease has expired; else returns what is known of it.
    fn begin<'s>(&'s self, key: &'s DedupeKey, lease: Duration) -> StoreFuture<'s, BeginOutcome>;

    /// Stores the reply of a delivery, as the owner of its lease. To commit again with the same token changes nothing,
    /// and is [`LeaseState::Held`] as long as the reply is kept.
    fn commit<'s>(
        &'s self,
        key: &'s DedupeKey,
        token: &'s LeaseToken,
        reply: &'s StoredReply,
        keep: Duration,
    ) -> StoreFuture<'s, LeaseState>;

    /// Releases the lease, as its owner: the next [`begin`](Self::begin) gets a new one. A stored reply stays.
    fn release<'s>(&'s self, key: &'s DedupeKey, token: &'s LeaseToken) -> StoreFuture<'s, LeaseState>;

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
    /// It is running.
    Running {
        /// How long its lease lasts.
        remaining: Duration,
    },
    /// It has a stored reply.
    Done(StoredReply),
}

/// Whether a lease was held when it was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a lost lease means that nothing was stored"]
#[non_exhaustive]
pub enum LeaseState {
    /// It was held, and the operation took effect.
    Held,
    /// It had expired, was taken over, or was released: nothing was done.
    Lost,
}

/// The longest duration that a store gets: ten years, so that no clock overflows.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

/// A duration as stores count it.
pub(crate) fn countable(duration: Duration) -> Duration {
    duration.clamp(Duration::from_millis(1), LONGEST)
}
