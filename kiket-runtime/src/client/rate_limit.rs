//! The rate limit and the concurrency limit of a process's calls.

use std::{num::NonZeroU32, time::Duration};

use http::HeaderMap;
use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    time::{Instant, sleep_until, timeout_at},
};

use crate::types::Mutex;

/// The rate limit and the concurrency limit of all calls of a process.
pub(crate) struct RateLimiter {
    /// The limit of the configuration, which no response raises.
    per_minute: NonZeroU32,
    state: Mutex<State>,
    /// Notified when calls that wait have to look again.
    changed: Notify,
    concurrent: Semaphore,
}

struct State {
    per_minute: NonZeroU32,
    /// When that was last set, or seen in a response.
    since: Instant,
    /// How many orders of calls there were before this one.
    number: u64,
    /// How many calls of this order wait.
    waiting: u32,
    /// When the calls of a whole minute may be made at once again. Each call puts it off, those that wait as well.
    full_at: Instant,
    /// No call is made before this moment, by a response of Kiket's.
    paused_until: Option<Instant>,
    window: Option<RateWindow>,
}

const MINUTE: Duration = Duration::from_secs(60);

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

/// The place of a call in the order of calls. If that is given up before its time, calls that come later take it.
struct Slot<'l> {
    limiter: &'l RateLimiter,
    /// The number of the order that it is in, and its time.
    given: Option<(u64, Instant)>,
}

impl Slot<'_> {
    /// When the call may be made.
    fn at(&mut self, now: Instant) -> Instant {
        let mut state = self.limiter.state.lock();
        let given = self.given.filter(|(number, _)| *number == state.number);
        let (_, at) = *self.given.insert(given.unwrap_or_else(|| (state.number, state.next(now))));
        at
    }

    /// Ends the wait: the call is made, or given up.
    fn leave(&mut self, is_made: bool) {
        let Some((number, _)) = self.given.take() else { return };
        let mut state = self.limiter.state.lock();
        if number == state.number {
            let interval = state.interval();
            state.waiting -= 1;
            state.full_at -= if is_made { Duration::ZERO } else { interval };
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.leave(false);
    }
}

impl RateLimiter {
    pub(crate) fn new(per_minute: u32, concurrent: usize) -> Self {
        let per_minute = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        let now = Instant::now();
        let state = State {
            per_minute,
            since: now,
            number: 0,
            waiting: 0,
            full_at: now,
            paused_until: None,
            window: None,
        };
        Self {
            per_minute,
            state: Mutex::new(state),
            changed: Notify::new(),
            concurrent: Semaphore::new(concurrent.clamp(1, Semaphore::MAX_PERMITS)),
        }
    }

