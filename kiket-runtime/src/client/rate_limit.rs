//! The rate limit and the concurrency limit of a process's calls.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    Quota,
    clock::Clock,
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use http::HeaderMap;
use tokio::{
    sync::{Mutex as Queue, Semaphore, SemaphorePermit},
    time::Instant,
};

use crate::types::Mutex;

/// The rate limit and the concurrency limit of all calls of a process.
pub(crate) struct RateLimiter {
    /// The limit of the configuration, which no response raises.
    per_minute: NonZeroU32,
    /// The queue of calls that wait for a permit, in their order.
    queue: Queue<()>,
    state: Mutex<State>,
    concurrent: Semaphore,
}

struct State {
    per_minute: NonZeroU32,
    /// When that was last set, or seen in a response.
    since: Instant,
    limiter: Limiter,
    /// No call is made before this moment, by a response of Kiket's.
    paused_until: Option<Instant>,
    window: Option<RateWindow>,
}

type Limiter = governor::RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Duration>>;

/// The rate limit of an extension's calls, as Kiket reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[non_exhaustive]
pub struct RateWindow {
    /// The number of calls per window.
    pub limit: u64,
    /// The number of calls left in this window.
    pub remaining: u64,
    /// The length of a window, in seconds; 0 if it was read from headers, which do not have it.
    #[serde(default)]
    pub window_seconds: u64,
    /// The seconds until the next window.
    #[serde(default)]
    pub reset_in: u64,
}

/// The error of a call whose deadline is before its permit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLate {
    /// The wait for the rate limit, if it is known.
    pub(crate) wait: Option<Duration>,
}

impl RateLimiter {
    pub(crate) fn new(per_minute: u32, concurrent: usize) -> Self {
        let per_minute = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        let state = State {
            per_minute,
            since: Instant::now(),
            limiter: limiter(per_minute),
            paused_until: None,
            window: None,
        };
        Self {
            per_minute,
            queue: Queue::new(()),
            state: Mutex::new(state),
            concurrent: Semaphore::new(concurrent.clamp(1, Semaphore::MAX_PERMITS)),
        }
    }

    /// A permit, if there is one without a wait.
    pub(crate) fn try_acquire(&self) -> Option<SemaphorePermit<'_>> {
        let _first = self.queue.try_lock().ok()?;
        let permit = self.concurrent.try_acquire().ok()?;
        self.wait().is_zero().then_some(permit)
    }

    /// Waits for a permit, not past `deadline`. The permit counts against the concurrency limit until it is dropped.
    pub(crate) async fn acquire(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, TooLate> {
        let permit = async {
            let first = self.queue.lock().await;
            loop {
                let wait = self.wait();
                if wait.is_zero() {
                    break;
                }
                if Instant::now() + wait > deadline {
                    return Err(TooLate { wait: Some(wait) });
                }
                tokio::time::sleep(wait).await;
            }
            drop(first);
            self.concurrent.acquire().await.map_err(|_| TooLate { wait: None })
        };
        tokio::time::timeout_at(deadline, permit).await.unwrap_or(Err(TooLate { wait: None }))
    }

    /// Counts a call and returns zero, or returns how long the rate limit holds it back.
    fn wait(&self) -> Duration {
        let state = self.state.lock();
        let now = Instant::now();
        if let Some(until) = state.paused_until.filter(|until| *until > now) {
            return until - now;
        }
        match state.limiter.check() {
            Ok(()) => Duration::ZERO,
            // Rounded up, so that one wait is enough.
            Err(not_until) => {
                not_until.wait_time_from(state.limiter.clock().now()) + Duration::from_millis(1)
            }
        }
    }

    /// Adapts to a response: its window, and the pause of its `Retry-After`.
    pub(crate) fn observe(&self, headers: &HeaderMap, pause: Option<Duration>) {
        let mut state = self.state.lock();
        if let Some(window) = RateWindow::read(headers) {
            state.window = Some(window);
            if window.remaining == 0 && window.reset_in > 0 {
                state.pause(Duration::from_secs(window.reset_in));
            }
            if let Some(limit) = u32::try_from(window.limit).ok().and_then(NonZeroU32::new) {
                state.adapt(limit.min(self.per_minute));
            }
        }
        if let Some(pause) = pause {
            state.pause(pause);
        }
    }

    /// The window of the last response that had one.
    pub(crate) fn window(&self) -> Option<RateWindow> {
        self.state.lock().window
    }
}

/// How long a lower limit holds after the last response that had it.
const LOWERED: Duration = Duration::from_secs(60);

/// The longest pause that a response can cause.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

impl State {
    /// A lower limit holds at once; a higher one when no response had the lower one for a minute, since each limit begins with a
    /// full burst.
    fn adapt(&mut self, limit: NonZeroU32) {
        let is_raised = limit > self.per_minute;
        if is_raised && self.since.elapsed() < LOWERED {
            return;
        }
        self.since = Instant::now();
        if limit != self.per_minute {
            (self.per_minute, self.limiter) = (limit, limiter(limit));
        }
    }

