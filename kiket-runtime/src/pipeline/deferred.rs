//! Runs the handler of a delivery that was accepted before.

use std::time::{Duration, Instant};

use tracing::{Span, field};

use super::{Pipeline, decode::decode, outcome::Stop, run::run};
use crate::{
    delivery::Delivery,
    handler::Route,
    types::{caught, shortened},
};

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) code: &'static str,
    /// For the log and for the row, redacted.
    pub(crate) error: String,
    /// Whether no other attempt can succeed.
    pub(crate) is_permanent: bool,
    /// The least time until the next attempt.
    pub(crate) retry_after: Option<Duration>,
}

/// The longest error that a row keeps, in bytes.
const LONGEST_ERROR: usize = 2048 - "…".len();

impl Pipeline {
    /// Runs the handler of a delivery that was accepted before, and records that.
    pub(crate) async fn run_deferred(&self, delivery: Delivery, route: &Route) -> Result<(), Failed> {
        let began = Instant::now();
        let outcome = match decode(&delivery, route, false) {
            Ok(call) => run(call, &delivery, route).await,
            Err(stop) => Err(stop),
        };
        let ended = self.responder.respond(&delivery, outcome);
        self.recorder.record_deferred(route, &ended, began.elapsed());
        let failed = ended.stop.as_ref().and_then(Stop::logged).map(|(code, error)| Failed {
            code,
            error: shortened(ended.redacted(error), LONGEST_ERROR).into_owned(),
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

/// The span of a deferred delivery: that of a delivery, with the attempt.
pub(crate) fn deferred_span(route: &Route, attempt: u32) -> Span {
    tracing::info_span!(
        "delivery",
        event = route.key.event.as_str(),
        version = route.key.version.as_str(),
        delivery_id = field::Empty,
        handler = &*route.handler.function,
        attempt,
    )
}
