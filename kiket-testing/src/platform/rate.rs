//! The rate window: how many calls a while allows.

use std::time::Duration;

use serde_json::{Value, json};

use super::response::Response;

/// A fixed window, which begins with the first call in it.
pub(super) struct RateWindow {
    limit: u64,
    seconds: u64,
    used: u64,
    began: Option<u64>,
}

impl RateWindow {
    /// Whole seconds count, at least one.
    pub(super) fn new(limit: u64, window: Duration) -> Self {
        Self { limit, seconds: window.as_secs().max(1), used: 0, began: None }
    }

    /// Goes on as if all but `remaining` calls had been made.
    pub(super) fn leave(&mut self, remaining: u64, now: u64) {
        self.used = self.limit.saturating_sub(remaining);
        self.began = Some(now);
    }

    /// Counts a call, or refuses it.
    pub(super) fn take(&mut self, now: u64) -> Result<(), Response> {
        self.roll(now);
        if self.used >= self.limit {
            let wait = self.reset_in(now);
            let body = json!({ "error": "Rate limit exceeded", "code": "rate_limited", "retry_after": wait });
            return Err(Response::json(429, &body).with_header("retry-after", wait.to_string()));
        }
        self.began.get_or_insert(now);
        self.used = self.used.saturating_add(1);
        Ok(())
    }

    pub(super) fn shown(&mut self, now: u64) -> Value {
        self.roll(now);
        let (remaining, reset_in) = (self.remaining(), self.reset_in(now));
        json!({ "rate_limit": {
            "limit": self.limit, "remaining": remaining, "window_seconds": self.seconds, "reset_in": reset_in,
        } })
    }

    /// The same as headers; the reset is in seconds from now.
    pub(super) fn headers(&mut self, now: u64) -> [(&'static str, u64); 3] {
        self.roll(now);
        [
            ("x-ratelimit-limit", self.limit),
            ("x-ratelimit-remaining", self.remaining()),
            ("x-ratelimit-reset", self.reset_in(now)),
        ]
    }

    fn roll(&mut self, now: u64) {
        if self.began.is_some_and(|began| now >= began.saturating_add(self.seconds)) {
            self.began = None;
            self.used = 0;
        }
    }

    fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    fn reset_in(&self, now: u64) -> u64 {
        self.began.unwrap_or(now).saturating_add(self.seconds).saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_begins_with_its_first_call_and_ends_on_time() {
        let mut window = RateWindow::new(2, Duration::from_secs(60));
        assert_eq!(window.headers(1000).map(|(_, value)| value), [2, 2, 60]);
        assert!(window.take(1000).is_ok());
        assert!(window.take(1059).is_ok());
        assert_eq!(window.headers(1059).map(|(_, value)| value), [2, 0, 1]);
        assert_eq!(window.take(1059).unwrap_err().status, 429);
        assert!(window.take(1060).is_ok());
        assert_eq!(window.headers(1060).map(|(_, value)| value), [2, 1, 60]);
    }

    #[test]
    fn what_remains_can_be_set() {
        let mut window = RateWindow::new(600, Duration::from_secs(60));
        window.leave(3, 1000);
        assert_eq!(window.shown(1010)["rate_limit"]["remaining"], 3);
        assert_eq!(window.shown(1010)["rate_limit"]["reset_in"], 50);
        window.leave(700, 1000);
        assert_eq!(window.shown(1010)["rate_limit"]["remaining"], 600);
    }
}
