//! Counts the tasks that a graceful shutdown waits for besides deliveries.

use tokio::sync::watch;

/// The tasks of an extension that are no deliveries: background tasks, and work that outlives its delivery.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks(watch::Sender<()>);

/// A task that runs until its clones are dropped, too.
#[derive(Debug, Clone)]
pub(crate) struct Task(#[allow(dead_code)] watch::Receiver<()>); // counted by its sender

impl Tasks {
    pub(crate) fn begin(&self) -> Task {
        Task(self.0.subscribe())
    }

    /// How many run.
    pub(crate) fn count(&self) -> usize {
        self.0.receiver_count()
    }

    /// Waits until none runs.
    pub(crate) async fn finished(&self) {
        self.0.closed().await;
    }
}
