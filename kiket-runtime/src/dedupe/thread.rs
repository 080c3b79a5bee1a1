//! The thread that runs the connections of a store whose workers share them.
//!
//! A connection lives in the runtime that made it. Each worker of the server has its own runtime, which also runs handlers:
//! a handler that blocks would delay every delivery that uses a connection made there, and a worker that ends first would
//! close such connections while others have replies to commit.

use std::{io, thread, time::Duration};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

use crate::store::StoreError;

/// Runs the operations of a store. The thread ends when this is dropped.
pub(super) struct StoreThread {
    runtime: Handle,
    /// Dropped to end the thread.
    _ends: oneshot::Sender<()>,
}

impl StoreThread {
    pub(super) fn start(name: &str) -> Result<Self, StoreError> {
        let started = || -> io::Result<Self> {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let (ends, ended) = oneshot::channel::<()>();
            thread::Builder::new().name(name.to_owned()).spawn(move || {
                let _ = runtime.block_on(ended);
                // The shutdown does not wait for a name lookup.
                runtime.shutdown_background();
            })?;
            Ok(Self { runtime: handle, _ends: ends })
        };
        started().map_err(|error| StoreError::new("the thread of the store does not start").because(error))
    }

    /// Runs an operation to its end or its timeout, even if its caller is dropped.
    pub(super) fn run<T: Send + 'static>(
        &self,
        server: &'static str,
        limit: Duration,
        operation: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static {
        let runtime = self.runtime.clone();
        async move {
            let ended = runtime.spawn(async move { tokio::time::timeout(limit, operation).await }).await;
            ended
                .map_err(|error| StoreError::new("the thread of the store has ended").because(error))?
                .unwrap_or_else(|_| Err(StoreError::too_slow(server, limit)))
        }
    }

    /// Runs `work` in the background.
    pub(super) fn later(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }
}
