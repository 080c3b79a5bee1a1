//! The failures that were ordered, and which call meets which.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{call::Call, failure::Failure};

/// The failures that are ordered, the first one first.
#[derive(Default)]
pub(super) struct Failures(Mutex<Ordered>);

#[derive(Default)]
struct Ordered {
    next: u64,
    /// Each with a number, by which it is found again after its predicate ran.
    failures: Vec<(u64, Failure)>,
}

impl Failures {
    pub(super) fn order(&self, failure: Failure) {
        let mut ordered = self.ordered();
        let number = ordered.next;
        ordered.next = number.wrapping_add(1);
        ordered.failures.push((number, failure));
    }

    pub(super) fn clear(&self) {
        self.ordered().failures.clear();
    }

    /// The failure that `call` meets. Predicates run unlocked: they may ask the platform.
    pub(super) fn meet(&self, call: &Call) -> Option<Failure> {
        let candidates = self.ordered().failures.clone();
        candidates.into_iter().find_map(|(number, failure)| {
            (failure.picks(call) && self.ordered().take(number)).then_some(failure)
        })
    }

    fn ordered(&self) -> MutexGuard<'_, Ordered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ordered {
    /// Counts failure `number`; whether it still happens. It may have been taken back meanwhile.
    fn take(&mut self, number: u64) -> bool {
        let found = self.failures.iter_mut().find(|(own, _)| *own == number);
        found.is_some_and(|(_, failure)| failure.take())
    }
}
