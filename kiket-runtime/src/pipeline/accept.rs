//! Accepts a delivery whose handler runs later: it is stored durably, and acknowledged.

use std::time::Duration;

use http::StatusCode;

use super::{
    decode::Call,
    outcome::{Failure, Stop},
};
use crate::{
    delivery::{Delivery, Placement},
    error::{Chain, Rejection},
    handler::Route,
    store::{StoredReply, inbox::Acceptance},
    telemetry::panicked,
    types::caught_to_end,
};

/// The response to a delivery that is stored.
pub(super) const ACCEPTED: (StatusCode, &str) = (StatusCode::ACCEPTED, r#"{"ok":true,"accepted":true}"#);

/// Stores the delivery. One whose payload does not decode fails now, so that Kiket sends it again to a corrected build; so does
/// one whose token cannot be checked now, because it would be stored without.
pub(super) async fn accept(mut call: Call<'_>, delivery: &Delivery, route: &Route) -> Stop {
    if let Err(rejection) = delivery.decided() {
        return Stop::refused(rejection);
    }
    if let Some(error) = call.failure() {
        return Stop::Failed(Failure::Handler(error.advised(&delivery.services().classifiers)));
    }
    drop(call);
    let Some((inbox, later)) = delivery.services().inbox.as_ref().zip(route.handler.later.as_ref()) else {
        return Stop::refused(Rejection::INBOX_DOWN); // the start makes sure that there is one
    };
    let lane = later.lane.as_deref();
    let placement = Placement { lane, blocks_lane: later.blocks_lane, delay: Duration::ZERO };
    let accepted = match delivery.work(inbox, &placement) {
        Ok(work) => {
            if lane.is_some() && work.lane.is_none() {
                inbox.counts.without_lane.add();
            }
            let accepted = caught_to_end(inbox.accept(&work)).await;
            accepted.unwrap_or_else(|text| Err(panicked(&text)))
        }
        Err(error) => Err(error),
    };
    match accepted {
        Ok(Acceptance::Accepted(_)) => Stop::Accepted,
        Ok(Acceptance::Known(state)) => {
            tracing::info!(state = state.as_str(), "a known delivery is not stored again");
            Stop::Replayed(StoredReply::new(ACCEPTED.0, ACCEPTED.1))
        }
        Ok(Acceptance::Full) => Stop::refused(Rejection::INBOX_FULL),
        Err(error) => {
            tracing::error!(error = %Chain(&error), "the inbox is down: the delivery has to be sent again");
            Stop::refused(Rejection::INBOX_DOWN)
        }
    }
}
