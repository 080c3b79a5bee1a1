//! Completes deliveries that have begun, also when the client disconnects.

use std::{future::poll_fn, pin::Pin, task::Poll};

use super::response::Response;
use crate::error::Rejection;

/// Runs `delivery` to its end, also when the returned future is dropped.
///
/// It is polled once in place: most handlers that wait for nothing are done then. Only one that waits becomes a task.
pub(super) async fn to_completion(mut delivery: Pin<Box<dyn Future<Output = Response> + Send>>) -> Response {
    let task = match poll_fn(|context| Poll::Ready(delivery.as_mut().poll(context))).await {
        Poll::Ready(response) => return response,
        Poll::Pending => tokio::spawn(delivery),
    };
    task.await.unwrap_or_else(|_| Response::rejection(&Rejection::HANDLER_PANICKED, None))
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
        let mut waiting = Box::pin(to_completion(delivery));
        let polled = waiting.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
        assert!(polled.is_pending());
        drop(waiting);
        sender.send(()).unwrap();
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert!(done.load(Ordering::SeqCst));
    }
}
