//! The store in the memory of one process.

mod parts;
mod shards;

use std::{future::ready, time::Duration};

use tokio::time::Instant;

pub(crate) use self::shards::Name;
use self::shards::{Limits, Shards};
use crate::store::{
    BeginOutcome, DedupeKey, DedupeStore, LeaseState, LeaseToken, StoreError, StoreFuture, StoredReply,
    countable,
};

/// The store in the memory of this process: the default. Other processes do not share it, and a restart empties it.
///
/// It holds at most 500,000 deliveries, at up to 72 bytes each, and 64 MiB of replies beside them; `{"ok":true}` takes no room.
/// So it covers 24 h at up to 5 deliveries a second. When the replies reach their limit, large bodies are evicted first, those
/// that were stored first before others: a redelivery then gets the status with `{"ok":true}`, and its handler does not run.
/// Bodies of at most 1 KiB and the decisions of guards leave with their delivery only: when all of the limit is theirs, or there
/// are too many deliveries, those that were done first are evicted before their time, and a late redelivery would run again.
/// The log says so. A lease is never evicted before it expires. Expired entries are removed by later calls of
/// [`begin`](DedupeStore::begin), without a task or a thread.
///
/// Each of up to 16 shards has a lock of its own. A cache like `moka` is not used: it chooses what to evict, and may refuse
/// an entry, leases included.
#[derive(Debug)]
pub struct MemoryStore(Shards);

impl MemoryStore {
    /// The most deliveries of [`MemoryStore::new`].
    pub const ENTRIES: usize = 500_000;
    /// The most bytes of replies of [`MemoryStore::new`].
    pub const BYTES: usize = 64 * 1024 * 1024;

    /// An empty store.
    pub fn new() -> Self {
        Self::with_limits(Self::ENTRIES, Self::BYTES)
    }

    /// An empty store for at most `entries` deliveries, and about `bytes` of replies besides. A large reply that is larger than
    /// a shard is not stored, but that its delivery is done: a shard has at least 4 MiB, or all of `bytes` where those are less.
    pub fn with_limits(entries: usize, bytes: usize) -> Self {
        Self(Shards::new(Limits { entries, bytes }))
    }

    /// The name of a delivery, for the operations below: those of [`DedupeStore`] at once, without a future.
    pub(crate) fn name(&self, key: &DedupeKey) -> Name {
        self.0.name(key)
    }

    pub(crate) fn begin_now(&self, name: Name, lease: Duration) -> Result<BeginOutcome, StoreError> {
        self.0.begin(name, Instant::now(), countable(lease))
    }

    pub(crate) fn commit_now(
        &self,
        name: Name,
        token: LeaseToken,
        reply: &StoredReply,
        retention: Duration,
    ) -> LeaseState {
        self.0.commit(name, token, reply, Instant::now(), countable(retention))
    }

    pub(crate) fn release_now(&self, name: Name, token: LeaseToken) -> LeaseState {
        self.0.release(name, token, Instant::now())
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl DedupeStore for MemoryStore {
    fn begin<'s>(&'s self, key: &'s DedupeKey, lease: Duration) -> StoreFuture<'s, BeginOutcome> {
        Box::pin(ready(self.begin_now(self.name(key), lease)))
    }

    fn commit<'s>(
        &'s self,
        key: &'s DedupeKey,
        token: &'s LeaseToken,
        reply: &'s StoredReply,
        retention: Duration,
    ) -> StoreFuture<'s, LeaseState> {
        Box::pin(ready(Ok(self.commit_now(self.name(key), *token, reply, retention))))
    }

