//! The telemetry worker: calls the feedback hook and sends records, on a thread of its own.

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot};

use super::{
    panics::redacted,
    queue::Queue,
    record::{Record, TelemetryContext, TelemetryEvent},
};
use crate::{client::Reporter, types::caught};

/// The feedback hook of the program.
pub(crate) type Hook = Arc<dyn Fn(&Record) + Send + Sync>;

/// The capacity of the channel to the sender; records above it are dropped and counted.
const UNSENT: usize = 1024;
/// The interval at which the queue is processed while events arrive.
const ROUND: Duration = Duration::from_millis(200);

/// Processes the queue.
pub(super) struct Worker {
    pub(super) queue: Arc<Queue>,
    pub(super) hook: Option<Hook>,
    pub(super) context: TelemetryContext,
}

enum Outgoing {
    Record(Box<Record>),
    /// Everything before this was sent.
    Flushed(oneshot::Sender<()>),
}

impl Worker {
    /// Runs until the queue is closed.
    pub(super) fn run(self, reporter: Option<Reporter>) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "telemetry disabled: failed to start its runtime");
                return;
            }
        };
        runtime.block_on(async {
            match reporter {
                Some(reporter) => {
                    let (unsent, receiver) = mpsc::channel(UNSENT);
                    let sending = tokio::spawn(send(reporter, receiver));
                    self.process(Some(unsent)).await;
                    sending.abort();
                }
                None => self.process(None).await,
            }
        });
    }

    async fn process(self, unsent: Option<mpsc::Sender<Outgoing>>) {
        loop {
            self.queue.wait(ROUND).await;
            let (flushes, events) = self.queue.take();
            for event in events {
                self.record(event, unsent.as_ref());
            }
            for flush in flushes {
                match &unsent {
                    Some(unsent) => drop(unsent.send(Outgoing::Flushed(flush)).await),
                    None => drop(flush.send(())),
                }
            }
            if self.queue.is_closed() {
                return;
            }
        }
    }

    /// Calls the hook, and passes the record to the sender if its channel has capacity. A record that neither needs is not
    /// written.
    fn record(&self, event: TelemetryEvent, unsent: Option<&mpsc::Sender<Outgoing>>) {
        let permit = unsent.map(mpsc::Sender::try_reserve);
        if matches!(permit, Some(Err(_))) {
            self.queue.count_dropped();
        }
        let permit = permit.and_then(Result::ok);
        if self.hook.is_none() && permit.is_none() {
            return;
        }
        let record = self.context.record(event);
        if let Some(hook) = &self.hook
            && let Err(text) = caught(|| hook(&record))
        {
            tracing::error!(error = redacted(&text), "the feedback hook panicked");
        }
        if let Some(permit) = permit {
            permit.send(Outgoing::Record(Box::new(record)));
        }
    }
}

/// Sends records one after the other.
async fn send(reporter: Reporter, mut unsent: mpsc::Receiver<Outgoing>) {
    let mut failing = false;
    while let Some(outgoing) = unsent.recv().await {
        match outgoing {
            Outgoing::Flushed(flush) => drop(flush.send(())),
            Outgoing::Record(record) => {
                let sent = reporter.send(&record).await;
                if let (Err(error), false) = (&sent, failing) {
                    tracing::warn!(%error, "failed to send telemetry; not logged again until it succeeds");
                }
                failing = sent.is_err();
            }
        }
    }
}
