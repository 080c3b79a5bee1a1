//! The queue between deliveries and the telemetry worker.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::sync::{Notify, oneshot};

use super::record::TelemetryEvent;

/// Events that wait for the worker. To add one costs a lock, and a wake-up only where the queue was empty.
#[derive(Default)]
pub(super) struct Queue {
    events: Mutex<Vec<TelemetryEvent>>,
    flushes: Mutex<Vec<oneshot::Sender<()>>>,
    /// There is something to do: an event, a flush, or the end.
    ready: Notify,
    /// There is something to do that does not wait for the next round.
    urgent: Notify,
    closed: AtomicBool,
    dropped: AtomicU64,
}

/// The capacity of the queue; events above it are dropped and counted.
pub(super) const CAPACITY: usize = 16_384;

impl Queue {
    /// Adds an event, which is made only if there is room for it.
    pub(super) fn push(&self, event: impl FnOnce() -> TelemetryEvent) {
        let mut events = lock(&self.events);
        if events.len() >= CAPACITY {
            self.count_dropped();
            return;
        }
        events.push(event());
        if events.len() == 1 {
            self.ready.notify_one();
        }
    }

    /// Asks the worker to tell when everything that was added before is processed.
    pub(super) fn flush(&self) -> oneshot::Receiver<()> {
        let (sender, flushed) = oneshot::channel();
        lock(&self.flushes).push(sender);
        self.wake();
        flushed
    }

    /// Ends the worker, once it has processed what is left.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until there is something to do, and then for `round`, unless it is urgent.
    pub(super) async fn wait(&self, round: std::time::Duration) {
        self.ready.notified().await;
        tokio::select! {
            () = tokio::time::sleep(round) => {}
            () = self.urgent.notified() => {}
        }
    }

    /// Takes everything. The flushes come first: what they wait for is among the events then.
    pub(super) fn take(&self) -> (Vec<oneshot::Sender<()>>, Vec<TelemetryEvent>) {
        let flushes = std::mem::take(&mut *lock(&self.flushes));
        (flushes, std::mem::take(&mut *lock(&self.events)))
    }

    fn wake(&self) {
        self.ready.notify_one();
        self.urgent.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A push may run its caller's code; a panic there leaves the queue as it was.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
