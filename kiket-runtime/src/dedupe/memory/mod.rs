//! The store in the memory of one process.

mod parts;
mod shards;

use std::{future::ready, time::Duration};

use tokio::time::Instant;

use self::shards::{Limits, Shards};
use crate::store::{
    BeginOutcome, DedupeKey, DedupeStore, LeaseState, LeaseToken, StoreFuture, StoredReply, countable,
};

/// The store in the memory of this process: the default. Other processes do not share it, and a restart empties it.
///
/// It holds at most 100,000 deliveries and 64 MiB. When either is reached, the replies that were stored first are
/// evicted before their time, and the log says so; a lease is never evicted before it expires. Expired entries are removed
/// by later calls of [`begin`](DedupeStore::begin), without a task or a thread.
///
/// Each of up to 16 shards has a lock of its own. A cache like `moka` is not used: it chooses what to evict, and may refuse
/// an entry, leases included.
#[derive(Debug)]
pub struct MemoryStore(Shards);

impl MemoryStore {
    /// The most deliveries of [`MemoryStore::new`].
    pub const ENTRIES: usize = 100_000;
    /// The most bytes of [`MemoryStore::new`].
    pub const BYTES: usize = 64 * 1024 * 1024;

    /// An empty store.
    pub fn new() -> Self {
        Self::with_limits(Self::ENTRIES, Self::BYTES)
    }

    /// An empty store for at most `entries` deliveries and about `bytes` of keys and replies. A reply larger than a shard is
    /// not stored: a shard has at least 4 MiB, or all of `bytes` where those are less.
    pub fn with_limits(entries: usize, bytes: usize) -> Self {
        Self(Shards::new(Limits { entries, bytes }))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl DedupeStore for MemoryStore {
    fn begin<'s>(&'s self, key: &'s DedupeKey, lease: Duration) -> StoreFuture<'s, BeginOutcome> {
        Box::pin(ready(self.0.begin(key, Instant::now(), countable(lease))))
    }

    fn commit<'s>(
        &'s self,
        key: &'s DedupeKey,
        token: &'s LeaseToken,
        reply: &'s StoredReply,
        retention: Duration,
    ) -> StoreFuture<'s, LeaseState> {
        Box::pin(ready(self.0.commit(key, *token, reply, Instant::now(), countable(retention))))
    }

    fn release<'s>(&'s self, key: &'s DedupeKey, token: &'s LeaseToken) -> StoreFuture<'s, LeaseState> {
        Box::pin(ready(Ok(self.0.release(key, *token, Instant::now()))))
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    const LEASE: Duration = Duration::from_secs(10);
    const RETENTION: Duration = Duration::from_secs(600);

    fn key(number: usize) -> DedupeKey {
        DedupeKey::new("e", &number.to_string())
    }

    fn reply(bytes: usize) -> StoredReply {
        StoredReply::new(StatusCode::OK, vec![b'x'; bytes])
    }

    async fn lease(store: &MemoryStore, number: usize) -> LeaseToken {
        match store.begin(&key(number), LEASE).await {
            Ok(BeginOutcome::Leased(token)) => token,
            other => panic!("{number}: {other:?}"),
        }
    }

    async fn done(store: &MemoryStore, number: usize, bytes: usize) {
        let token = lease(store, number).await;
        let committed = store.commit(&key(number), &token, &reply(bytes), RETENTION).await.unwrap();
        assert_eq!(committed, LeaseState::Held);
    }

    #[tokio::test(start_paused = true)]
    async fn the_reply_that_was_stored_first_is_evicted_first() {
        let store = MemoryStore::with_limits(3, 1 << 20);
        for number in 0..4 {
            done(&store, number, 1).await;
        }
        lease(&store, 0).await;
        assert!(matches!(store.begin(&key(2), LEASE).await, Ok(BeginOutcome::Done(_))));
        lease(&store, 1).await;
        assert!(matches!(store.begin(&key(3), LEASE).await, Ok(BeginOutcome::Done(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_count_as_entries_do() {
        let store = MemoryStore::with_limits(100, 4096);
        for number in 0..10 {
            done(&store, number, 1000).await;
            assert!(store.0.usage().1 <= 4096);
        }
        assert!(matches!(store.begin(&key(9), LEASE).await, Ok(BeginOutcome::Done(_))));
        lease(&store, 0).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_never_evicted_and_a_full_store_says_so() {
        let store = MemoryStore::with_limits(3, 1 << 20);
        let first = lease(&store, 0).await;
        lease(&store, 1).await;
        done(&store, 2, 1).await;
        lease(&store, 3).await; // in the place of the reply
        let full = store.begin(&key(4), LEASE).await.unwrap_err();
        assert!(full.to_string().contains("full of deliveries that are running"), "{full}");
        assert!(matches!(store.begin(&key(1), LEASE).await, Ok(BeginOutcome::Running { .. })));
        assert_eq!(store.release(&key(0), &first).await.unwrap(), LeaseState::Held);
        lease(&store, 4).await;

        tokio::time::advance(LEASE).await;
        lease(&store, 5).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_larger_than_the_store_is_refused() {
        let store = MemoryStore::with_limits(3, 1000);
        let token = lease(&store, 0).await;
        let error = store.commit(&key(0), &token, &reply(1000), RETENTION).await.unwrap_err();
        assert!(error.to_string().starts_with("a reply of 1000 bytes"), "{error}");
        assert!(matches!(store.begin(&key(0), LEASE).await, Ok(BeginOutcome::Running { .. })));
        assert_eq!(store.commit(&key(0), &token, &reply(10), RETENTION).await.unwrap(), LeaseState::Held);
    }

    #[tokio::test(start_paused = true)]
    async fn expired_entries_are_removed() {
        let store = MemoryStore::new();
        for number in 0..5000 {
            if number % 2 == 0 {
                lease(&store, number).await;
            } else {
                done(&store, number, 10).await;
            }
        }
        tokio::time::advance(RETENTION).await;
        for number in 0..5000 {
            done(&store, 10_000 + number % 100, 10).await;
            tokio::time::advance(RETENTION).await;
        }
        let (entries, bytes) = store.0.usage();
        assert!(entries < 1200 && bytes < 1 << 18, "{entries} entries, {bytes} bytes");
    }
}
