//! Completes deliveries that have begun, also when the client disconnects, and whatever panics around them.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use tracing::Span;

use super::{
    dedupe::Claim,
    outcome::{Failure, Outcome, Stop},
    record::Recorder,
    respond::{Ended, Responder},
    response::Response,
    route::Accepted,
};
use crate::{
    error::Rejection,
    types::{caught, caught_to_end},
};

/// Runs `delivery` in its span to its end, also when the returned future is dropped.
///
/// It is polled once in place: most handlers that wait for nothing are done then. Only one that waits becomes a task.
pub(super) async fn to_completion(
    delivery: Pin<Box<dyn Future<Output = Response> + Send>>,
    span: Span,
) -> Response {
    let mut delivery = InSpan { delivery, span };
    let task = match poll_fn(|context| Poll::Ready(Pin::new(&mut delivery).poll(context))).await {
        Poll::Ready(response) => return response,
        Poll::Pending => tokio::spawn(delivery),
    };
    task.await.unwrap_or_else(|_| panicked())
}

/// A delivery in its span. A subscriber that panics when the span is entered, left or closed takes no response with it.
struct InSpan {
    delivery: Pin<Box<dyn Future<Output = Response> + Send>>,
    span: Span,
}

impl Future for InSpan {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response> {
        let Self { delivery, span } = &mut *self;
        let entered = caught(|| span.enter());
        let polled = caught(|| delivery.as_mut().poll(context));
        let _ = caught(|| drop(entered));
        let polled = polled.unwrap_or_else(|_| {
            let _ = caught(|| tracing::error!("the delivery panicked outside of its handler"));
            Poll::Ready(panicked())
        });
        let Poll::Ready(response) = polled else { return Poll::Pending };
        let _ = caught(|| *span = Span::none());
        Poll::Ready(response)
    }
}

fn panicked() -> Response {
    Response::rejection(&Rejection::HANDLER_PANICKED, None)
}

/// The outcome of an attempt. Code of the user's runs outside of the handler, too: stores, the inbox, and the advice on errors.
pub(super) async fn unless_panicked(attempt: impl Future<Output = Outcome>) -> Outcome {
    caught_to_end(attempt).await.unwrap_or_else(|text| Err(Stop::Failed(Failure::Panicked(text))))
}

/// Settles the claim of a delivery: with the rejection if its effects were rolled back, or the text of a panic of the store.
pub(super) async fn settle(claim: Claim<'_>, ended: &Ended) -> Result<Option<Rejection>, String> {
    match caught(|| claim.settle(&ended.response, ended.stop.is_none())) {
        Ok(Some(settling)) => caught_to_end(settling).await,
        settled => settled.map(|_| None),
    }
}

/// Records a delivery whose claim is settled, and drops what it had. It is done: nothing of this may change its response, but
/// for effects that were rolled back.
pub(super) fn complete(
    responder: &Responder,
    recorder: &Recorder,
    accepted: Accepted,
    mut ended: Ended,
    settled: Result<Option<Rejection>, String>,
) -> Response {
    let Accepted { delivery, route, arrived, permit, .. } = accepted;
    let _ = caught(|| {
        match settled {
            Ok(None) => {}
            Ok(Some(rejection)) => ended = responder.respond(&delivery, Err(Stop::rejected(rejection))),
            Err(text) => {
                let error = responder.redactor.with(&delivery.confidential()).shown(text);
                tracing::error!(error, "the deduplication store panicked: the reply may not be stored");
            }
        }
        recorder.record(&route, &ended, arrived.elapsed());
    });
    let Ended { response, stop, .. } = ended;
    // With values of the user's.
    if caught(|| drop((stop, delivery, route))).is_err() {
        let _ = caught(|| tracing::error!("a value of the delivery panicked when it was dropped"));
    }
    drop(permit);
    response
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        task::Context,
    };

    use super::*;

    #[tokio::test]
    async fn a_handler_that_waits_completes_when_nothing_waits_for_it() {
        let done = Arc::new(AtomicBool::new(false));
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let delivery = Box::pin({
            let done = Arc::clone(&done);
            async move {
                let _ = receiver.await;
                done.store(true, Ordering::SeqCst);
                Response::rejection(&Rejection::DRAINING, None)
            }
        });
        let mut waiting = Box::pin(to_completion(delivery, Span::none()));
        let polled = waiting.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
        assert!(polled.is_pending());
        drop(waiting);
        sender.send(()).unwrap();
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert!(done.load(Ordering::SeqCst));
    }
}
