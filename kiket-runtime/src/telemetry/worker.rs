//! The telemetry worker: calls the feedback hook and sends records, on a thread of its own.

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot, watch};

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

/// The number of flushes that wait.
type Flushes = watch::Sender<u64>;

enum Outgoing {
    Record(Box<Record>),
    /// Everything before this was sent, or dropped.
    Flushed(oneshot::Sender<u64>),
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
                    let flushes = watch::Sender::new(0);
                    let queue = Arc::clone(&self.queue);
                    let sending = tokio::spawn(send(reporter, receiver, flushes.clone(), queue));
                    self.process(Some((unsent, flushes))).await;
                    sending.abort();
                }
                None => self.process(None).await,
            }
        });
    }

    async fn process(self, unsent: Option<(mpsc::Sender<Outgoing>, Flushes)>) {
        loop {
            self.queue.wait(ROUND).await;
            let (flushes, events) = self.queue.take();
            for event in events {
                self.record(event, unsent.as_ref().map(|(unsent, _)| unsent));
            }
            for flush in flushes {
                match &unsent {
                    Some((unsent, flushes)) => {
                        flushes.send_modify(|flushes| *flushes += 1);
                        let _ = unsent.send(Outgoing::Flushed(flush)).await;
                    }
                    None => drop(flush.send(0)),
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

/// Sends records one after the other. While a flush waits, those that the rate limit holds back are dropped.
async fn send(reporter: Reporter, mut unsent: mpsc::Receiver<Outgoing>, flushes: Flushes, queue: Arc<Queue>) {
    let mut hurried = flushes.subscribe();
    let (mut failing, mut dropped) = (false, 0);
    while let Some(outgoing) = unsent.recv().await {
        match outgoing {
            Outgoing::Flushed(flush) => {
                flushes.send_modify(|flushes| *flushes -= 1);
                let _ = flush.send(std::mem::take(&mut dropped));
            }
            Outgoing::Record(record) => {
                let is_hurried = async { drop(hurried.wait_for(|flushes| *flushes > 0).await) };
                let Some(sent) = reporter.send(&record, is_hurried).await else {
                    queue.count_dropped();
                    dropped += 1;
                    continue;
                };
                if let (Err(error), false) = (&sent, failing) {
                    tracing::warn!(%error, "failed to send telemetry; not logged again until it succeeds");
                }
                failing = sent.is_err();
            }
        }
    }
}
