//! Limits the time of a step of Redis.

use std::{pin::pin, time::Duration};

use tokio::time::{Instant, timeout_at};

/// A timer that fires later than this was held up.
const HELD_UP: Duration = Duration::from_millis(100);

/// The result of `step`, or `None` if it takes longer than `limit`.
///
/// A handler that blocks its worker holds up what runs beside it: neither are requests sent then, nor responses read. A timer
/// that fires late shows that, and the step gets its time once more, so that a store that is well is not given up.
pub(super) async fn in_time<T>(limit: Duration, step: impl Future<Output = T>) -> Option<T> {
    let mut step = pin!(step);
    for _ in 0..2 {
        let due = Instant::now() + limit;
        match timeout_at(due, &mut step).await {
            Ok(done) => return Some(done),
            Err(_) if due.elapsed() < HELD_UP => return None,
            Err(_) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{advance, sleep};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(3);

    #[tokio::test(start_paused = true)]
    async fn a_step_has_its_time_and_no_more() {
        let from = Instant::now();
        assert_eq!(in_time(LIMIT, sleep(LIMIT / 2)).await, Some(()));
        assert_eq!(in_time(LIMIT, pending::<()>()).await, None);
        assert_eq!(from.elapsed(), LIMIT * 3 / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_was_held_up_has_its_time_once_more() {
        async fn held_up(step: impl Future<Output = ()>) -> Option<()> {
            let (result, ()) = tokio::join!(in_time(LIMIT, step), advance(LIMIT * 2));
            result
        }
        assert_eq!(held_up(sleep(LIMIT * 5 / 2)).await, Some(()));
        let from = Instant::now();
        assert_eq!(held_up(pending()).await, None);
        assert_eq!(from.elapsed(), LIMIT * 3);
    }
}
