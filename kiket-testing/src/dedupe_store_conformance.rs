//! What every store of deliveries must do.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use kiket_runtime::dedupe::{
    BeginOutcome, DedupeKey, DedupeStore,
    LeaseState::{self, Held, Lost},
    LeaseToken, StoreError, StoredReply,
};

/// Checks that a store does what [`DedupeStore`] says, for stores of your own.
///
/// Its keys are new with every run, so that the store may be one that others use. It waits for about half a second,
/// until a lease and a stored reply have expired; on a paused clock of tokio for no time at all. To check what several
/// processes see, run it in a runtime with several threads, on a store that is spread over several connections.
///
/// ```
/// use std::sync::Arc;
/// use kiket_runtime::dedupe::MemoryStore;
/// use kiket_testing::dedupe_store_conformance;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// dedupe_store_conformance(Arc::new(MemoryStore::new())).await;
/// # }
/// ```
///
/// # Panics
///
/// When the store does something else, with a sentence about what.
pub async fn dedupe_store_conformance(store: Arc<dyn DedupeStore>) {
    ok(store.check().await, "`check` of a store that works");
    let store = Suite { store, run: LeaseToken::unique().to_string() };
    store.a_delivery_is_leased_once().await;
    store.a_reply_comes_back_as_it_was().await;
    store.a_reply_never_changes().await;
    store.a_released_delivery_is_absent().await;
    store.only_the_owner_commits_and_releases().await;
    store.keys_are_distinguished().await;
    store.one_of_many_gets_the_lease().await;
    store.what_has_expired_is_absent().await;
}

struct Suite {
    store: Arc<dyn DedupeStore>,
    /// Distinguishes the keys of this run from those of any other.
    run: String,
}

