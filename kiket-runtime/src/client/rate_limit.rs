//! How fast the process may call: no faster than Kiket says, no more calls at once than it can hold.

use std::{
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use http::HeaderMap;
use tokio::{
    sync::{Mutex as Queue, Semaphore, SemaphorePermit},
    time::Instant,
};

/// The pace of all calls of a process.
pub(crate) struct Pace {
    /// Who waits for a turn waits in here, first come, first served.
    queue: Queue<()>,
    state: Mutex<State>,
    at_once: Semaphore,
}

struct State {
    per_minute: NonZeroU32,
    limiter: Limiter,
    /// Nobody calls before: Kiket said so.
    paused_until: Option<Instant>,
    seen: Option<RateWindow>,
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Duration>>;

/// What Kiket says of the rate of an extension's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[non_exhaustive]
pub struct RateWindow {
    /// How many calls a window has.
    pub limit: u64,
    /// How many are left in this one.
    pub remaining: u64,
    /// How long a window is, in seconds; 0 where only headers were seen, which do not say it.
    #[serde(default)]
    pub window_seconds: u64,
    /// In how many seconds the next one begins.
    #[serde(default)]
    pub reset_in: u64,
}

/// A turn would come too late.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLate {
    /// How long it would have been, where that is known.
    pub(crate) wait: Option<Duration>,
}

impl Pace {
    pub(crate) fn new(per_minute: u32, at_once: usize) -> Self {
        let per_minute = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        let state = State { per_minute, limiter: limiter(per_minute), paused_until: None, seen: None };
        Self { queue: Queue::new(()), state: Mutex::new(state), at_once: Semaphore::new(at_once.max(1)) }
    }

    /// Waits for a turn, not past `deadline`. The turn holds one of the places for calls at once.
    pub(crate) async fn turn(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, TooLate> {
        let turn = async {
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
            self.at_once.acquire().await.map_err(|_| TooLate { wait: None })
        };
        tokio::time::timeout_at(deadline, turn).await.unwrap_or(Err(TooLate { wait: None }))
    }

    /// Takes a turn, or tells how long there is none.
    fn wait(&self) -> Duration {
        let state = self.state();
        let now = Instant::now();
        if let Some(until) = state.paused_until.filter(|until| *until > now) {
            return until - now;
        }
        match state.limiter.check() {
            Ok(()) => Duration::ZERO,
            // A hair more, so that rounding never makes a second round of it.
            Err(not_until) => {
                not_until.wait_time_from(state.limiter.clock().now()) + Duration::from_millis(1)
            }
        }
    }

    /// Follows what an answer says: its window, and whether it asks for a pause.
    pub(crate) fn follow(&self, headers: &HeaderMap, pause: Option<Duration>) {
        let mut state = self.state();
        if let Some(seen) = RateWindow::read(headers) {
            state.seen = Some(seen);
            if seen.remaining == 0 && seen.reset_in > 0 {
                state.pause(Duration::from_secs(seen.reset_in));
            }
            let told = u32::try_from(seen.limit).ok().and_then(NonZeroU32::new);
            if let Some(per_minute) = told.filter(|told| *told < state.per_minute) {
                state.per_minute = per_minute;
                state.limiter = limiter(per_minute);
            }
        }
        if let Some(pause) = pause {
            state.pause(pause);
        }
    }

    /// What the last answer said of the rate.
    pub(crate) fn seen(&self) -> Option<RateWindow> {
        self.state().seen
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing panics while it is held; a poisoned one would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The longest pause that Kiket is believed.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

impl State {
    fn pause(&mut self, pause: Duration) {
        let until = Instant::now() + pause.min(LONGEST_PAUSE);
        self.paused_until = Some(self.paused_until.map_or(until, |already| already.max(until)));
    }
}

fn limiter(per_minute: NonZeroU32) -> Limiter {
    RateLimiter::direct_with_clock(Quota::per_minute(per_minute), Ticks(Instant::now()))
}

/// Time since the limiter was made, by the clock that tests can move.
#[derive(Debug, Clone)]
struct Ticks(Instant);

impl Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Above this a reset is a time of day in Unix seconds, and not a number of seconds.
const EARLIEST_TIME: u64 = 1_000_000_000;

impl RateWindow {
    /// What `X-RateLimit-Limit`, `-Remaining` and `-Reset` say.
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
    async fn a_minute_has_its_calls_and_then_they_come_one_by_one() {
        let pace = Pace::new(60, 1000);
        let from = Instant::now();
        for _ in 0..60 {
            drop(pace.turn(in_seconds(1)).await.unwrap());
        }
        assert_eq!(from.elapsed(), Duration::ZERO);
        for _ in 0..5 {
            drop(pace.turn(in_seconds(2)).await.unwrap());
        }
        assert_eq!(from.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_past_the_deadline() {
        let pace = Pace::new(1, 1000);
        drop(pace.turn(in_seconds(1)).await.unwrap());
        let from = Instant::now();
        let Err(TooLate { wait: Some(wait) }) = pace.turn(in_seconds(10)).await else { panic!("a turn") };
        assert_eq!((wait.as_secs(), from.elapsed()), (60, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_limit_call_at_once() {
        let pace = Pace::new(600, 2);
        let (first, _second) =
            (pace.turn(in_seconds(1)).await.unwrap(), pace.turn(in_seconds(1)).await.unwrap());
        assert_eq!(pace.turn(in_seconds(1)).await.err(), Some(TooLate { wait: None }));
        drop(first);
        assert!(pace.turn(in_seconds(1)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_kiket_says_is_followed() {
        let pace = Pace::new(600, 1000);
        pace.follow(&headers(100, 0, 30), None);
        assert_eq!(pace.seen().map(|seen| (seen.limit, seen.remaining, seen.reset_in)), Some((100, 0, 30)));
        assert!(pace.turn(in_seconds(29)).await.is_err());
        let from = Instant::now();
        assert!(pace.turn(in_seconds(31)).await.is_ok());
        assert_eq!(from.elapsed().as_secs(), 30);

        pace.follow(&HeaderMap::new(), Some(Duration::from_secs(5)));
        assert!(pace.turn(in_seconds(4)).await.is_err());
        assert!(pace.turn(in_seconds(6)).await.is_ok());
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
