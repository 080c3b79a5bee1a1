//! A thread with a runtime of its own, for connections and timers that several runtimes use.
//!
//! A connection lives in the runtime that made it. Each worker of the server has its own runtime, which also runs handlers:
//! a handler that blocks would delay everyone who uses a connection made there, and a worker that ends first would close it
//! while others use it.

use std::{io, thread};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// A thread that runs what is spawned on its runtime. It ends when this is dropped.
pub(crate) struct Thread {
    runtime: Handle,
    /// Dropped to end the thread.
    _ends: oneshot::Sender<()>,
}

impl Thread {
    pub(crate) fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (ends, ended) = oneshot::channel::<()>();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _ = runtime.block_on(ended);
            // The shutdown does not wait for a name lookup.
            runtime.shutdown_background();
        })?;
        Ok(Self { runtime: handle, _ends: ends })
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}
