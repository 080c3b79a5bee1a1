//! The pipeline: the steps of a delivery, from the request to the response.

#[cfg(feature = "inbox")]
mod accept;
mod arrivals;
mod authenticate;
mod authorize;
mod completion;
mod concurrency;
mod decode;
mod dedupe;
#[cfg(feature = "inbox")]
mod deferred;
mod exposition;
mod outcome;
mod record;
mod respond;
mod response;
mod route;
mod run;
#[cfg(feature = "postgres")]
pub(crate) mod transaction;
mod watch;

use std::{pin::pin, sync::Arc};

use tokio::time::Instant;

#[cfg(feature = "inbox")]
use self::accept::accept;
pub(crate) use self::{
    arrivals::{Arrivals, Arriving},
    authenticate::{Authenticator, Tokens},
    concurrency::ConcurrencyLimit,
    dedupe::{Deduplicator, Store},
    record::Recorder,
    respond::Responder,
    response::Response,
    watch::Watch,
};
use self::{
    authorize::authorize,
    completion::{complete, settle, to_completion, unless_panicked},
    decode::decode,
    dedupe::{Claim, claim},
    outcome::Outcome,
    respond::Refusal,
    route::{Accepted, route},
    run::run,
};
#[cfg(feature = "inbox")]
pub(crate) use self::{
    deferred::{Failed, LONGEST_ERROR},
    route::span,
};
use crate::{
    auth::Authentic,
    delivery::{Delivery, Request, Services},
    handler::Registry,
    metrics::{Metrics, traces::traced},
    types::EventVersion,
};

/// The steps of a delivery and their configuration; one for an extension.
pub(crate) struct Pipeline {
    pub(crate) authenticator: Authenticator,
    pub(crate) concurrency: Arc<ConcurrencyLimit>,
    pub(crate) registry: Registry,
    /// The version of deliveries that name none.
    pub(crate) default_version: Option<EventVersion>,
    pub(crate) services: Arc<Services>,
    /// Absent where deliveries are not deduplicated.
    pub(crate) deduplicator: Option<Deduplicator>,
    pub(crate) responder: Responder,
    pub(crate) recorder: Recorder,
    pub(crate) watch: Arc<Watch>,
    pub(crate) metrics: Arc<Metrics>,
}

/// The steps, in the order of the wire contract (wire contract, order). Each takes what the one before proved.
impl Pipeline {
    /// Dropping the future does not stop a handler that has begun.
    pub(crate) async fn handle(self: &Arc<Self>, request: Request<'_>) -> Response {
        let authentic = self.authenticator.authenticate(&request, &self.concurrency).await; // 401, 503
        match authentic.and_then(|authentic| self.accept(request, authentic)) {
            Ok(accepted) => {
                let span = route::span(&accepted.route, None);
                traced(|traces| traces.begin(&span, accepted.delivery.headers()));
                to_completion(Box::pin(Arc::clone(self).process(accepted)), span).await
            }
            Err(refusal) => refusal.respond(&self.metrics),
        }
    }

    /// Finds the handler of an authenticated request.
    fn accept(&self, request: Request<'_>, authentic: Authentic) -> Result<Accepted, Refusal> {
        let refused = |rejection| Refusal::of(rejection, &request);
        let permit = self.concurrency.try_acquire().map_err(refused)?; // 503
        let (route, body) =
            route(&self.registry, self.default_version.as_ref(), &request).map_err(refused)?; // 400, 404
        let arrived = Instant::now();
        let (services, key) = (Arc::clone(&self.services), Arc::clone(&route.key));
        let deadline = arrived + route.timeout;
        let delivery = Delivery::new(services, key, request.headers, body, authentic, deadline);
        Ok(Accepted { delivery, route, event_in_path: request.target.event.is_some(), arrived, permit })
    }

    /// Handles a delivery up to its response, which is stored before it is sent. The permit is held to the end.
    async fn process(self: Arc<Self>, accepted: Accepted) -> Response {
        let mut claim = Claim::none();
        let outcome = {
            let attempt = pin!(self.attempt(&accepted, &mut claim));
            unless_panicked(attempt).await
        };
        let ended = self.responder.respond(&accepted.delivery, outcome);
        let settled = settle(claim, &ended).await; // the reply is stored, or the lease given back
        complete(&self.responder, &self.recorder, accepted, ended, settled)
    }

    /// Authorizes, decodes, claims and runs a delivery; the error says what stopped it.
    async fn attempt<'p>(&'p self, accepted: &Accepted, held: &mut Claim<'p>) -> Outcome {
        let Accepted { delivery, route, event_in_path, .. } = accepted;
        authorize(delivery, route)?; // 403
        let call = decode(delivery, route, *event_in_path)?; // 400; what does not decode fails the run
        match claim(self.deduplicator.as_ref(), delivery, route).await {
            Ok(claim) => *held = claim,
            #[cfg(feature = "inbox")]
            Err(outcome::Stop::Accepted) => return Err(Box::pin(accept(call, delivery, route)).await), // 202, 503
            Err(stop) => return Err(stop), // the stored reply, 503
        }
        run(call, delivery, route).await // middleware, extractors, handler: 2xx, 4xx, 500, 503, 504
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<P, A, F>(_: impl FnOnce(P, A) -> F) -> usize {
        size_of::<F>()
    }

    /// What the allocators of the C library give at once, without a search: theirs is above 1,032 bytes.
    const QUICK: usize = 1024;

    #[test]
    fn a_delivery_takes_little_memory() {
        let process = size::<Arc<Pipeline>, Accepted, _>(Pipeline::process);
        assert!(process <= QUICK, "{process} bytes for a delivery that has begun");
        let handle = size::<&'static Arc<Pipeline>, Request<'static>, _>(Pipeline::handle);
        assert!(handle <= QUICK, "{handle} bytes for a delivery until then");
    }
}
