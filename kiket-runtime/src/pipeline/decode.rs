//! Decodes the payload, and reads the envelope in the same pass.

use super::outcome::{Failure, Stop};
use crate::{
    delivery::Delivery,
    error::{HandlerError, Rejection},
    handler::{HandlerFuture, Route},
    types::{caught, is_same_event},
};

/// A handler that is ready to run, or why it cannot be called. What its arguments hold may panic when it is dropped.
pub(super) struct Call<'d>(Option<Result<HandlerFuture<'d>, HandlerError>>);

impl<'d> Call<'d> {
    /// The future of the handler.
    pub(super) fn take(mut self) -> Result<HandlerFuture<'d>, HandlerError> {
        self.0.take().unwrap_or_else(|| Err(HandlerError::retry("handler failed")))
    }

    /// Why the handler cannot be called, if it cannot.
    #[cfg(feature = "inbox")]
    pub(super) fn failure(&mut self) -> Option<HandlerError> {
        self.0.take_if(|call| call.is_err())?.err()
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.0.take()
            && caught(|| drop(call)).is_err()
        {
            tracing::error!(
                "an argument of the handler panicked when it was dropped; `RUST_BACKTRACE=1` shows where"
            );
        }
    }
}

/// Prepares the extractors, then checks that the body is JSON and names no other event, by either of its names: 400. A payload that does not decode
/// is no reason to stop here, but the outcome of the handler: a stored reply goes before it.
pub(super) fn decode<'d>(
    delivery: &'d Delivery,
    route: &Route,
    event_in_path: bool,
) -> Result<Call<'d>, Stop> {
    let prepared = caught(|| (route.handler.call)(delivery));
    delivery.name_in_span();
    let call = Call(Some(prepared.map_err(|text| Stop::Failed(Failure::Panicked(text)))?));
    let envelope = delivery.envelope().map_err(|error| Stop::rejected(Rejection::not_json(error)))?;
    let event = delivery.event().as_str();
    let named = envelope.event(delivery.body());
    if event_in_path && named.is_some_and(|named| !is_same_event(&named, event)) {
        return Err(Stop::rejected(Rejection::event_mismatch(event)));
    }
    Ok(call)
}
