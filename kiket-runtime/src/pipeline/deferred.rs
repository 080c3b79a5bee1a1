//! Runs the handler of a delivery that was accepted before.

use std::time::{Duration, Instant};

use super::{
    Pipeline,
    completion::unless_panicked,
    decode::decode,
    outcome::{Outcome, Stop},
    run::run,
};
#[cfg(feature = "postgres")]
use super::{outcome::Failure, transaction::Held};
use crate::{
    delivery::Delivery,
    handler::Route,
    types::{caught, shortened},
};
#[cfg(feature = "postgres")]
use crate::{
    error::Error,
    store::{LeaseState, StoreError},
    types::within,
};

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) struct Failed {
    /// Its code and what is known about it, for the log and for the row, redacted.
    pub(crate) error: String,
    /// Whether no other attempt can succeed.
    pub(crate) is_permanent: bool,
    /// The least time until the next attempt.
    pub(crate) retry_after: Option<Duration>,
}

/// The longest error that a row keeps, in bytes.
pub(crate) const LONGEST_ERROR: usize = 2048 - "…".len();

/// How long the end of a transaction may take; the lease of the row lasts longer.
#[cfg(feature = "postgres")]
const SETTLING: Duration = Duration::from_secs(5);

impl Pipeline {
    /// Runs the handler of a delivery that was accepted before, and records that.
    pub(crate) async fn run_deferred(&self, delivery: Delivery, route: &Route) -> Result<(), Failed> {
        let began = Instant::now();
        let attempt = async { run(decode(&delivery, route, false)?, &delivery, route).await };
        let outcome = unless_panicked(attempt).await;
        let outcome = transacted(&delivery, outcome).await;
        let ended = self.responder.respond(&delivery, outcome);
        self.recorder.record_deferred(route, &ended, began.elapsed());
        let failed = ended.stop.as_ref().and_then(Stop::logged).map(|(code, error)| Failed {
            error: shortened(format!("{code}: {}", ended.redacted(error)), LONGEST_ERROR).into_owned(),
            is_permanent: ended.response.is_final(),
            retry_after: ended.response.retry_after,
        });
        // With values of the user's.
        if caught(|| drop((ended, delivery))).is_err() {
            tracing::error!("a value of the delivery panicked when it was dropped");
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Ends the transaction of the handler, if it has one: committed with the end of its row, or rolled back.
#[cfg(feature = "postgres")]
async fn transacted(delivery: &Delivery, outcome: Outcome) -> Outcome {
    let Some(held) = delivery.get::<Held>() else { return outcome };
    let until = tokio::time::Instant::now() + SETTLING;
    if outcome.is_err() {
        within(Box::pin(held.roll_back()), until).await;
        return outcome;
    }
    let error = match within(Box::pin(held.commit_row()), until).await {
        Some(None | Some(Ok(LeaseState::Held))) => return outcome,
        Some(Some(Ok(LeaseState::Lost))) => StoreError::new("the lease of the row is lost"),
        Some(Some(Err(error))) => error,
        None => StoreError::new("the database does not commit in time"),
    };
    Err(Stop::Failed(Failure::Handler(Error::retry("the transaction is not committed").because(error))))
}

#[cfg(not(feature = "postgres"))]
#[expect(clippy::unused_async, reason = "as with a transaction")]
async fn transacted(_: &Delivery, outcome: Outcome) -> Outcome {
    outcome
}
