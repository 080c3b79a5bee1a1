//! Makes the response of an outcome, without the secrets of the delivery.

use http::StatusCode;

#[cfg(feature = "inbox")]
use super::accept::ACCEPTED;
use super::{
    outcome::{Failure, Outcome, Stop},
    response::Response,
};
use crate::{
    delivery::{Delivery, Envelope, JsonText, Request, unsigned_id},
    error::Rejection,
    metrics::{
        Metrics, OK,
        traces::{self, traced},
    },
    types::{LONGEST_ID, LONGEST_TEXT, Redactor, shortened},
};

/// Makes responses of outcomes.
pub(crate) struct Responder {
    pub(crate) redactor: Redactor,
    /// The status of a payload that does not decode: 500, or 422.
    pub(crate) undecodable: StatusCode,
}

/// A response, and why it is not the reply of the handler.
pub(super) struct Ended {
    pub(super) response: Response,
    pub(super) stop: Option<Stop>,
    /// Knows the secrets of the extension and of the delivery where the delivery failed or was refused; else nothing is
    /// written about it, and it knows none.
    redactor: Redactor,
}

impl Ended {
    /// The stable code of the response.
    pub(super) fn code(&self) -> &'static str {
        self.stop.as_ref().map_or(OK, Stop::code)
    }

    /// A text about a failure, without secrets and cut.
    pub(super) fn redacted(&self, text: String) -> String {
        self.redactor.shown(text)
    }
}

impl Responder {
    pub(super) fn respond(&self, delivery: &Delivery, outcome: Outcome) -> Ended {
        let replied = |response, stop| Ended { response, stop, redactor: Redactor::default() };
        let stop = match outcome {
            Ok(response) => return replied(response, None),
            Err(stop) => stop,
        };
        let rejection = match &stop {
            Stop::Replayed(stored) => return replied(Response::replayed(stored), Some(stop)),
            #[cfg(feature = "inbox")]
            Stop::Accepted => {
                let (status, body) = ACCEPTED;
                return replied(Response::new(status, body.into()), Some(stop));
            }
            Stop::Refused(rejection) | Stop::Failed(Failure::Rejected(rejection)) => {
                Rejection::clone(rejection)
            }
            Stop::Failed(Failure::Handler(error)) => Rejection::of_handler(error, self.undecodable),
            Stop::Failed(Failure::Panicked(_)) => Rejection::HANDLER_PANICKED,
        };
        let redactor = self.redactor.with(&delivery.confidential());
        let rejection = Rejection { text: redactor.shown(rejection.text.into_owned()).into(), ..rejection };
        let response = Response::rejection(&rejection, delivery.id().as_deref());
        Ended { response, stop: Some(stop), redactor }
    }
}

/// A request that goes no further, and its delivery id if it is known.
pub(super) struct Refusal {
    rejection: Rejection,
    delivery_id: Option<String>,
    /// Whether it is from Kiket.
    authentic: bool,
}

impl Refusal {
    /// A request that is not known to be from Kiket: nothing about it is read or logged.
    pub(super) fn of_stranger(rejection: Rejection) -> Self {
        Self { rejection, delivery_id: None, authentic: false }
    }

    /// A request that is from Kiket, with its id in the log and in the response.
    pub(super) fn of(rejection: Rejection, request: &Request<'_>) -> Self {
        let text = JsonText::new(request.body.clone()).ok();
        let signed =
            text.as_ref().and_then(|text| Envelope::read(text.as_str()).ok()?.delivery_id(text.as_str()));
        let delivery_id = signed.or_else(|| unsigned_id(&request.headers));
        let delivery_id = delivery_id.map(|id| shortened(id, LONGEST_ID).into_owned());
        let rejection = Rejection { text: shortened(rejection.text, LONGEST_TEXT), ..rejection };
        let code = rejection.code.unwrap_or_default();
        let refusal = traces::Refusal { status: rejection.status, code, authentic: true };
        traced(|traces| traces.refuse(&request.headers, refusal));
        tracing::warn!(code = rejection.code, delivery_id, "delivery refused: {}", rejection.text);
        Self { rejection, delivery_id, authentic: true }
    }

    /// Responds, and counts the refusal.
    pub(super) fn respond(self, metrics: &Metrics) -> Response {
        let Self { rejection, delivery_id, authentic } = self;
        if authentic {
            metrics.others.add(rejection.status.as_u16(), rejection.code.unwrap_or_default());
        } else {
            metrics.refused.add(rejection.code);
        }
        tracing::debug!(status = rejection.status.as_u16(), code = rejection.code, "delivery refused");
        Response::rejection(&rejection, delivery_id.as_deref())
    }
}
