//! A thread for the connections of a store.
//!
//! A connection lives in the runtime that made it. Each worker of the server has one of its own, in which handlers run:
//! one that blocks would hold up every delivery that waits for a connection made there, and one that ends before the
//! others would take such connections with it, while they have replies to commit.

use std::{io, thread};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

use crate::store::StoreError;

/// Runs the steps of a store. It ends when it is dropped.
pub(super) struct StoreThread {
    runtime: Handle,
    /// Dropped to end it.
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

    /// Runs an operation to its end, also when its caller is gone.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        step: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let ended = self.runtime.spawn(step).await;
        ended.unwrap_or_else(|error| Err(StoreError::new("the thread of the store has ended").because(error)))
    }

    /// Makes something that needs the runtime.
    #[cfg(feature = "redis")]
    pub(super) fn enter<T>(&self, make: impl FnOnce() -> T) -> T {
        let _inside = self.runtime.enter();
        make()
    }

    /// Does something when there is time.
    #[cfg(feature = "postgres")]
    pub(super) fn later(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }
}
