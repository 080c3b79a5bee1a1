//! Deduplication: a delivery is claimed before its handler runs, and its response is stored after.

use std::{pin::Pin, sync::Arc, time::Duration};

use tokio::time::Instant;

#[cfg(feature = "postgres")]
use super::transaction::{Held, Owner};
use super::{outcome::Stop, response::Response};
use crate::{
    dedupe::{MemoryStore, Name},
    delivery::Delivery,
    error::{Chain, Rejection},
    handler::Route,
    metrics::{Metrics, StoreCounts},
    store::{
        BeginOutcome, DedupeKey, DedupeStore, LeaseState, LeaseToken, Retention, StoreError, StoreFuture,
        StoredReply,
    },
    telemetry::panicked,
    types::{caught_to_end, is_guard, within},
};

/// How an extension deduplicates its deliveries.
pub(crate) struct Deduplicator {
    pub(crate) store: Store,
    pub(crate) retention: Retention,
    /// Whether deliveries run while the store is down, at the risk of running twice.
    pub(crate) run_without_store: bool,
    pub(crate) metrics: Arc<Metrics>,
}

/// Where deliveries are claimed.
pub(crate) enum Store {
    /// The memory of this process, if none was configured. Its operations take no future, and a key is hashed once.
    Memory(Box<MemoryStore>),
    Configured(Arc<dyn DedupeStore>),
}

/// The right to run a delivery and to store its response; it may be that of a delivery that is not deduplicated.
#[must_use = "a claim that is not settled blocks the delivery until its lease ends"]
pub(super) struct Claim<'d>(Option<LeaseGuard<'d>>);

struct LeaseGuard<'d> {
    place: Place<'d>,
    retention: Duration,
    token: LeaseToken,
    counted: &'d StoreCounts,
    delivery: Delivery,
    /// Whether the event asks for a decision.
    guards: bool,
}

/// The place of a delivery in a store.
enum Place<'d> {
    Memory(&'d MemoryStore, Name),
    Configured(&'d dyn DedupeStore, DedupeKey),
}

/// How far the lease reaches beyond the deadline of the handler: the response must be stored in it.
const BEYOND_DEADLINE: Duration = Duration::from_secs(5);

/// The timeout of the check at the start.
const CHECK: Duration = Duration::from_secs(30);

impl Deduplicator {
    /// Logs at the start whether the store can be used. One that cannot does not stop the start: it may be back before the
    /// first delivery, and until then deliveries are retried.
    pub(crate) async fn check(&self) {
        let Store::Configured(store) = &self.store else { return };
        let checked = before(Instant::now() + CHECK, store.check(), "it does not respond").await;
        if let Err(error) = checked {
            tracing::error!(error = %Chain(&error), "the deduplication store cannot be used now");
        }
    }

    async fn claim(&self, delivery: &Delivery, route: &Route) -> Result<Claim<'_>, Stop> {
        let key = delivery.services().keys.key(|text| delivery.write_work_key(text));
        let lease = delivery.remaining() + BEYOND_DEADLINE;
        let (begun, place) = match &self.store {
            Store::Memory(store) => {
                let name = store.name(&key);
                (store.begin_now(name, lease), Place::Memory(store, name))
            }
            Store::Configured(store) => {
                // A store of the user's may have no timeout of its own.
                let late = "it does not respond before the delivery's deadline";
                let begun =
                    Box::pin(caught_to_end(before(delivery.deadline(), store.begin(&key, lease), late)))
                        .await;
                let begun = begun.unwrap_or_else(|text| Err(panicked(&text)));
                (begun, Place::Configured(&**store, key))
            }
        };
        let counted = &self.metrics.store;
        match begun {
            Ok(BeginOutcome::Leased(token)) => {
                let (delivery, guards) = (delivery.clone(), is_guard(delivery.event().as_str()));
                let retention = self.retention.duration();
                hold(route, &delivery, &place, token, retention);
                Ok(Claim(Some(LeaseGuard { place, retention, token, counted, delivery, guards })))
            }
            Ok(BeginOutcome::Done(stored)) => {
                counted.replayed.add();
                if stored.request_hash().is_some_and(|hash| Some(hash) != delivery.fingerprint()) {
                    tracing::warn!(
                        "the delivery has the id of another one with another body: it gets the reply of that one, and its \
                         handler does not run"
                    );
                }
                Err(Stop::Replayed(stored))
            }
            Ok(BeginOutcome::Running { remaining }) => {
                counted.running.add();
                Err(Stop::refused(Rejection::still_running(remaining)))
            }
            Err(error) if self.run_without_store => {
                counted.begin_errors.add();
                tracing::error!(error = %Chain(&error), "the deduplication store is down: the delivery runs without it");
                Ok(Claim::none())
            }
            Err(error) => {
                counted.begin_errors.add();
                tracing::error!(error = %Chain(&error), "the deduplication store is down: the delivery has to be sent again");
                Err(Stop::refused(Rejection::STORE_DOWN))
            }
        }
    }
}

/// Claims the delivery, where its handler is deduplicated. Stops one whose handler runs later, which is to be accepted instead; stops with the stored reply of an earlier attempt; with 503 while
/// another attempt runs, or where the store is down.
pub(super) async fn claim<'d>(
    deduplicator: Option<&'d Deduplicator>,
    delivery: &Delivery,
    route: &Route,
) -> Result<Claim<'d>, Stop> {
    match deduplicator {
        Some(deduplicator) if route.handler.dedupe => deduplicator.claim(delivery, route).await,
        #[cfg(feature = "inbox")]
        _ if route.handler.later.is_some() => Err(Stop::Accepted),
        _ => Ok(Claim::none()),
    }
}

