//! Checks that a delivery has the scopes that its handler requires.

use super::outcome::Stop;
use crate::{delivery::Delivery, error::Rejection, handler::Route};

/// Stops a delivery without the scopes: 403, or 503 while the scopes are unknown (wire contract, response-scopes).
pub(super) fn authorize(delivery: &Delivery, route: &Route) -> Result<(), Stop> {
    let required = &route.handler.scopes;
    if required.is_empty() {
        return Ok(());
    }
    let rejection = match delivery.missing_scopes(required) {
        Ok(None) => return Ok(()),
        Ok(Some(missing)) => Rejection::insufficient_scopes(missing),
        Err(rejection) => rejection,
    };
    delivery.name_in_span();
    Err(Stop::refused(rejection))
}
