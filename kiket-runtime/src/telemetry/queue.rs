//! The queue between deliveries and the telemetry worker.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Notify, oneshot};

use super::record::TelemetryEvent;
use crate::types::Mutex;

/// Events that wait for the worker. To add one costs a lock, and a wake-up only where the queue was empty.
#[derive(Default)]
pub(super) struct Queue {
    events: Mutex<Vec<TelemetryEvent>>,
    flushes: Mutex<Vec<oneshot::Sender<u64>>>,
    /// Notified when there is work: an event, a flush, or the end.
    ready: Notify,
    /// Notified when the work does not wait for the end of the round.
    urgent: Notify,
    closed: AtomicBool,
    dropped: AtomicU64,
}

/// The capacity of the queue; events above it are dropped and counted.
pub(super) const CAPACITY: usize = 16_384;

impl Queue {
    /// Adds an event, unless the queue is full.
    pub(super) fn push(&self, event: TelemetryEvent) {
        let mut events = self.events.lock();
        if events.len() >= CAPACITY {
            self.count_dropped();
            return;
        }
        events.push(event);
        if events.len() == 1 {
            self.ready.notify_one();
        }
    }

    /// Resolves when the worker has processed every event that was added before, with how many the rate limit let none through.
    pub(super) fn flush(&self) -> oneshot::Receiver<u64> {
        let (sender, flushed) = oneshot::channel();
        self.flushes.lock().push(sender);
        self.wake();
        flushed
    }

    /// Ends the worker, after it has processed the rest.
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

    /// Waits until there is work, and then for `round`, unless it is urgent.
    pub(super) async fn wait(&self, round: std::time::Duration) {
        self.ready.notified().await;
        tokio::select! {
            () = tokio::time::sleep(round) => {}
            () = self.urgent.notified() => {}
        }
    }

    /// Takes everything, the flushes before the events: each event that a flush waits for is then among the events.
    pub(super) fn take(&self) -> (Vec<oneshot::Sender<u64>>, Vec<TelemetryEvent>) {
        let flushes = std::mem::take(&mut *self.flushes.lock());
        (flushes, std::mem::take(&mut *self.events.lock()))
    }

    fn wake(&self) {
        self.ready.notify_one();
        self.urgent.notify_one();
    }
}
