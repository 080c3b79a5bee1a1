//! Runs a handler so that nothing it does harms anybody else: not a panic, not an endless wait, not a sender who
//! hangs up.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    task::unconstrained,
    time::{Instant, Sleep},
};

/// Why a handler did not come to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Interrupted {
    /// It panicked with this message.
    Panicked(String),
    /// Its time was over.
    DeadlineExceeded,
}

/// How long a handler may keep its thread before it is told to await something; other deliveries wait meanwhile.
const BLOCKING: Duration = Duration::from_millis(100);

/// Runs `future` until it ends, panics, or `deadline` has passed.
///
/// At the deadline it is dropped at the await point it has come to, also when the process stood still until long after
/// it: nothing begins after the deadline. One that kept the thread past the deadline is late all the same.
pub(crate) async fn bounded<T>(
    mut future: Pin<Box<dyn Future<Output = T> + Send + '_>>,
    deadline: Instant,
) -> Result<T, Interrupted> {
    let running = poll_fn(|context| poll_caught(&mut future, context, deadline));
    let ended = within(running, deadline).await.unwrap_or(Err(Interrupted::DeadlineExceeded));
    // What the handler held may panic when it is dropped, too.
    match (ended, caught(|| drop(future))) {
        (Ok(_), Err(panicked)) => Err(panicked),
        (ended, _) => ended,
    }
}

fn poll_caught<T>(
    running: &mut Pin<Box<dyn Future<Output = T> + Send + '_>>,
    context: &mut Context<'_>,
    deadline: Instant,
) -> Poll<Result<T, Interrupted>> {
    let from = Instant::now();
    if from > deadline {
        return Poll::Ready(Err(Interrupted::DeadlineExceeded));
    }
    let polled = caught(|| running.as_mut().poll(context));
    let to = Instant::now();
    let kept = to.saturating_duration_since(from);
    if kept > BLOCKING {
        let kept_ms = u64::try_from(kept.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(
            kept_ms,
            "the handler blocked its thread: move blocking work into `tokio::task::spawn_blocking`"
        );
    }
    match polled {
        Err(panicked) => Poll::Ready(Err(panicked)),
        Ok(Poll::Ready(_)) if to > deadline => Poll::Ready(Err(Interrupted::DeadlineExceeded)),
        Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
        Ok(Poll::Pending) => Poll::Pending,
    }
}

/// Runs `f`, and takes a panic for an answer.
pub(crate) fn caught<T>(f: impl FnOnce() -> T) -> Result<T, Interrupted> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Interrupted::Panicked(text.unwrap_or_else(|| "a panic without a text".to_owned()))
    })
}

/// What `future` gives, unless `deadline` comes first. One that is ready at once needs no alarm.
pub(crate) fn within<F: Future + Unpin>(
    future: F,
    deadline: Instant,
) -> impl Future<Output = Option<F::Output>> {
    unless(future, 1, move || tokio::time::sleep_until(deadline))
}

/// What `future` gives, unless the alarm rings first, which is set when `future` still waits after so many `polls`.
/// Between them it is woken.
pub(crate) async fn unless<F: Future + Unpin>(
    mut future: F,
    mut polls: u32,
    alarm: impl Fn() -> Sleep,
) -> Option<F::Output> {
    let mut set = pin!(None);
    poll_fn(|context| {
        if let Poll::Ready(value) = Pin::new(&mut future).poll(context) {
            return Poll::Ready(Some(value));
        }
        polls = polls.saturating_sub(1);
        if polls > 0 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if set.is_none() {
            // It rings also for one that uses up the whole budget of its task, each time.
            set.set(Some(unconstrained(alarm())));
        }
        set.as_mut().as_pin_mut().map_or(Poll::Pending, |alarm| alarm.poll(context)).map(|()| None)
    })
    .await
}