    fn pause(&mut self, pause: Duration) {
        let until = Instant::now() + pause.min(LONGEST_PAUSE);
        self.paused_until = Some(self.paused_until.map_or(until, |already| already.max(until)));
    }
}

fn limiter(per_minute: NonZeroU32) -> Limiter {
    governor::RateLimiter::direct_with_clock(Quota::per_minute(per_minute), Ticks(Instant::now()))
}

/// Time since the limiter was made, on the clock of tokio, which tests can pause.
#[derive(Debug, Clone)]
struct Ticks(Instant);

impl Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The smallest reset that is a time in Unix seconds instead of a number of seconds.
const EARLIEST_TIME: u64 = 1_000_000_000;

impl RateWindow {
    /// Reads `X-RateLimit-Limit`, `-Remaining` and `-Reset`.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
        Some(Self {
            limit: number("x-ratelimit-limit")?,
            remaining: number("x-ratelimit-remaining")?,
            window_seconds: 0,
            reset_in: match number("x-ratelimit-reset").unwrap_or_default() {
                time if time >= EARLIEST_TIME => {
                    time.saturating_sub(crate::types::Clock::system().unix_seconds())
                }
                seconds => seconds,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(limit: u64, remaining: u64, reset: u64) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("x-ratelimit-limit", limit.into());
        headers.insert("x-ratelimit-remaining", remaining.into());
        headers.insert("x-ratelimit-reset", reset.into());
        headers
    }

    fn in_seconds(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_uses_up_the_minute_and_then_calls_are_spaced() {
        let limiter = RateLimiter::new(60, 1000);
        let from = Instant::now();
        for _ in 0..60 {
            drop(limiter.acquire(in_seconds(1)).await.unwrap());
        }
        assert_eq!(from.elapsed(), Duration::ZERO);
        for _ in 0..5 {
            drop(limiter.acquire(in_seconds(2)).await.unwrap());
        }
        assert_eq!(from.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn no_call_waits_past_the_deadline() {
        let limiter = RateLimiter::new(1, 1000);
        drop(limiter.acquire(in_seconds(1)).await.unwrap());
        let from = Instant::now();
        let Err(TooLate { wait: Some(wait) }) = limiter.acquire(in_seconds(10)).await else {
            panic!("a permit past the deadline")
        };
        assert_eq!((wait.as_secs(), from.elapsed()), (60, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn the_concurrency_limit_holds() {
        let limiter = RateLimiter::new(600, 2);
        let (first, _second) =
            (limiter.acquire(in_seconds(1)).await.unwrap(), limiter.acquire(in_seconds(1)).await.unwrap());
        assert_eq!(limiter.acquire(in_seconds(1)).await.err(), Some(TooLate { wait: None }));
        drop(first);
        assert!(limiter.acquire(in_seconds(1)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn responses_change_the_limit() {
        let limiter = RateLimiter::new(600, 1000);
        limiter.observe(&headers(100, 0, 30), None);
        assert_eq!(
            limiter.window().map(|window| (window.limit, window.remaining, window.reset_in)),
            Some((100, 0, 30))
        );
        assert!(limiter.acquire(in_seconds(29)).await.is_err());
        let from = Instant::now();
        assert!(limiter.acquire(in_seconds(31)).await.is_ok());
        assert_eq!(from.elapsed().as_secs(), 30);

        limiter.observe(&HeaderMap::new(), Some(Duration::from_secs(5)));
        assert!(limiter.acquire(in_seconds(4)).await.is_err());
        assert!(limiter.acquire(in_seconds(6)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lower_limit_ends_a_minute_after_its_last_response() {
        let limiter = RateLimiter::new(600, 1000);
        let burst = || (0..1000).take_while(|_| limiter.try_acquire().is_some()).count();
        limiter.observe(&headers(5, 4, 0), None);
        assert_eq!(burst(), 5);
        // Other endpoints say other limits: that gives no more bursts.
        for _ in 0..5 {
            tokio::time::advance(Duration::from_secs(6)).await;
            limiter.observe(&headers(600, 599, 0), None);
            limiter.observe(&headers(5, 4, 0), None);
        }
        assert!(burst() <= 3);
        tokio::time::advance(Duration::from_secs(60)).await;
        limiter.observe(&headers(6000, 5999, 0), None);
        assert_eq!(burst(), 600, "the limit of the configuration is not raised");
    }

    #[test]
    fn a_reset_is_seconds_or_a_time() {
        let now = crate::types::Clock::system().unix_seconds();
        assert_eq!(RateWindow::read(&headers(1, 1, 42)).map(|window| window.reset_in), Some(42));
        let reset_in = RateWindow::read(&headers(1, 1, now + 42)).map(|window| window.reset_in);
        assert!(reset_in.is_some_and(|seconds| (40..=42).contains(&seconds)), "{reset_in:?}");
        assert_eq!(RateWindow::read(&HeaderMap::new()), None);
    }
}