/// What a commit or a release has to find, and why.
type Expected = (LeaseState, &'static str);

/// Longer than a run.
const LONG: Duration = Duration::from_secs(600);
/// Short enough to wait for.
const SHORT: Duration = Duration::from_millis(400);
/// What a store may be late by when it counts time.
const LATE: Duration = Duration::from_millis(50);

impl Suite {
    fn key(&self, name: &str) -> DedupeKey {
        DedupeKey::new(&format!("conformance-{}", self.run), name)
    }

    async fn begin(&self, key: &DedupeKey, lease: Duration) -> BeginOutcome {
        ok(self.store.begin(key, lease).await, "`begin`")
    }

    async fn lease(&self, key: &DedupeKey, lease: Duration, why: &str) -> LeaseToken {
        match self.begin(key, lease).await {
            BeginOutcome::Leased(token) => token,
            found => panic!("`begin` must give a lease {why}, not {found:?}"),
        }
    }

    async fn commit(&self, key: &DedupeKey, token: LeaseToken, reply: &StoredReply, (held, why): Expected) {
        assert_eq!(ok(self.store.commit(key, &token, reply, LONG).await, "`commit`"), held, "{why}");
    }

    async fn release(&self, key: &DedupeKey, token: LeaseToken, (held, why): Expected) {
        assert_eq!(ok(self.store.release(key, &token).await, "`release`"), held, "{why}");
    }

    async fn a_delivery_is_leased_once(&self) {
        let key = self.key("once");
        self.lease(&key, LONG, "for a new delivery").await;
        match self.begin(&key, LONG).await {
            BeginOutcome::Running { remaining } if !remaining.is_zero() && remaining <= LONG => {}
            found => {
                panic!("a delivery with a lease of {LONG:?} must be `Running` at most as long, not {found:?}")
            }
        }
    }

    async fn a_reply_comes_back_as_it_was(&self) {
        let large: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
        let replies = [
            StoredReply::new(StatusCode::OK, r#"{"ok":true}"#),
            StoredReply::new(StatusCode::UNPROCESSABLE_ENTITY, Bytes::new()),
            StoredReply::new(StatusCode::GONE, "{}").with_retry_after(Some(Duration::from_secs(7))),
            StoredReply::new(StatusCode::OK, "{}").with_retry_after(Some(Duration::ZERO)),
            StoredReply::new(StatusCode::OK, "{}").with_request_hash(NonZeroU64::new(7)),
            StoredReply::new(StatusCode::OK, large),
        ];
        for (number, reply) in replies.iter().enumerate() {
            let key = self.key(&format!("reply-{number}"));
            let token = self.lease(&key, LONG, "for a new delivery").await;
            self.commit(&key, token, reply, OWNER_COMMITS).await;
            let again = self.begin(&key, LONG).await;
            // Whether the hash of the request is kept is up to the store.
            let same =
                |stored: &StoredReply| stored.clone().with_request_hash(reply.request_hash()) == *reply;
            let same = matches!(&again, BeginOutcome::Done(stored) if same(stored));
            let (status, bytes) = (reply.status(), reply.body().len());
            assert!(same, "a reply of {status} with {bytes} bytes must come back as it was");
        }
    }

    async fn a_reply_never_changes(&self) {
        let (key, first) = (self.key("first"), StoredReply::new(StatusCode::OK, "1"));
        let token = self.lease(&key, LONG, "for a new delivery").await;
        self.commit(&key, token, &first, OWNER_COMMITS).await;
        let other = StoredReply::new(StatusCode::GONE, "2");
        let again = "an owner that commits again, because a response was lost, must learn that it holds";
        self.commit(&key, token, &other, (Held, again)).await;
        let stranger = (Lost, "only its owner commits to a delivery that is done");
        self.commit(&key, LeaseToken::unique(), &other, stranger).await;
        self.release(&key, token, (Lost, "a delivery that is done is not released")).await;
        let found = self.begin(&key, LONG).await;
        assert_eq!(found, BeginOutcome::Done(first), "a reply must never change once it is stored");
    }

    async fn a_released_delivery_is_absent(&self) {
        let key = self.key("released");
        let token = self.lease(&key, LONG, "for a new delivery").await;
        self.release(&key, token, OWNER_RELEASES).await;
        let next = self.lease(&key, LONG, "for a delivery that was released").await;
        assert_ne!(next, token, "no two leases may have the same token");
        self.release(&key, token, (Lost, "a former owner must not release")).await;
        self.commit(&key, token, &any(), (Lost, "a former owner must not commit")).await;
        self.commit(&key, next, &any(), OWNER_COMMITS).await;
    }

    async fn only_the_owner_commits_and_releases(&self) {
        let (absent, stranger) = (self.key("absent"), LeaseToken::unique());
        self.commit(&absent, stranger, &any(), (Lost, "a delivery without a lease is not committed")).await;
        self.release(&absent, stranger, (Lost, "a delivery without a lease is not released")).await;

        let key = self.key("owned");
        let token = self.lease(&key, LONG, "for a new delivery").await;
        self.commit(&key, stranger, &any(), (Lost, "a stranger must not commit")).await;
        self.release(&key, stranger, (Lost, "a stranger must not release")).await;
        self.commit(&key, token, &any(), OWNER_COMMITS).await;
    }

    async fn keys_are_distinguished(&self) {
        let (long, longer) = ("x".repeat(100_000), "x".repeat(100_001));
        let names =
            ["", "a", "A", "a ", "a\0", "a/b", "a{b}", "a:b", "ä", "'; --", "%", "_", "*", &long, &longer];
        for name in names {
            let key = self.key(name);
            let name: String = name.chars().take(10).collect();
            self.lease(&key, LONG, &format!("for {name:?}, which is no other key")).await;
        }
        let other = DedupeKey::new("conformance-other", &format!("{}-a", self.run));
        self.lease(&other, LONG, "for the same id in another namespace").await;
    }

    async fn one_of_many_gets_the_lease(&self) {
        for round in 0..8 {
            let key = self.key(&format!("many-{round}"));
            let begin = |_| {
                let (store, key) = (Arc::clone(&self.store), key.clone());
                tokio::spawn(async move { store.begin(&key, LONG).await })
            };
            let beginning: Vec<_> = (0..8).map(begin).collect();
            let mut tokens = Vec::new();
            for begun in beginning {
                match ok(begun.await.expect("`begin` must not panic"), "`begin` beside others") {
                    BeginOutcome::Leased(token) => tokens.push(token),
                    BeginOutcome::Running { .. } => {}
                    other => panic!("a delivery that was not committed cannot be {other:?}"),
                }
            }
            assert_eq!(
                tokens.len(),
                1,
                "of several `begin`s at the same time, exactly one must get the lease"
            );
            self.commit(&key, tokens[0], &any(), OWNER_COMMITS).await;
        }
    }

    async fn what_has_expired_is_absent(&self) {
        let (lost, taken, done) = (self.key("lost"), self.key("taken"), self.key("done"));
        let loser = self.lease(&lost, SHORT, "for a new delivery").await;
        let former = self.lease(&taken, SHORT, "for a new delivery").await;
        let committed = self.lease(&done, LONG, "for a new delivery").await;
        let found = ok(self.store.commit(&done, &committed, &any(), SHORT).await, "`commit`");
        assert_eq!(found, OWNER_COMMITS.0, "{}", OWNER_COMMITS.1);

        tokio::time::sleep(SHORT + LATE).await;
        self.commit(&lost, loser, &any(), (Lost, "an expired lease is lost, also without another owner"))
            .await;
        self.lease(&lost, LONG, "when the former one has expired").await;

        let owner = self.lease(&taken, LONG, "when the former one has expired").await;
        self.commit(&taken, former, &any(), (Lost, "the owner of a lease taken over must not commit")).await;
        self.release(&taken, former, (Lost, "the owner of a lease taken over must not release")).await;
        self.commit(&taken, owner, &any(), OWNER_COMMITS).await;

        let next = self.lease(&done, LONG, "when the time to keep the reply is over").await;
        self.commit(&done, committed, &any(), (Lost, "the owner of an expired reply owns nothing")).await;
        self.release(&done, next, OWNER_RELEASES).await;
    }
}

const OWNER_COMMITS: Expected = (Held, "the owner must be able to commit");
const OWNER_RELEASES: Expected = (Held, "the owner must be able to release");

fn any() -> StoredReply {
    StoredReply::new(StatusCode::OK, "{}")
}

fn ok<T>(result: Result<T, StoreError>, what: &str) -> T {
    result.unwrap_or_else(|error| panic!("{what} must not fail: {error:?}"))
}

#[cfg(test)]
mod tests {
    use kiket_runtime::dedupe::MemoryStore;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_store_in_memory_conforms() {
        dedupe_store_conformance(Arc::new(MemoryStore::new())).await;
    }
}
