//! Background tasks: work that is no delivery, from the start of the extension to its graceful shutdown.

use std::{any::type_name, fmt, sync::Arc, time::Duration};

use super::instance::{Extension, Start};
use crate::{pipeline::ConcurrencyLimit, types::caught_to_end};

/// Says when a graceful shutdown begins: the argument of a [background task](crate::ExtensionBuilder::background).
///
/// Clones say the same.
#[derive(Clone)]
pub struct Shutdown(Arc<ConcurrencyLimit>);

impl Shutdown {
    /// Waits until the shutdown begins.
    pub async fn requested(&self) {
        self.0.begun().await;
    }

    /// Whether the shutdown has begun.
    pub fn is_requested(&self) -> bool {
        self.0.is_draining()
    }

    /// Waits for `time`, or until the shutdown begins. Returns whether to go on: `false` if it begins.
    ///
    /// ```
    /// use std::time::Duration;
    /// use kiket_runtime::{Extension, extension::Shutdown};
    ///
    /// async fn refresh(extension: Extension, shutdown: Shutdown) {
    ///     while shutdown.sleep(Duration::from_secs(60)).await {
    ///         // … every minute
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), kiket_runtime::StartupError> {
    /// # let builder = Extension::builder().webhook_secret("sh_123").on("issue.created", "v1", async || {});
    /// # let extension = builder.build()?;
    /// extension.drain();
    /// refresh(extension.clone(), extension.shutdown()).await; // ends at once
    /// # Ok(())
    /// # }
    /// ```
    pub async fn sleep(&self, time: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.requested() => false,
            () = tokio::time::sleep(time) => true,
        }
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown").field("requested", &self.is_requested()).finish()
    }
}

/// Background tasks.
impl Extension {
    /// Starts the [background tasks](crate::ExtensionBuilder::background), once: they run on the tokio runtime of the caller. The
    /// workers of an inbox start, too, on threads of their own.
    ///
    /// [`serve`](Self::serve), [`serve_app`](Self::serve_app) and [`Server::run`](crate::http::Server::run) call it. Call it yourself in tests, and
    /// where your own server handles signals.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, if there are background tasks.
    pub fn start_background(&self) {
        for start in self.take_background() {
            start(self.clone());
        }
        #[cfg(feature = "inbox")]
        self.start_workers();
    }

    /// Says when a graceful shutdown begins, as background tasks know it.
    pub fn shutdown(&self) -> Shutdown {
        Shutdown(Arc::clone(&self.pipeline().concurrency))
    }
}

/// Starts `work` when the extension serves. A panic is logged, and ends only the task.
pub(super) fn start<F, W>(work: F) -> Start
where
    F: FnOnce(Extension, Shutdown) -> W + Send + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    Box::new(move |extension| {
        // A graceful shutdown waits for the task, whether it ever asks about it or not.
        let task = extension.pipeline().services.tasks.begin();
        let (pipeline, shutdown) = (Arc::clone(extension.pipeline()), extension.shutdown());
        tokio::spawn(async move {
            let name = type_name::<F>();
            match caught_to_end(async move { work(extension, shutdown).await }).await {
                Ok(()) => tracing::debug!(task = name, "background task ended"),
                Err(panic) => {
                    let error = pipeline.responder.redactor.shown(panic);
                    tracing::error!(task = name, error, "background task panicked: it does not run again");
                }
            }
            drop(task);
        });
    })
}