/// Runs `future` to its end, also when whoever waits for it goes away.
///
/// It is polled once in place, for most handlers that touch nothing slow are done then. One that waits moves into
/// a task of its own.
pub(crate) async fn detached<T: Send + 'static>(
    mut future: Pin<Box<dyn Future<Output = T> + Send>>,
) -> Option<T> {
    match poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
        Poll::Ready(value) => Some(value),
        Poll::Pending => tokio::spawn(future).await.ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    };

    use super::*;

    fn in_seconds(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_ends_gives_its_value() {
        assert_eq!(bounded(Box::pin(async { 1 }), in_seconds(1)).await, Ok(1));
        let slow = Box::pin(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            2
        });
        assert_eq!(bounded(slow, in_seconds(2)).await, Ok(2));
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_wait_ends_at_the_deadline() {
        let from = Instant::now();
        let ended = bounded(Box::pin(std::future::pending::<()>()), in_seconds(3)).await;
        assert_eq!(ended, Err(Interrupted::DeadlineExceeded));
        assert_eq!(from.elapsed().as_secs(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_waited_for_past_the_deadline() {
        assert_eq!(within(std::future::ready(1), Instant::now()).await, Some(1));
        let from = Instant::now();
        assert_eq!(within(std::future::pending::<()>(), in_seconds(3)).await, None);
        assert_eq!(from.elapsed().as_secs(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_in_so_many_polls_sets_no_alarm() {
        for (polls, waits, alarms) in [(1, 0, 0), (1, 1, 1), (2, 1, 0), (2, 2, 1), (2, 9, 1)] {
            let (mut left, set) = (waits, AtomicUsize::new(0));
            let future = poll_fn(|context| {
                if left == 0 {
                    return Poll::Ready(7);
                }
                left -= 1;
                // Whom `unless` wakes needs no other.
                if waits - left >= polls {
                    context.waker().wake_by_ref();
                }
                Poll::Pending
            });
            let alarm = || {
                set.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1))
            };
            assert_eq!(unless(future, polls, alarm).await, Some(7), "{polls} {waits}");
            assert_eq!(set.load(Ordering::SeqCst), alarms, "{polls} {waits}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_rings_for_one_that_is_never_done_with_what_is_ready() {
        let greedy = Box::pin(async {
            loop {
                tokio::task::consume_budget().await;
            }
        });
        let ticking = async {
            loop {
                tokio::time::advance(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            ended = within(greedy, in_seconds(3)) => assert_eq!(ended, None::<()>),
            () = ticking => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_begins_after_the_deadline() {
        let begun = AtomicBool::new(false);
        let late = Box::pin(async { begun.store(true, Ordering::SeqCst) });
        let deadline = in_seconds(1);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(bounded(late, deadline).await, Err(Interrupted::DeadlineExceeded));
        assert!(!begun.load(Ordering::SeqCst));

        // As when the process is stopped while the handler waits: both are over when it goes on.
        let late = Box::pin(async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            begun.store(true, Ordering::SeqCst);
        });
        let mut running = Box::pin(bounded(late, in_seconds(1)));
        let polled = running.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
        assert!(polled.is_pending());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(running.await, Err(Interrupted::DeadlineExceeded));
        assert!(!begun.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_before_and_after_a_wait_and_in_a_drop() {
        struct PanicsWhenDropped;
        impl Drop for PanicsWhenDropped {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let panicked = |text: &str| Err::<(), _>(Interrupted::Panicked(text.to_owned()));
        assert_eq!(bounded(Box::pin(async { panic!("early") }), in_seconds(9)).await, panicked("early"));
        let late = Box::pin(async {
            tokio::task::yield_now().await;
            panic!("late {}", 1)
        });
        assert_eq!(bounded(late, in_seconds(9)).await, panicked("late 1"));
        let held = PanicsWhenDropped;
        let keeps = Box::pin(async move {
            let _held = &held;
            std::future::pending::<()>().await;
        });
        assert_eq!(bounded(keeps, Instant::now()).await, Err(Interrupted::DeadlineExceeded));
    }

    #[tokio::test]
    async fn a_handler_that_waits_runs_on_when_nobody_waits_for_it() {
        let done = Arc::new(AtomicBool::new(false));
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let running = Box::pin({
            let done = Arc::clone(&done);
            async move {
                let _ = receiver.await;
                done.store(true, Ordering::SeqCst);
            }
        });
        let mut waiting = Box::pin(detached(running));
        let polled = waiting.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
        assert!(polled.is_pending());
        drop(waiting);
        sender.send(()).unwrap();
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert!(done.load(Ordering::SeqCst));
    }
}
