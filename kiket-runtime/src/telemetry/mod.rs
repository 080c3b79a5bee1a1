//! Telemetry and logging: records of deliveries for the feedback hook and for Kiket, and the log of `kiket::main!`.
//!
//! A delivery adds an event to a queue, which costs a lock and rarely a wake-up; a worker thread processes the queue a
//! few times a second, calls the hook, and sends the records.

mod json;
mod logging;
mod output;
mod panics;
mod queue;
mod record;
mod worker;

use std::{sync::Arc, time::Duration};

pub use self::{
    logging::init_logging,
    output::log_writer,
    panics::install_panic_hook,
    record::{Record, RecordStatus},
};
pub(crate) use self::{
    logging::{Log, is_subscribed, log_is_on_terminal},
    output::{dropped_lines, flush as flush_output, stderr, stdout},
    panics::{keep_redactors, panicked, redact_panics, redact_panics_beside, redacted, without_secrets},
    record::{Failed, TelemetryContext, TelemetryEvent},
    worker::Hook,
};
use self::{queue::Queue, worker::Worker};
use crate::client::Reporter;
pub use crate::metrics::Stats;

/// The telemetry of an extension. Without hook and reporter it does nothing.
pub(crate) struct Telemetry(Option<Arc<Queue>>);

impl Telemetry {
    /// Starts the worker, unless it would have nothing to do.
    pub(crate) fn start(hook: Option<Hook>, reporter: Option<Reporter>, context: TelemetryContext) -> Self {
        if hook.is_none() && reporter.is_none() {
            return Self(None);
        }
        let queue = Arc::new(Queue::default());
        let worker = Worker { queue: Arc::clone(&queue), hook, context };
        let thread = std::thread::Builder::new().name("kiket-telemetry".to_owned());
        match thread.spawn(move || worker.run(reporter)) {
            Ok(_) => Self(Some(queue)),
            Err(error) => {
                tracing::error!(%error, "telemetry disabled: failed to spawn its thread");
                Self(None)
            }
        }
    }

    /// Adds an event to the queue. Never waits.
    pub(crate) fn record(&self, event: impl FnOnce() -> TelemetryEvent) {
        if let Some(queue) = &self.0 {
            // Made before the lock: it is redacted, and all workers share the queue.
            queue.push(event());
        }
    }

    /// The number of records that were dropped since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |queue| queue.dropped())
    }

    /// Waits until every event so far is processed, `timeout` at most. Records that the rate limit holds back are dropped: to wait for
    /// it would be no use.
    pub(crate) async fn flush(&self, timeout: Duration) {
        let Some(queue) = &self.0 else { return };
        match tokio::time::timeout(timeout, queue.flush()).await {
            Err(_) => {
                tracing::warn!("telemetry is not sent in full: its server is slow, or does not respond");
            }
            Ok(Ok(dropped)) if dropped > 0 => {
                tracing::info!(
                    dropped,
                    "telemetry is not sent in full: the rate limit of its records is used up"
                );
            }
            Ok(_) => {}
        }
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(queue) = &self.0 {
            queue.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    };

    use super::{queue::CAPACITY, *};
    use crate::{
        delivery::HandlerKey,
        types::{EventName, EventVersion},
    };

    fn event(failure: Option<Failed>) -> TelemetryEvent {
        let key = HandlerKey {
            event: EventName::from_static("issue.created"),
            version: EventVersion::from_static("v1"),
        };
        TelemetryEvent {
            key: Arc::new(key),
            duration: Duration::from_millis(12),
            ended_at: 1_768_645_800,
            failure,
        }
    }

    fn context() -> TelemetryContext {
        TelemetryContext { extension_id: Some("com.example".into()), extension_version: None }
    }

    #[test]
    fn a_record_has_the_shape_that_kiket_expects() {
        let json = serde_json::to_value(context().record(event(None))).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "event": "issue.created", "version": "v1", "status": "ok", "duration_ms": 12.0,
                "timestamp": "2026-01-17T10:30:00Z", "extension_id": "com.example", "extension_version": null,
                "metadata": {},
            })
        );
        let failed = Failed { message: "no mail".into(), class: "quota".into() };
        let record = context().record(event(Some(failed)));
        assert_eq!(record.error_message.as_deref(), Some("no mail"));
        assert_eq!((record.status, record.error_class.as_deref()), (RecordStatus::Error, Some("quota")));
    }

    #[tokio::test]
    async fn the_hook_gets_every_record_and_may_panic() {
        let seen = Arc::new(AtomicU64::new(0));
        let hook: Hook = Arc::new({
            let seen = Arc::clone(&seen);
            move |_| assert!(seen.fetch_add(1, Ordering::SeqCst) % 2 == 1, "every other time")
        });
        let telemetry = Telemetry::start(Some(hook), None, context());
        for _ in 0..1000 {
            telemetry.record(|| event(None));
        }
        telemetry.flush(Duration::from_secs(30)).await;
        assert_eq!((seen.load(Ordering::SeqCst), telemetry.dropped()), (1000, 0));
    }

    #[tokio::test]
    async fn a_hook_that_hangs_drops_records_and_counts_them() {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let held = Mutex::new(held);
        let hook: Hook = Arc::new(move |_| drop(held.lock().map(|held| held.recv())));
        let telemetry = Telemetry::start(Some(hook), None, context());
        for _ in 0..2 * CAPACITY + 5 {
            telemetry.record(|| event(None));
        }
        assert!(telemetry.dropped() >= 5);
        drop(release);
        telemetry.flush(Duration::from_secs(30)).await;
    }

    #[test]
    fn an_event_that_takes_long_to_make_delays_no_other_worker() {
        let telemetry = Arc::new(Telemetry::start(Some(Arc::new(|_| ())), None, context()));
        telemetry.record(|| {
            let (other, (done, is_done)) = (Arc::clone(&telemetry), std::sync::mpsc::channel());
            std::thread::spawn(move || {
                other.record(|| event(None));
                done.send(())
            });
            assert!(is_done.recv_timeout(Duration::from_secs(10)).is_ok());
            event(None)
        });
    }

    #[tokio::test]
    async fn without_hook_and_reporter_no_event_is_made() {
        let telemetry = Telemetry::start(None, None, context());
        telemetry.record(|| unreachable!("no hook needs it"));
        telemetry.flush(Duration::from_secs(1)).await;
        assert_eq!(telemetry.dropped(), 0);
    }
}
