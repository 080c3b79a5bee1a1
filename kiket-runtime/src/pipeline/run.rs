//! Runs a handler, with middleware and extractors, within its deadline and with its panics caught.

use std::{
    future::{poll_fn, ready},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    decode::Call,
    outcome::{Failure, Outcome, Stop},
    response::Response,
    watch::{address, watched},
};
use crate::{
    delivery::Delivery,
    error::HandlerError,
    handler::{Next, Route},
    telemetry::redact_panics_beside,
    types::{caught, millis, within},
};

/// The response of the handler, or its failure: 500, 503, 504, or the 4xx that it chose.
pub(super) async fn run(call: Call<'_>, delivery: &Delivery, route: &Route) -> Outcome {
    redact_panics_beside(delivery);
    let failed =
        |error: HandlerError| Stop::Failed(Failure::Handler(error.advised(&delivery.services().classifiers)));
    let middleware = &*route.handler.middleware;
    let handler = if middleware.is_empty() {
        call.take().map_err(failed)?
    } else {
        let handler = call.take().unwrap_or_else(|error| Box::pin(ready(Err(error))));
        Box::pin(async move { Next::new(delivery, middleware, handler).run().await })
    };
    let outcome = bounded(handler, delivery.deadline(), address(route)).await.map_err(Stop::Failed)?;
    let reply = outcome.map_err(failed)?;
    let is_decision = reply.is_decision();
    let (status, body) = reply.into_parts().map_err(failed)?;
    Ok(Response { is_decision, ..Response::new(status, body) })
}

/// How long a handler may keep its thread before a warning; other deliveries wait meanwhile.
const BLOCKING: Duration = Duration::from_millis(100);

/// Runs `future` until it ends, panics, or `deadline` has passed.
///
/// At the deadline it is dropped at its current `.await`, also when the process was suspended until after that: nothing
/// begins after the deadline. A future that blocked its thread past the deadline has timed out, too.
async fn bounded<T>(
    mut future: Pin<Box<dyn Future<Output = T> + Send + '_>>,
    deadline: Instant,
    route: usize,
) -> Result<T, Failure> {
    let running = poll_fn(|context| watched(route, || poll_caught(&mut future, context, deadline)));
    let ended = within(running, deadline).await.unwrap_or_else(|| Err(Failure::deadline_exceeded()));
    // What the handler held may panic when it is dropped, too.
    match (ended, caught(|| drop(future))) {
        (Ok(_), Err(text)) => Err(Failure::Panicked(text)),
        (ended, _) => ended,
    }
}

fn poll_caught<T>(
    running: &mut Pin<Box<dyn Future<Output = T> + Send + '_>>,
    context: &mut Context<'_>,
    deadline: Instant,
) -> Poll<Result<T, Failure>> {
    let from = Instant::now();
    if from > deadline {
        return Poll::Ready(Err(Failure::deadline_exceeded()));
    }
    let polled = caught(|| running.as_mut().poll(context));
    let to = Instant::now();
    let kept = to.saturating_duration_since(from);
    if kept > BLOCKING {
        let kept_ms = millis(kept);
        tracing::warn!(
            kept_ms,
            "the handler blocked its thread: move blocking work into `tokio::task::spawn_blocking`"
        );
    }
    match polled {
        Err(text) => Poll::Ready(Err(Failure::Panicked(text))),
        Ok(Poll::Ready(_)) if to > deadline => Poll::Ready(Err(Failure::deadline_exceeded())),
        Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
        Ok(Poll::Pending) => Poll::Pending,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// What `bounded` gives, as a value to compare: the reason is `deadline_exceeded`, or `panicked: …`.
    async fn ended<T: Send>(future: impl Future<Output = T> + Send, deadline: Instant) -> Result<T, String> {
        shown(bounded(Box::pin(future), deadline, 0).await)
    }

    fn shown<T>(ended: Result<T, Failure>) -> Result<T, String> {
        ended.map_err(|failure| match failure {
            Failure::Rejected(rejection) => rejection.code.unwrap_or_default().to_owned(),
            Failure::Handler(error) => error.to_string(),
            Failure::Panicked(text) => format!("panicked: {text}"),
        })
    }

    fn timed_out<T>() -> Result<T, String> {
        Err("deadline_exceeded".to_owned())
    }

    fn in_seconds(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_ends_gives_its_value() {
        assert_eq!(ended(async { 1 }, in_seconds(1)).await, Ok(1));
        let slow = Box::pin(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            2
        });
        assert_eq!(ended(slow, in_seconds(2)).await, Ok(2));
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_wait_ends_at_the_deadline() {
        let from = Instant::now();
        assert_eq!(ended(std::future::pending::<()>(), in_seconds(3)).await, timed_out());
        assert_eq!(from.elapsed().as_secs(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_begins_after_the_deadline() {
        let begun = AtomicBool::new(false);
        let late = Box::pin(async { begun.store(true, Ordering::SeqCst) });
        let deadline = in_seconds(1);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(ended(late, deadline).await, timed_out());
        assert!(!begun.load(Ordering::SeqCst));

        // As when the process is stopped while the handler waits: both are over when it goes on.
        let late = Box::pin(async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            begun.store(true, Ordering::SeqCst);
        });
        let mut running = Box::pin(bounded(late, in_seconds(1), 0));
        let polled = running.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
        assert!(polled.is_pending());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(shown(running.await), timed_out());
        assert!(!begun.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn a_panic_is_caught_before_and_after_a_wait_and_in_a_drop() {
        struct PanicsWhenDropped;
        impl Drop for PanicsWhenDropped {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let panicked = |text: &str| Err::<(), _>(format!("panicked: {text}"));
        assert_eq!(ended(async { panic!("early") }, in_seconds(9)).await, panicked("early"));
        let late = Box::pin(async {
            tokio::task::yield_now().await;
            panic!("late {}", 1)
        });
        assert_eq!(ended(late, in_seconds(9)).await, panicked("late 1"));
        let held = PanicsWhenDropped;
        let keeps = Box::pin(async move {
            let _held = &held;
            std::future::pending::<()>().await;
        });
        assert_eq!(ended(keeps, Instant::now()).await, timed_out());
    }
}
