//! The way of a delivery: verified, routed, decoded, run, answered.

mod authenticate;
mod concurrency;
mod dedupe;
mod failure;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;
use tokio::time::Instant;
use tracing::{Instrument as _, Span, field};

pub(crate) use self::{
    authenticate::{Admission, Tokens},
    concurrency::Gate,
    dedupe::Once,
};
use self::{
    authenticate::{Refused, Verdict},
    concurrency::Pass,
    dedupe::{Lease, Turn},
    failure::{Failure, legible},
};
use crate::{
    auth::{Admitted, Verified},
    delivery::{self, Contents, Delivery, Envelope, JsonText, Premises, Target},
    error::{Rejection, Result, SignatureError},
    handler::{Answering, Entry, Interrupted, Registry, Reply, bounded, caught, detached},
    metrics::Metrics,
    store::StoredReply,
    telemetry::{Telemetry, TelemetryEvent},
    types::{Clock, EventName, EventNameError, Headers, Redactor},
};

/// Everything that deliveries pass through; one for an extension.
pub(crate) struct Dispatcher {
    pub(crate) registry: Registry,
    pub(crate) admission: Admission,
    pub(crate) premises: Arc<Premises>,
    pub(crate) clock: Clock,
    pub(crate) gate: Arc<Gate>,
    pub(crate) metrics: Metrics,
    /// Where deliveries are remembered, unless nobody wants that.
    pub(crate) once: Option<Once>,
    pub(crate) telemetry: Telemetry,
    pub(crate) redactor: Redactor,
    /// The status of a payload that does not decode: 500, or 422.
    pub(crate) undecodable: StatusCode,
}

/// A delivery whose body has arrived, and of which nothing is known to be true.
pub(crate) struct Incoming<'r> {
    pub(crate) target: Target<'r>,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
}

/// What is sent back, whatever the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    pub(crate) retry_after: Option<Duration>,
    /// Whether it is the stored answer of an earlier delivery.
    pub(crate) replayed: bool,
}

impl Answer {
    pub(crate) fn rejection(rejection: &Rejection, delivery_id: Option<&str>) -> Self {
        Self {
            status: rejection.status,
            body: rejection.body(delivery_id).into(),
            retry_after: rejection.retry_after,
            replayed: false,
        }
    }

    fn replayed(stored: &StoredReply) -> Self {
        Self {
            status: stored.status(),
            body: stored.body().clone(),
            retry_after: stored.retry_after(),
            replayed: true,
        }
    }

    /// Whether Kiket will not send the delivery again: it was answered, or a retry mends nothing.
    fn is_final(&self) -> bool {
        !self.status.is_server_error() && self.status != StatusCode::TOO_MANY_REQUESTS
    }
}

/// A delivery that is verified and has a handler.
struct Routed {
    delivery: Delivery,
    entry: Arc<Entry>,
    /// The event is the path's, and the body must not name another one.
    event_in_path: bool,
    arrived: Instant,
    pass: Pass,
}

/// A delivery that goes no further, and its id if it is known.
struct Refusal {
    rejection: Rejection,
    delivery_id: Option<String>,
}

impl Dispatcher {
    /// Answers a delivery. Dropping the answer's future does not stop a handler that has begun.
    pub(crate) async fn answer(self: &Arc<Self>, incoming: Incoming<'_>) -> Answer {
        let now = self.clock.unix_seconds();
        let admitted = match self.admission.by_signature(&incoming.headers, &incoming.body, now) {
            Verdict::Given(verdict) => verdict.map_err(|refused| self.refuse(refused, now)),
            Verdict::Open(signature) => Box::pin(self.by_token(signature, &incoming, now)).await,
        };
        match admitted.and_then(|admitted| self.route(incoming, admitted)) {
            Ok(routed) => {
                let span = span(&routed);
                let running = Box::pin(run(routed, Arc::clone(self)).instrument(span));
                detached(running)
                    .await
                    .unwrap_or_else(|| Answer::rejection(&Rejection::handler_panicked(), None))
            }
            Err(Refusal { rejection, delivery_id }) => {
                tracing::debug!(
                    status = rejection.status.as_u16(),
                    code = rejection.code,
                    "delivery refused"
                );
                Answer::rejection(&rejection, delivery_id.as_deref())
            }
        }
    }

    /// Row 4 where a token has a part in it. Whoever waits for its keys takes the place of one whose body arrives, for
    /// nobody knows yet who it is.
    async fn by_token(
        &self,
        signature: Option<Result<Verified, SignatureError>>,
        incoming: &Incoming<'_>,
        now: u64,
    ) -> Result<Admitted, Refusal> {
        let waiting = self.gate.arrive().map_err(|rejection| Refusal { rejection, delivery_id: None })?;
        let admitted = self.admission.by_token(signature, incoming, now).await;
        drop(waiting);
        admitted.map_err(|refused| self.refuse(refused, now))
    }

