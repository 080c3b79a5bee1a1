//! Runs a delivery once: takes its lease before the handler, and stores its answer after.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    delivery::Delivery,
    error::Rejection,
    handler::within,
    store::{
        BeginOutcome, DedupeKey, DedupeStore, LeaseState, LeaseToken, Retention, StoreError, StoreFuture,
        StoredReply,
    },
};

/// How an extension remembers its deliveries.
pub(crate) struct Once {
    pub(crate) store: Arc<dyn DedupeStore>,
    /// Whether somebody chose the store; else it is the memory of this process.
    pub(crate) chosen: bool,
    pub(crate) keep: Retention,
    /// Whether deliveries run while the store is down, at the risk of running twice.
    pub(crate) run_without_store: bool,
}

/// What to do with a delivery.
pub(crate) enum Turn<'o> {
    /// It is the first, or comes again after a failure.
    Run(Lease<'o>),
    /// It was answered.
    Replay(StoredReply),
    /// It runs elsewhere, or nobody knows.
    Refuse(Box<Rejection>),
}

/// The right to run a delivery, and to store its answer.
pub(crate) struct Lease<'o>(Option<Held<'o>>);

struct Held<'o> {
    once: &'o Once,
    key: DedupeKey,
    token: LeaseToken,
}

/// How much longer than its handler may run a delivery is leased: storing its answer takes time, too.
const BEYOND_DEADLINE: Duration = Duration::from_secs(5);

/// How long a store is asked for at the start.
const AT_THE_START: Duration = Duration::from_secs(30);

impl Once {
    /// Tells at the start whether the store can be used. One that cannot does not stop the start: it may be back before
    /// the first delivery, and until then deliveries come again.
    pub(crate) async fn check(&self) {
        let checked = within(self.store.check(), Instant::now() + AT_THE_START).await;
        if let Err(error) = checked.unwrap_or_else(|| Err(StoreError::new("it does not answer"))) {
            tracing::error!(error = %Chain(&error), "the de-duplication store cannot be used now");
        }
    }

    /// Begins a delivery.
    pub(crate) async fn begin(&self, delivery: &Delivery) -> Turn<'_> {
        let extension = delivery.premises().extension_id.as_deref().unwrap_or_default();
        let key = DedupeKey::new(extension, &delivery.work_key());
        let begun = self.store.begin(&key, delivery.remaining() + BEYOND_DEADLINE);
        // A store of somebody else's may have no time of its own.
        let begun = within(begun, delivery.deadline()).await;
        match begun
            .unwrap_or_else(|| Err(StoreError::new("it does not answer before the delivery's deadline")))
        {
            Ok(BeginOutcome::Leased(token)) => Turn::Run(Lease(Some(Held { once: self, key, token }))),
            Ok(BeginOutcome::Done(answer)) => Turn::Replay(answer),
            Ok(BeginOutcome::Running { remaining }) => {
                Turn::Refuse(Box::new(Rejection::still_running(remaining)))
            }
            Err(error) if self.run_without_store => {
                tracing::error!(error = %Chain(&error), "the de-duplication store is down: the delivery runs without it");
                Turn::Run(Lease::none())
            }
            Err(error) => {
                tracing::error!(error = %Chain(&error), "the de-duplication store is down: the delivery has to come again");
                Turn::Refuse(Box::new(Rejection::store_down()))
            }
        }
    }
}

impl Lease<'_> {
    /// The right to run a delivery that nobody remembers.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Stores the answer: whoever sends the delivery again gets it again.
    pub(crate) async fn commit(self, answer: &StoredReply) {
        let Some(Held { once, key, token }) = self.0 else { return };
        let committed = once.store.commit(&key, &token, answer, once.keep.duration());
        match in_lease(committed).await {
            Ok(LeaseState::Held) => {}
            Ok(LeaseState::Lost) => {
                tracing::warn!(
                    "the delivery took longer than its lease: another process may have run it, too"
                );
            }
            // It is done all the same; who sends it again after the lease may run it again.
            Err(error) => tracing::error!(error = %Chain(&error), "the answer could not be stored"),
        }
    }

    /// Makes the delivery runnable again.
    pub(crate) async fn release(self) {
        let Some(Held { once, key, token }) = self.0 else { return };
        if let Err(error) = in_lease(once.store.release(&key, &token)).await {
            tracing::error!(error = %Chain(&error), "the lease could not be given back: it ends by itself");
        }
    }
}

/// A step at the end of a lease, in what is left of it.
async fn in_lease<T>(step: StoreFuture<'_, T>) -> Result<T, StoreError> {
    let done = within(step, Instant::now() + BEYOND_DEADLINE).await;
    done.unwrap_or_else(|| Err(StoreError::new("it does not answer before the lease is over")))
}

/// An error with all its causes.
struct Chain<'e>(&'e (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}
