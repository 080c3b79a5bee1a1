//! Threads of its own: for the connections from and to Restate, and for handlers.

use std::io;

use kiket_runtime::dedupe::StoreError;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::{JoinError, JoinHandle},
};

/// Two runtimes: a handler that blocks its thread holds up no connection.
pub(crate) struct Threads {
    connections: Option<Runtime>,
    handlers: Option<Runtime>,
}

impl Threads {
    /// Threads for so many handlers at once.
    pub(crate) fn new(handlers: usize) -> io::Result<Self> {
        let runtime = |name: &str, threads| {
            Builder::new_multi_thread().worker_threads(threads).thread_name(name).enable_all().build()
        };
        Ok(Self {
            connections: Some(runtime("kiket-restate", 2)?),
            handlers: Some(runtime("kiket-worker", handlers)?),
        })
    }

    /// The runtime of connections.
    pub(crate) fn connections(&self) -> Option<&Handle> {
        self.connections.as_ref().map(Runtime::handle)
    }

    /// Runs an operation of the inbox among the connections.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        operation: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let gone = || StoreError::new("the process ends");
        let task = self.connections().ok_or_else(gone)?.spawn(operation);
        Abort(task).ended().await.unwrap_or_else(|_| Err(gone()))
    }

    /// Runs a handler. It stops at its current `.await` when the future is dropped.
    pub(crate) async fn handle<T: Send + 'static>(
        &self,
        run: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        Abort(self.handlers.as_ref()?.spawn(run)).ended().await.ok()
    }
}

/// Without waiting for what runs: a handler may block.
impl Drop for Threads {
    fn drop(&mut self) {
        for runtime in [self.connections.take(), self.handlers.take()].into_iter().flatten() {
            runtime.shutdown_background();
        }
    }
}

/// A task that ends when this is dropped.
struct Abort<T>(JoinHandle<T>);

impl<T> Abort<T> {
    async fn ended(mut self) -> Result<T, JoinError> {
        (&mut self.0).await
    }
}

impl<T> Drop for Abort<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