    /// Whoever is not known to be Kiket learns nothing of why.
    fn refuse(&self, refused: Refused, now: u64) -> Refusal {
        let rejection = match refused {
            Refused::Unsigned(cause) => {
                if let Some(count) = self.metrics.refused(cause, now) {
                    tracing::warn!(cause = cause.code(), count, "signature refused: {cause}");
                }
                Rejection::unsigned()
            }
            Refused::WrongToken(cause) => {
                if let Some(count) = self.metrics.refused_token(cause, now) {
                    tracing::warn!(cause = cause.code(), count, "runtime token refused: {cause}");
                }
                Rejection::unsigned()
            }
            Refused::Undecided(wait) => Rejection::keys_unavailable(wait),
            Refused::InUse => Rejection::token_in_use(),
            Refused::StoreDown(error) => {
                tracing::error!(%error, "the store of used runtime tokens is down: the delivery has to come again");
                Rejection::store_down()
            }
        };
        Refusal { rejection, delivery_id: None }
    }

    /// Contract 1.4, rows 5 to 7: what must hold before anything is decoded.
    fn route(&self, incoming: Incoming<'_>, admitted: Admitted) -> Result<Routed, Refusal> {
        let Incoming { target, headers, body } = incoming;
        let placed = self.gate.run().and_then(|pass| Ok((pass, self.find(&target, &headers, body.clone())?)));
        let (pass, (entry, body)) = placed.map_err(|rejection| {
            let delivery_id = delivery_id(body, &headers);
            tracing::warn!(code = rejection.code, delivery_id, "delivery refused: {}", rejection.text);
            Refusal { rejection, delivery_id }
        })?;
        let arrived = Instant::now();
        let delivery = Delivery::new(Contents {
            premises: Arc::clone(&self.premises),
            subject: Arc::clone(&entry.subject),
            headers,
            body,
            admitted,
            deadline: arrived + entry.timeout,
            envelope: OnceLock::new(),
            keys: OnceLock::new(),
        });
        Ok(Routed {
            delivery,
            entry: Arc::clone(entry),
            event_in_path: target.event.is_some(),
            arrived,
            pass,
        })
    }

    fn find(
        &self,
        target: &Target<'_>,
        headers: &Headers,
        body: Bytes,
    ) -> Result<(&Arc<Entry>, JsonText), Rejection> {
        let version = target.version(headers)?;
        let find = |event: &str| {
            let entry = self.registry.find(event, version.key);
            entry.ok_or_else(|| Rejection::no_handler(event, &version.written))
        };
        if let Some(event) = target.event()? {
            return Ok((find(&event)?, JsonText::new(body)?));
        }
        let body = JsonText::new(body)?;
        let envelope = Envelope::read(body.as_str()).map_err(Rejection::not_json)?;
        let event = envelope.routed_event(body.as_str()).ok_or_else(Rejection::event_missing)?;
        if !EventName::is_valid(&event) {
            return Err(EventNameError.into());
        }
        Ok((find(&event)?, body))
    }
}

/// The id of a delivery that was refused.
fn delivery_id(body: Bytes, headers: &Headers) -> Option<String> {
    let text = JsonText::new(body).ok();
    let signed =
        text.as_ref().and_then(|text| Envelope::read(text.as_str()).ok()?.delivery_id(text.as_str()));
    signed.or_else(|| delivery::unsigned_id(headers)).map(std::borrow::Cow::into_owned)
}

/// The span of a delivery: its fields are part of the documented log format.
fn span(routed: &Routed) -> Span {
    let subject = &routed.entry.subject;
    tracing::info_span!(
        "delivery",
        event = subject.event.as_str(),
        version = subject.version.as_str(),
        delivery_id = field::Empty,
        handler = &*routed.entry.function,
    )
}

/// Runs a delivery, unless it ran before, and tells the log how it went.
async fn run(routed: Routed, dispatcher: Arc<Dispatcher>) -> Answer {
    let Routed { delivery, entry, event_in_path, arrived, pass } = routed;
    let ended = answered(&delivery, &entry, event_in_path, &dispatcher).await;
    let duration = arrived.elapsed();
    // What failed is told, and what came with the delivery must not be.
    let redactor = ended.failure.is_some().then(|| dispatcher.redactor.with(&delivery.confidential()));
    let redacted = |text: String| match &redactor {
        Some(redactor) => legible(redactor.redact(text)),
        None => text,
    };
    if ended.ran {
        dispatcher.telemetry.record(|| TelemetryEvent {
            subject: Arc::clone(&entry.subject),
            duration,
            ended_at: dispatcher.clock.unix_seconds(),
            failure: ended.failure.as_ref().map(|failure| failure.told(redacted)),
        });
    }
    tell(&ended, duration, redacted);
    drop(pass);
    ended.answer
}

/// How a delivery ended.
struct Ended {
    answer: Answer,
    failure: Option<Failure>,
    /// Whether its handler was asked for.
    ran: bool,
}

