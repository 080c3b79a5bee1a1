//! The wall clock, behind one type that tests replace.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The wall clock: the system's, or one that a test sets.
///
/// ```
/// use std::time::Duration;
/// use kiket_runtime::config::Clock;
///
/// let clock = Clock::fixed(1_700_000_000);
/// clock.advance(Duration::from_secs(301));
/// assert_eq!(clock.unix_seconds(), 1_700_000_301);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// The Unix seconds that a test sets.
    fixed: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that is fixed at `unix_seconds` until it is advanced. Clones share their time.
    pub fn fixed(unix_seconds: u64) -> Self {
        Self { fixed: Some(Arc::new(AtomicU64::new(unix_seconds))) }
    }

    /// Advances a fixed clock by whole seconds. It does not change the system's clock.
    pub fn advance(&self, by: Duration) {
        if let Some(seconds) = &self.fixed {
            let later = |now: u64| Some(now.saturating_add(by.as_secs()));
            let _ = seconds.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
        }
    }

    /// Now; a fixed clock has whole seconds.
    pub fn now(&self) -> SystemTime {
        /// The end of the year 9999, in Unix seconds.
        const LATEST: u64 = 253_402_300_799;
        match &self.fixed {
            None => SystemTime::now(),
            Some(_) => UNIX_EPOCH + Duration::from_secs(self.unix_seconds().min(LATEST)),
        }
    }

    /// The time of a fixed clock; `None` where the time is the system's.
    #[cfg(feature = "inbox")]
    pub(crate) fn virtual_now(&self) -> Option<SystemTime> {
        self.fixed.is_some().then(|| self.now())
    }

    /// Whole seconds since 1970-01-01 00:00 UTC; 0 before that.
    pub fn unix_seconds(&self) -> u64 {
        match &self.fixed {
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            Some(seconds) => seconds.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_stops_at_its_last_second() {
        let clock = Clock::fixed(7);
        clock.advance(Duration::MAX);
        clock.advance(Duration::from_secs(9));
        assert_eq!(clock.unix_seconds(), u64::MAX);
    }
}
