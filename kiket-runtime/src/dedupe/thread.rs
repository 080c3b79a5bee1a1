//! The thread that runs the connections of a store whose workers share them.

use std::time::Duration;

use crate::{client::thread::Thread, store::StoreError};

/// Runs the operations of a store. The thread ends when this is dropped.
pub(super) struct StoreThread(Thread);

impl StoreThread {
    pub(super) fn start(name: &str) -> Result<Self, StoreError> {
        let failed = |error| StoreError::new("the thread of the store does not start").because(error);
        Thread::start(name).map(Self).map_err(failed)
    }

    /// Runs an operation to its end or its timeout, even if its caller is dropped.
    pub(super) fn run<T: Send + 'static>(
        &self,
        server: &'static str,
        limit: Duration,
        operation: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static {
        let runtime = self.0.runtime().clone();
        async move {
            let ended = runtime.spawn(async move { tokio::time::timeout(limit, operation).await }).await;
            ended
                .map_err(|error| StoreError::new("the thread of the store has ended").because(error))?
                .unwrap_or_else(|_| Err(StoreError::too_slow(server, limit)))
        }
    }

    /// Runs `work` in the background.
    pub(super) fn later(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.runtime().spawn(work);
    }
}
