//! What every store of deliveries must do.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;

use crate::store::{BeginOutcome, DedupeKey, DedupeStore, LeaseState, LeaseToken, StoreError, StoredReply};

/// Checks that a store does what [`DedupeStore`] says, for whoever brings one of their own.
///
/// Its keys are new with every run, so that the store may be one that others use. It waits for about half a second,
/// until a lease and an answer have expired; on a paused clock of tokio for no time at all. To check what several
/// processes see, run it in a runtime with several threads, on a store that is spread over several connections.
///
/// ```
/// use std::sync::Arc;
/// use kiket_runtime::{dedupe::MemoryStore, testing::dedupe_store_conformance};
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
    told(store.check().await, "`check` of a store that works");
    let store = Suite { store, run: LeaseToken::unique().to_string() };
    store.a_delivery_is_leased_once().await;
    store.an_answer_comes_back_as_it_was().await;
    store.an_answer_never_changes().await;
    store.a_released_delivery_is_absent().await;
    store.only_the_owner_commits_and_releases().await;
    store.keys_are_told_apart().await;
    store.one_of_many_gets_the_lease().await;
    store.what_has_expired_is_absent().await;
}

struct Suite {
    store: Arc<dyn DedupeStore>,
    /// Tells the keys of this run from those of any other.
    run: String,
}

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
        told(self.store.begin(key, lease).await, "`begin`")
    }

    async fn lease(&self, key: &DedupeKey, lease: Duration, why: &str) -> LeaseToken {
        match self.begin(key, lease).await {
            BeginOutcome::Leased(token) => token,
            found => panic!("`begin` must give a lease {why}, not {found:?}"),
        }
    }

    async fn commit(&self, key: &DedupeKey, token: LeaseToken, answer: &StoredReply) -> LeaseState {
        told(self.store.commit(key, &token, answer, LONG).await, "`commit`")
    }

    async fn release(&self, key: &DedupeKey, token: LeaseToken) -> LeaseState {
        told(self.store.release(key, &token).await, "`release`")
    }

    async fn a_delivery_is_leased_once(&self) {
        let key = self.key("once");
        self.lease(&key, LONG, "for a delivery that nobody has begun").await;
        match self.begin(&key, LONG).await {
            BeginOutcome::Running { remaining } => assert!(
                !remaining.is_zero() && remaining <= LONG,
                "a lease of {LONG:?} cannot have {remaining:?} left"
            ),
            found => panic!("a delivery that is leased must be `Running`, not {found:?}"),
        }
    }

    async fn an_answer_comes_back_as_it_was(&self) {
        let large: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
        let answers = [
            StoredReply::new(StatusCode::OK, r#"{"ok":true}"#),
            StoredReply::new(StatusCode::UNPROCESSABLE_ENTITY, Bytes::new()),
            StoredReply::new(StatusCode::GONE, "{}").with_retry_after(Some(Duration::from_secs(7))),
            StoredReply::new(StatusCode::OK, "{}").with_retry_after(Some(Duration::ZERO)),
            StoredReply::new(StatusCode::OK, large),
        ];
        for (number, answer) in answers.iter().enumerate() {
            let key = self.key(&format!("answer-{number}"));
            let token = self.lease(&key, LONG, "for a new delivery").await;
            let committed = self.commit(&key, token, answer).await;
            assert_eq!(committed, LeaseState::Held, "the owner must be able to commit");
            let again = self.begin(&key, LONG).await;
            let same = matches!(&again, BeginOutcome::Done(stored) if stored == answer);
            let (status, bytes) = (answer.status(), answer.body().len());
            assert!(same, "an answer of {status} with {bytes} bytes must come back as it was");
        }
    }

    async fn an_answer_never_changes(&self) {
        let (key, first) = (self.key("first"), StoredReply::new(StatusCode::OK, "1"));
        let token = self.lease(&key, LONG, "for a new delivery").await;
        let _ = self.commit(&key, token, &first).await;
        let other = StoredReply::new(StatusCode::GONE, "2");
        let again = self.commit(&key, token, &other).await;
        assert_eq!(
            again,
            LeaseState::Held,
            "whoever commits again, for the answer was lost, must be told that it holds"
        );
        let stranger = self.commit(&key, LeaseToken::unique(), &other).await;
        assert_eq!(stranger, LeaseState::Lost, "nobody else commits to a delivery that is done");
        let released = self.release(&key, token).await;
        assert_eq!(released, LeaseState::Lost, "a delivery that is done is not released");
        assert_eq!(
            self.begin(&key, LONG).await,
            BeginOutcome::Done(first),
            "an answer must never change once it is stored"
        );
    }

    async fn a_released_delivery_is_absent(&self) {
        let key = self.key("released");
        let token = self.lease(&key, LONG, "for a new delivery").await;
        assert_eq!(self.release(&key, token).await, LeaseState::Held, "the owner must be able to release");
        let next = self.lease(&key, LONG, "for a delivery that was released").await;
        assert_ne!(next, token, "no two leases may have the same token");
        let (again, late) = (self.release(&key, token).await, self.commit(&key, token, &any()).await);
        assert_eq!(again, LeaseState::Lost, "a former owner must not release");
        assert_eq!(late, LeaseState::Lost, "a former owner must not commit");
        assert_eq!(
            self.commit(&key, next, &any()).await,
            LeaseState::Held,
            "the owner must be able to commit"
        );
    }

    async fn only_the_owner_commits_and_releases(&self) {
        let absent = self.key("absent");
        let stranger = LeaseToken::unique();
        let committed = self.commit(&absent, stranger, &any()).await;
        assert_eq!(committed, LeaseState::Lost, "a delivery that nobody has begun is not committed");
        let released = self.release(&absent, stranger).await;
        assert_eq!(released, LeaseState::Lost, "a delivery that nobody has begun is not released");

        let key = self.key("owned");
        let token = self.lease(&key, LONG, "for a new delivery").await;
        let committed = self.commit(&key, stranger, &any()).await;
        assert_eq!(committed, LeaseState::Lost, "a stranger must not commit");
        let released = self.release(&key, stranger).await;
        assert_eq!(released, LeaseState::Lost, "a stranger must not release");
        assert_eq!(
            self.commit(&key, token, &any()).await,
            LeaseState::Held,
            "the owner must be able to commit"
        );
    }

    async fn keys_are_told_apart(&self) {
        let long = "x".repeat(100_000);
        let longer = "x".repeat(100_001);
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
            let beginning: Vec<_> = (0..8)
                .map(|_| {
                    let (store, key) = (Arc::clone(&self.store), key.clone());
                    tokio::spawn(async move { store.begin(&key, LONG).await })
                })
                .collect();
            let mut tokens = Vec::new();
            for begun in beginning {
                match told(begun.await.expect("`begin` must not panic"), "`begin` beside others") {
                    BeginOutcome::Leased(token) => tokens.push(token),
                    BeginOutcome::Running { .. } => {}
                    BeginOutcome::Done(_) => panic!("a delivery that nobody has committed cannot be done"),
                }
            }
            assert_eq!(
                tokens.len(),
                1,
                "of those who begin at the same time, exactly one must get the lease"
            );
            let committed = self.commit(&key, tokens[0], &any()).await;
            assert_eq!(committed, LeaseState::Held, "the one who got the lease must own it");
        }
    }

    async fn what_has_expired_is_absent(&self) {
        let (lost, taken, answered) = (self.key("lost"), self.key("taken"), self.key("answered"));
        let loser = self.lease(&lost, SHORT, "for a new delivery").await;
        let former = self.lease(&taken, SHORT, "for a new delivery").await;
        let owner_of_answer = self.lease(&answered, LONG, "for a new delivery").await;
        let committed = told(self.store.commit(&answered, &owner_of_answer, &any(), SHORT).await, "`commit`");
        assert_eq!(committed, LeaseState::Held, "the owner must be able to commit");

        tokio::time::sleep(SHORT + LATE).await;
        let late = self.commit(&lost, loser, &any()).await;
        assert_eq!(late, LeaseState::Lost, "a lease that has expired is lost, also when nobody took it over");
        self.lease(&lost, LONG, "when the former one has expired").await;

        let owner = self.lease(&taken, LONG, "when the former one has expired").await;
        let (late, again) = (self.commit(&taken, former, &any()).await, self.release(&taken, former).await);
        assert_eq!(late, LeaseState::Lost, "the owner of a lease that was taken over must not commit");
        assert_eq!(again, LeaseState::Lost, "the owner of a lease that was taken over must not release");
        assert_eq!(
            self.commit(&taken, owner, &any()).await,
            LeaseState::Held,
            "the new owner must be able to commit"
        );

        let next = self.lease(&answered, LONG, "when the time to keep the answer is over").await;
        let late = self.commit(&answered, owner_of_answer, &any()).await;
        assert_eq!(late, LeaseState::Lost, "whoever committed an answer that is forgotten owns nothing");
        assert_eq!(
            self.release(&answered, next).await,
            LeaseState::Held,
            "the owner must be able to release"
        );
    }
}

fn any() -> StoredReply {
    StoredReply::new(StatusCode::OK, "{}")
}

fn told<T>(result: Result<T, StoreError>, what: &str) -> T {
    result.unwrap_or_else(|error| panic!("{what} must not fail: {error:?}"))
}
