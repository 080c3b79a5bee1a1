//! What became of a delivery, and the trait of what remembers it.

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

/// Remembers what became of each delivery, for every process that asks.
///
/// Each step is atomic: of any number that begin the same delivery at the same time, one gets the lease. Each may be
/// repeated with the same arguments when its answer was lost, [`begin`](Self::begin) at the price of a lease that
/// nobody holds.
///
/// Time is the store's own, so that the clocks of those who ask need not agree. A duration counts in whole
/// milliseconds, at least one.
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
/// let answer = StoredReply::new(StatusCode::OK, r#"{"ok":true}"#);
/// assert_eq!(store.commit(&key, &token, &answer, keep).await?, LeaseState::Held);
/// assert_eq!(store.begin(&key, lease).await?, BeginOutcome::Done(answer));
/// # Ok(())
/// # }
/// ```
pub trait DedupeStore: Send + Sync + 'static {
    /// Takes the lease of a delivery that is absent, or whose lease has expired; else says what became of it.
    fn begin<'s>(&'s self, key: &'s DedupeKey, lease: Duration) -> StoreFuture<'s, BeginOutcome>;

    /// Stores the answer of a delivery, as the owner of its lease. To commit again with the same token changes
    /// nothing, and is [`LeaseState::Held`] as long as the answer is kept.
    fn commit<'s>(
        &'s self,
        key: &'s DedupeKey,
        token: &'s LeaseToken,
        answer: &'s StoredReply,
        keep: Duration,
    ) -> StoreFuture<'s, LeaseState>;

    /// Gives the lease back, as its owner: the next [`begin`](Self::begin) gets a new one. An answer stays.
    fn release<'s>(&'s self, key: &'s DedupeKey, token: &'s LeaseToken) -> StoreFuture<'s, LeaseState>;

    /// Whether the store can be used: asked at the start, and then by whoever wants to know.
    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What a step of a [`DedupeStore`] gives.
pub type StoreFuture<'s, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 's>>;

/// What [`DedupeStore::begin`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BeginOutcome {
    /// Nobody ran it: now whoever holds this token does.
    Leased(LeaseToken),
    /// Somebody runs it.
    Running {
        /// How long their lease lasts.
        remaining: Duration,
    },
    /// It was answered.
    Done(StoredReply),
}

/// Whether a lease was its owner's when it was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a lost lease means that nothing was stored"]
#[non_exhaustive]
pub enum LeaseState {
    /// It was, and what was asked is done.
    Held,
    /// It had expired, somebody else has it, or it was given back: nothing was done.
    Lost,
}

/// The longest time that a store is asked for: ten years are for ever, and no clock overflows.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

/// A duration as stores count it.
pub(crate) fn countable(duration: Duration) -> Duration {
    duration.clamp(Duration::from_millis(1), LONGEST)
}
