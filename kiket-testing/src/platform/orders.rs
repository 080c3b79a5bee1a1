//! What a test orders, each with a count.

use std::sync::{Arc, atomic::AtomicU64};

use kiket_runtime::internals::Mutex;

/// An order and its count.
pub(super) type Counted<T> = Arc<(T, AtomicU64)>;

pub(super) struct Orders<T>(Mutex<Vec<Counted<T>>>);

impl<T> Orders<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    pub(super) fn add(&self, order: T, count: u64) {
        self.0.lock().push(Arc::new((order, AtomicU64::new(count))));
    }

    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }

    /// All of them, the first one first. Predicates run without the lock: they may ask the fake platform.
    pub(super) fn all(&self) -> Vec<Counted<T>> {
        self.0.lock().clone()
    }
}