    fn release<'s>(&'s self, key: &'s DedupeKey, token: &'s LeaseToken) -> StoreFuture<'s, LeaseState> {
        Box::pin(ready(Ok(self.release_now(self.name(key), *token))))
    }

    fn is_shared(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::store::StoreErrorKind;

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

    async fn stored(store: &MemoryStore, number: usize) -> StoredReply {
        match store.begin(&key(number), LEASE).await {
            Ok(BeginOutcome::Done(stored)) => stored,
            other => panic!("{number}: {other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn small_bodies_leave_with_their_delivery() {
        let store = MemoryStore::with_limits(100, 4096);
        for number in 0..10 {
            done(&store, number, 1000).await;
            assert!(store.0.usage().1 <= 4096);
        }
        assert_eq!(stored(&store, 9).await, reply(1000));
        lease(&store, 0).await;
    }

    #[tokio::test(start_paused = true)]
    async fn large_bodies_go_first_and_no_delivery_runs_again() {
        let store = MemoryStore::with_limits(1000, 1 << 20);
        for number in 0..100 {
            done(&store, number, if number % 2 == 0 { 64 << 10 } else { 1024 }).await;
        }
        let (_, bytes, _) = store.0.usage();
        assert!(bytes <= 1 << 20, "{bytes}");
        let mut whole = 0;
        for number in 0..100 {
            let stored = stored(&store, number).await;
            let bytes = if number % 2 == 0 { 64 << 10 } else { 1024 };
            whole += usize::from(bytes > 1024 && stored == reply(bytes));
            let body = stored.body();
            assert!(*body == vec![b'x'; bytes] || bytes > 1024 && body == r#"{"ok":true}"#, "{number}");
        }
        // Those that were stored last.
        assert!((10..50).contains(&whole), "{whole}");
        assert_eq!(stored(&store, 98).await, reply(64 << 10));
    }

    #[tokio::test(start_paused = true)]
    async fn the_decision_of_a_guard_is_never_replaced() {
        let store = MemoryStore::with_limits(1000, 16 << 10);
        let decide = async |number: usize, bytes: usize| {
            let token = lease(&store, number).await;
            let decision = reply(bytes).with_decision(true);
            let held = store.commit(&key(number), &token, &decision, RETENTION).await.unwrap();
            assert_eq!(held, LeaseState::Held);
        };
        decide(0, 4 << 10).await;
        for number in 1..50 {
            done(&store, number, 8 << 10).await;
        }
        assert_eq!(stored(&store, 0).await.body(), &vec![b'x'; 4 << 10]);
        assert_eq!(stored(&store, 1).await.body(), r#"{"ok":true}"#);
        // Rather than a decision without its body, the deliveries that were done first go.
        for number in 50..54 {
            decide(number, 4 << 10).await;
        }
        lease(&store, 0).await;
        assert_eq!(stored(&store, 53).await.body().len(), 4 << 10);
        decide(54, 1 << 20).await; // larger than the store: alone
        assert_eq!(stored(&store, 54).await.body().len(), 1 << 20);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_larger_than_the_store_keeps_its_status() {
        let store = MemoryStore::with_limits(3, 2000);
        let token = lease(&store, 0).await;
        let gone = StoredReply::new(StatusCode::GONE, vec![b'x'; 5 << 20]);
        let held = store.commit(&key(0), &token, &gone, RETENTION).await.unwrap();
        assert_eq!(held, LeaseState::Held);
        assert_eq!(stored(&store, 0).await, StoredReply::new(StatusCode::GONE, r#"{"ok":true}"#));
        assert_eq!((store.0.usage().0, store.0.usage().1), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_delivery_costs_at_most_72_bytes() {
        // One shard with as many deliveries as each of the 16 has by default.
        let (most, bytes) = (MemoryStore::ENTRIES / 16, 4 << 20);
        let store = MemoryStore::with_limits(most, bytes);
        let ok = StoredReply::new(StatusCode::OK, r#"{"ok":true}"#);
        for number in 0..most + 1000 {
            let token = lease(&store, number).await;
            let _ = store.commit(&key(number), &token, &ok, RETENTION).await.unwrap();
        }
        let (entries, bytes, of_marks) = store.0.usage();
        assert_eq!((entries, bytes), (most, 0));
        assert!(of_marks <= 72 * most, "{of_marks}");
        assert_eq!(stored(&store, 1000).await, ok);
        lease(&store, 999).await;
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
        assert_eq!(full.kind(), StoreErrorKind::Full);
        assert!(matches!(store.begin(&key(1), LEASE).await, Ok(BeginOutcome::Running { .. })));
        assert_eq!(store.release(&key(0), &first).await.unwrap(), LeaseState::Held);
        lease(&store, 4).await;

        tokio::time::advance(LEASE).await;
        lease(&store, 5).await;
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
        let (entries, bytes, _) = store.0.usage();
        assert!(entries < 1200 && bytes < 1 << 18, "{entries} entries, {bytes} bytes");
    }
}