/// Contract 1.4, rows 7 to 18: the answer of a delivery, from its handler or from memory.
async fn answered(delivery: &Delivery, entry: &Entry, event_in_path: bool, dispatcher: &Dispatcher) -> Ended {
    let refused =
        |failure, ran| Ended { answer: dispatcher.failed(delivery, &failure), failure: Some(failure), ran };
    let prepared = match permitted(delivery, entry) {
        Ok(()) => prepare(delivery, entry, event_in_path).map_err(|failure| (failure, true)),
        Err(rejection) => Err((Failure::Refused(Box::new(rejection)), false)),
    };
    // The body is decoded now, so the id costs little; and what store and handler log has it.
    let span = Span::current();
    if !span.is_disabled() {
        span.record("delivery_id", delivery.id().as_deref());
    }
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err((failure, ran)) => return refused(failure, ran),
    };
    let turn = match &dispatcher.once {
        Some(once) if entry.dedupe => once.begin(delivery).await,
        _ => Turn::Run(Lease::none()),
    };
    let lease = match turn {
        Turn::Run(lease) => lease,
        Turn::Replay(stored) => {
            put_away(prepared);
            return Ended { answer: Answer::replayed(&stored), failure: None, ran: false };
        }
        Turn::Refuse(rejection) => {
            put_away(prepared);
            return refused(Failure::Refused(rejection), false);
        }
    };
    let (answer, failure) = match finish(prepared, delivery).await {
        Ok(body) => (Answer { status: StatusCode::OK, body, retry_after: None, replayed: false }, None),
        Err(failure) => (dispatcher.failed(delivery, &failure), Some(failure)),
    };
    if answer.is_final() {
        lease.commit(&StoredReply::new(answer.status, answer.body.clone())).await;
    } else {
        lease.release().await;
    }
    Ended { answer, failure, ran: true }
}

/// Row 18.
fn permitted(delivery: &Delivery, entry: &Entry) -> Result<(), Rejection> {
    if entry.scopes.is_empty() {
        return Ok(());
    }
    delivery.lacks(&entry.scopes)?.map_or(Ok(()), |lack| Err(Rejection::insufficient_scopes(lack)))
}

/// What a handler was prepared with: its future, or why an argument could not be made.
type Prepared<'d> = Result<Answering<'d>>;

/// Rows 7 and 8. The arguments come first: decoding the payload finds the envelope in the same pass.
fn prepare<'d>(delivery: &'d Delivery, entry: &Entry, event_in_path: bool) -> Result<Prepared<'d>, Failure> {
    let prepared = caught(|| (entry.prepare)(delivery)).map_err(Failure::Interrupted)?;
    let checked = delivery.envelope().map_err(Rejection::not_json).and_then(|envelope| {
        let route = delivery.event().as_str();
        let named = envelope.event(delivery.body());
        let other = event_in_path && named.is_some_and(|event| event != route);
        if other { Err(Rejection::event_mismatch(route)) } else { Ok(()) }
    });
    match checked {
        Ok(()) => Ok(prepared),
        Err(rejection) => {
            put_away(prepared);
            Err(Failure::Refused(Box::new(rejection)))
        }
    }
}

/// Drops what a handler was prepared with. What its arguments hold may panic then.
fn put_away(prepared: Prepared<'_>) {
    let _ = caught(|| drop(prepared));
}

/// Rows 11 to 17.
async fn finish(prepared: Prepared<'_>, delivery: &Delivery) -> Result<Bytes, Failure> {
    let answering = prepared.map_err(Failure::Handler)?;
    let reply = bounded(answering, delivery.deadline()).await.map_err(Failure::Interrupted)?;
    reply.and_then(Reply::into_bytes).map_err(Failure::Handler)
}

impl Dispatcher {
    /// The answer to a delivery that failed. Whatever its author wrote, secrets are taken out.
    fn failed(&self, delivery: &Delivery, failure: &Failure) -> Answer {
        let rejection = match failure {
            Failure::Refused(rejection) => Rejection::clone(rejection),
            Failure::Handler(error) => Rejection::of_handler(error, self.undecodable),
            Failure::Interrupted(Interrupted::DeadlineExceeded) => Rejection::deadline_exceeded(),
            Failure::Interrupted(Interrupted::Panicked(_)) => Rejection::handler_panicked(),
        };
        let redactor = self.redactor.with(&delivery.confidential());
        let text = legible(redactor.redact(rejection.text.into_owned()));
        let rejection = Rejection { text: text.into(), ..rejection };
        Answer::rejection(&rejection, delivery.id().as_deref())
    }
}

/// The line of a delivery in the log.
fn tell(ended: &Ended, duration: Duration, redacted: impl Fn(String) -> String) {
    let Ended { answer, failure, .. } = ended;
    let (status, replayed) = (answer.status.as_u16(), answer.replayed);
    let duration_ms = duration.as_secs_f64() * 1000.0;
    let Some(failure) = failure else {
        if replayed {
            tracing::info!(status, duration_ms, replayed, "delivery answered");
        } else {
            tracing::info!(status, duration_ms, "delivery answered");
        }
        return;
    };
    let (code, error) = failure.logged();
    let error = redacted(error);
    if answer.status.is_server_error() {
        tracing::error!(status, code, duration_ms, error, "delivery failed");
    } else {
        tracing::warn!(status, code, duration_ms, error, "delivery rejected");
    }
}