    /// A permit, if there is one without a wait.
    pub(crate) fn try_acquire(&self) -> Option<SemaphorePermit<'_>> {
        let permit = self.concurrent.try_acquire().ok()?;
        let (mut slot, now) = (Slot { limiter: self, given: None }, Instant::now());
        (slot.at(now) <= now).then(|| {
            slot.leave(true);
            permit
        })
    }

    /// Waits for a permit, not past `deadline`. The permit counts against the concurrency limit until it is dropped.
    ///
    /// It holds nothing that others wait for: its worker may block.
    pub(crate) async fn acquire(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, TooLate> {
        let mut slot = Slot { limiter: self, given: None };
        loop {
            let changed = self.changed.notified();
            let now = Instant::now();
            let at = slot.at(now);
            if at <= now {
                break;
            }
            if at > deadline {
                return Err(TooLate { wait: Some(at - now) });
            }
            tokio::select! {
                () = sleep_until(at) => {}
                () = changed => {}
            }
        }
        // From now on time gives it back.
        slot.leave(true);
        match timeout_at(deadline, self.concurrent.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(TooLate { wait: None }),
        }
    }

    /// Adapts to a response: its window, and the pause of its `Retry-After`.
    pub(crate) fn observe(&self, headers: &HeaderMap, pause: Option<Duration>) {
        let mut state = self.state.lock();
        let before = state.number;
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
        if before != state.number {
            self.changed.notify_waiters();
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
            self.begin_anew();
            (self.per_minute, self.full_at) = (limit, self.since);
        }
    }

    /// The part of a minute that a call takes.
    fn interval(&self) -> Duration {
        MINUTE / self.per_minute.get()
    }

    /// When a call may be made after all that were before it. What begins in a pause is counted from its end.
    fn next(&mut self, now: Instant) -> Instant {
        let begin = self.paused_until.map_or(now, |until| until.max(now));
        self.waiting += 1;
        self.full_at = self.full_at.max(begin) + self.interval();
        begin + (self.full_at - begin).saturating_sub(MINUTE)
    }

    /// Gives the calls that wait a new order.
    fn begin_anew(&mut self) {
        self.full_at -= self.interval() * self.waiting;
        (self.number, self.waiting) = (self.number + 1, 0);
    }

    fn pause(&mut self, pause: Duration) {
        let until = Instant::now() + pause.min(LONGEST_PAUSE);
        if self.paused_until.is_none_or(|already| already < until) {
            self.paused_until = Some(until);
            self.begin_anew();
        }
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
    use futures_util::FutureExt as _;

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

    /// Wire contract, call-rate-deadline.
    #[tokio::test(start_paused = true)]
    async fn a_call_behind_one_that_waits_fails_at_once_too() {
        let limiter = RateLimiter::new(60, 1000);
        limiter.observe(&HeaderMap::new(), Some(Duration::from_secs(12)));
        let timed = async |seconds| {
            let from = Instant::now();
            (limiter.acquire(in_seconds(seconds)).await.map(drop), from.elapsed())
        };
        let too_late = |seconds| Err(TooLate { wait: Some(Duration::from_secs(seconds)) });
        let (first, behind) = tokio::join!(timed(15), timed(10));
        assert_eq!(first, (Ok(()), Duration::from_secs(12)));
        assert_eq!(behind, (too_late(12), Duration::ZERO));

        while limiter.try_acquire().is_some() {}
        let (first, second, third) = tokio::join!(timed(1), timed(2), timed(2));
        assert_eq!((first.0, second.0), (Ok(()), Ok(())));
        assert_eq!(third, (too_late(3), Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waits_notices_a_pause_and_a_lower_limit() {
        for (response, wait) in [(headers(60, 0, 30), 30), (headers(1, 1, 0), 60)] {
            let limiter = RateLimiter::new(60, 1000);
            while limiter.try_acquire().is_some() {}
            // Of the lower limit, one call may be made at once.
            let (first, late, ()) = tokio::join!(
            biased;limiter.acquire(in_seconds(40)), limiter.acquire(in_seconds(10)), async {
                limiter.observe(&response, None);
            });
            assert!(first.is_ok());
            assert_eq!(late.err(), Some(TooLate { wait: Some(Duration::from_secs(wait)) }));
        }
    }

    /// Wire contract, call-rate-limit.
    #[tokio::test(start_paused = true)]
    async fn a_pause_gives_no_second_burst() {
        for before in [0, 30] {
            let limiter = RateLimiter::new(60, 1000);
            let (far, from) = (in_seconds(1000), Instant::now());
            for _ in 0..before {
                assert!(limiter.try_acquire().is_some());
            }
            // Some wait already when the pause is made longer.
            limiter.observe(&HeaderMap::new(), Some(Duration::from_secs(30)));
            let calls = futures_util::future::join_all((0..60).map(|_| limiter.acquire(far)));
            let ((), made) = tokio::join!(
                async {
                    tokio::time::advance(Duration::from_secs(10)).await;
                    limiter.observe(&HeaderMap::new(), Some(Duration::from_secs(30)));
                },
                calls
            );
            assert!(made.iter().all(Result::is_ok));
            assert_eq!(from.elapsed().as_secs(), 40);
            assert!(limiter.try_acquire().is_none(), "{before}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_given_up_delays_no_other() {
        let limiter = RateLimiter::new(60, 1000);
        while limiter.try_acquire().is_some() {}
        let far = in_seconds(1000);
        {
            let mut waiting: Vec<_> = (0..100).map(|_| Box::pin(limiter.acquire(far))).collect();
            for call in &mut waiting {
                assert!(call.now_or_never().is_none());
            }
        }
        let from = Instant::now();
        drop(limiter.acquire(far).await.unwrap());
        assert_eq!(from.elapsed(), Duration::from_secs(1));
    }

    #[test]
    fn a_worker_that_blocks_holds_up_no_call_that_waits() {
        let limiter = RateLimiter::new(30, 1000);
        let worker = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        while limiter.try_acquire().is_some() {}
        let mut blocked = Box::pin(limiter.acquire(in_seconds(30)));
        worker().block_on(async { assert!((&mut blocked).now_or_never().is_none()) });
        // That worker does no more.
        assert!(worker().block_on(limiter.acquire(in_seconds(30))).is_ok());
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
