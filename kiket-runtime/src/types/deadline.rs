//! Awaits futures until a deadline.

use std::{future::poll_fn, pin::Pin, task::Poll, time::Duration};

use tokio::{task::unconstrained, time::Instant};

/// Where a moment lies that no clock reaches: thirty years ahead.
const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);

/// The moment `delay` from now, however long that is.
pub(crate) fn after(delay: Duration) -> Instant {
    Instant::now() + delay.min(FAR)
}

/// The output of `future`, or `None` if `deadline` comes first. A future that is ready at once sets no timer.
pub(crate) fn within<F: Future + Unpin>(
    future: F,
    deadline: Instant,
) -> impl Future<Output = Option<F::Output>> {
    let ended = unless(future, 1, move || tokio::time::sleep_until(deadline));
    async { ended.await.ok() }
}

/// The output of `future`, or as an error that of another future if that ends first. `end` makes it if `future` is pending
/// after `polls` polls; until then the task is woken to poll again. It is boxed: most futures are ready before it is needed,
/// and every delivery would take its memory.
pub(crate) async fn unless<F: Future + Unpin, E: Future>(
    mut future: F,
    mut polls: u32,
    end: impl FnOnce() -> E,
) -> Result<F::Output, E::Output> {
    let (mut end, mut set) = (Some(end), None);
    poll_fn(|context| {
        if let Poll::Ready(value) = Pin::new(&mut future).poll(context) {
            return Poll::Ready(Ok(value));
        }
        polls = polls.saturating_sub(1);
        if polls > 0 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(end) = end.take() {
            // Unconstrained: it also fires if the future uses up the budget of its task at every poll.
            set = Some(Box::pin(unconstrained(end())));
        }
        set.as_mut().map_or(Poll::Pending, |end| end.as_mut().poll(context)).map(Err)
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn in_seconds(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn no_delay_is_too_long_for_a_moment() {
        assert_eq!(after(Duration::from_secs(5)), in_seconds(5));
        assert_eq!(after(Duration::MAX), Instant::now() + FAR);
    }

    #[tokio::test(start_paused = true)]
    async fn no_future_is_awaited_past_the_deadline() {
        assert_eq!(within(std::future::ready(1), Instant::now()).await, Some(1));
        let from = Instant::now();
        assert_eq!(within(std::future::pending::<()>(), in_seconds(3)).await, None);
        assert_eq!(from.elapsed().as_secs(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_future_that_is_ready_after_few_polls_sets_no_timer() {
        for (polls, waits, timers) in [(1, 0, 0), (1, 1, 1), (2, 1, 0), (2, 2, 1), (2, 9, 1)] {
            let (mut left, set) = (waits, AtomicUsize::new(0));
            let future = poll_fn(|context| {
                if left == 0 {
                    return Poll::Ready(7);
                }
                left -= 1;
                // `unless` wakes the task before that.
                if waits - left >= polls {
                    context.waker().wake_by_ref();
                }
                Poll::Pending
            });
            let timer = || {
                set.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1))
            };
            assert_eq!(unless(future, polls, timer).await, Ok(7), "{polls} {waits}");
            assert_eq!(set.load(Ordering::SeqCst), timers, "{polls} {waits}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_timer_fires_for_a_future_that_is_never_ready() {
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
}