/// Gives the delivery a transaction that ends with its stored reply, if its handler takes one.
#[cfg(feature = "postgres")]
fn hold(route: &Route, delivery: &Delivery, place: &Place<'_>, token: LeaseToken, retention: Duration) {
    if let (Place::Configured(_, key), true) = (place, route.handler.requirements.takes_transaction) {
        Held::insert(delivery, Owner::Reply { key: key.clone(), token, retention });
    }
}

#[cfg(not(feature = "postgres"))]
fn hold(_: &Route, _: &Delivery, _: &Place<'_>, _: LeaseToken, _: Duration) {}

/// What is left to be awaited until a claim is settled. It ends with a rejection if the effects of the handler were rolled back.
type Settling<'c> = Pin<Box<dyn Future<Output = Option<Rejection>> + Send + 'c>>;

impl<'c> Claim<'c> {
    /// The claim of a delivery that is not deduplicated.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Stores a final response for later attempts; else releases the lease, so that the next attempt runs. The steps of a store
    /// that may wait are left to be awaited, boxed, so that no delivery without one takes their memory.
    ///
    /// A transaction of the handler is committed with the response if the handler has `succeeded`, and rolled back otherwise.
    pub(super) fn settle(self, response: &Response, succeeded: bool) -> Option<Settling<'c>> {
        let LeaseGuard { place, retention, token, counted, delivery, guards } = self.0?;
        let reply = response.is_final().then(|| {
            let reply = StoredReply::new(response.status, response.body.clone());
            reply.with_decision(response.is_decision || guards).with_request_hash(delivery.fingerprint())
        });
        match (place, reply) {
            (Place::Memory(store, name), Some(reply)) => {
                committed(counted, Ok(store.commit_now(name, token, &reply, retention)));
                None
            }
            (Place::Memory(store, name), None) => {
                let _ = store.release_now(name, token);
                None
            }
            (Place::Configured(store, key), Some(reply)) => Some(Box::pin(async move {
                match transacted(&delivery, Some(&reply).filter(|_| succeeded)).await {
                    None => {
                        committed(counted, in_lease(store.commit(&key, &token, &reply, retention)).await);
                        None
                    }
                    Some(Ok(state)) => {
                        committed(counted, Ok(state));
                        (state == LeaseState::Lost).then(|| Rejection::still_running(Duration::ZERO))
                    }
                    Some(Err(error)) => {
                        committed(counted, Err(error));
                        released(counted, in_lease(store.release(&key, &token)).await);
                        Some(Rejection::STORE_DOWN)
                    }
                }
            })),
            (Place::Configured(store, key), None) => Some(Box::pin(async move {
                transacted(&delivery, None).await;
                released(counted, in_lease(store.release(&key, &token)).await);
                None
            })),
        }
    }
}

/// Commits the transaction of the handler with the reply, or rolls it back without one. `None` if it has none.
#[cfg(feature = "postgres")]
async fn transacted(
    delivery: &Delivery,
    reply: Option<&StoredReply>,
) -> Option<Result<LeaseState, StoreError>> {
    let held = delivery.get::<Held>()?;
    let until = Instant::now() + BEYOND_DEADLINE;
    let Some(reply) = reply else {
        within(Box::pin(held.roll_back()), until).await;
        return None;
    };
    let late = || Some(Err(StoreError::new("the transaction is not committed in time")));
    within(Box::pin(held.commit_reply(reply)), until).await.unwrap_or_else(late)
}

#[cfg(not(feature = "postgres"))]
#[expect(clippy::unused_async, reason = "as with transactions")]
async fn transacted(_: &Delivery, _: Option<&StoredReply>) -> Option<Result<LeaseState, StoreError>> {
    None
}

fn committed(counted: &StoreCounts, committed: Result<LeaseState, StoreError>) {
    match committed {
        Ok(LeaseState::Held) => {}
        Ok(LeaseState::Lost) => {
            counted.leases_lost.add();
            tracing::warn!(
                "lease expired before the reply was stored; another process may have handled the delivery again"
            );
        }
        // The handler ran all the same; an attempt after the lease may run it again.
        Err(error) => {
            counted.commit_errors.add();
            tracing::error!(error = %Chain(&error), "the reply could not be stored");
        }
    }
}

fn released<T>(counted: &StoreCounts, released: Result<T, StoreError>) {
    if let Err(error) = released {
        counted.release_errors.add();
        tracing::error!(error = %Chain(&error), "the lease could not be given back: it ends by itself");
    }
}

/// A step at the end of a lease, within its remaining time.
async fn in_lease<T>(step: StoreFuture<'_, T>) -> Result<T, StoreError> {
    before(Instant::now() + BEYOND_DEADLINE, step, "it does not respond before the lease is over").await
}

/// A step of the store, which fails with the text `late` at `deadline`.
pub(super) async fn before<T>(
    deadline: Instant,
    step: StoreFuture<'_, T>,
    late: &'static str,
) -> Result<T, StoreError> {
    within(step, deadline).await.unwrap_or_else(|| Err(StoreError::new(late)))
}
