//! What was seen of a fault test, while it is seen.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use extension_process::PATIENCE;

/// Everything that the sender and the troublemaker saw.
#[derive(Default)]
pub(crate) struct Journal {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) attempts: Vec<Attempt>,
    /// How many copies got a response for good.
    pub(crate) finished: usize,
    /// From when until when the store was down.
    pub(crate) outages: Vec<(Instant, Instant)>,
    /// Which processes were killed or stopped, and when.
    pub(crate) killed: Vec<(usize, Instant)>,
    pub(crate) paused: Vec<(usize, Instant)>,
    /// Whether the test has failed, and the other threads can stop.
    pub(crate) abandoned: bool,
}

/// An attempt to deliver a copy of an event.
pub(crate) struct Attempt {
    pub(crate) event: usize,
    /// The process; none when there was none.
    pub(crate) process: Option<usize>,
    pub(crate) from: Instant,
    pub(crate) to: Instant,
    /// None when the connection broke, or nothing came in time.
    pub(crate) response: Option<Received>,
}

pub(crate) struct Received {
    pub(crate) status: u16,
    /// The code of a failure.
    pub(crate) code: Option<String>,
    /// The run that the response is from.
    pub(crate) run: Option<String>,
    pub(crate) replayed: bool,
}

impl Received {
    /// Whether Kiket would not send the delivery again.
    pub(crate) fn is_final(&self) -> bool {
        self.status < 500 && self.status != 429
    }

    pub(crate) fn has_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

impl Attempt {
    pub(crate) fn responds_with(&self, code: &str) -> bool {
        self.response.as_ref().is_some_and(|response| response.has_code(code))
    }
}

impl Journal {
    pub(crate) fn write(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until something has been seen.
    ///
    /// # Panics
    ///
    /// When it is not.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, seen: impl Fn(&Seen) -> bool) {
        let waited = self.changed.wait_timeout_while(self.lock(), PATIENCE, |found| !seen(found));
        let (found, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "{what} is not seen; {} copies are finished", found.finished);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Seen> {
        // A thread that panics with it was judging, and had nothing half written.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
