//! Completes deliveries that have begun, also when the client disconnects, and whatever panics around them.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use tracing::Span;

use super::response::Response;
use crate::{error::Rejection, types::caught};

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
